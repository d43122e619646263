"""Processing without a window: the sketch of the how-to, drawn by Processing's own renderer.

Processing's classes come from the PyPI package py5, ZeroMQ for Java from Debian's libjeromq-java.
"""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PY5 = "py5==0.10.12a0"
JEROMQ = Path("/usr/share/java/jeromq.jar")

# What the Processing editor puts around a sketch.
SKETCH = """\
import processing.core.*; import processing.data.*;
{imports}
public class Sketch extends PApplet {{
{body}
}}
"""

# In place of the window, a picture in memory. Prints the colour of its corner when it changes, with
# the words that stand on it and the centre of the circle as a part of the canvas.
WINDOW = """\
import processing.awt.PGraphicsJava2D;

public class Window extends Sketch {
  String words = "", at = "";

  @Override public void size(int w, int h) {
    g = new PGraphicsJava2D();
    g.setParent(this);
    g.setPrimary(false);
    g.setSize(width = w, height = h);
    g.beginDraw();
  }

  @Override public void text(String s, float x, float y) { words = s; }

  @Override public void circle(float x, float y, float d) {
    super.circle(x, y, d);
    at = nf(x / width, 1, 3) + " " + nf(y / height, 1, 3);
  }

  public static void main(String[] args) {
    Window window = new Window();
    window.setup();
    for (String last = "", now; ; last = now) {
      window.draw();
      now = "hue " + nf(window.hue(window.get(0, 0)), 1, 1) + " " + window.words + " " + window.at;
      if (!now.equals(last)) System.out.println(now);
      window.delay(5);
    }
  }
}
"""

# Debian's jeromq is older than the enumeration that takes the place of its constants.
SOCKET_TYPE = "package org.zeromq; public class SocketType { public static final int SUB = 2; }"


def classes(folder):
    """Return the jars of Processing and ZeroMQ, or skip."""
    if not shutil.which("javac"):
        pytest.skip("javac is not installed (apt install default-jdk-headless)")
    if not JEROMQ.exists():
        pytest.skip("jeromq is not installed (apt install libjeromq-java)")
    get = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PY5]
    done = subprocess.run(get, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode:
        pytest.skip(f"{PY5} cannot be had: {done.stderr[-200:]}")
    with zipfile.ZipFile(next(folder.glob("py5*.whl"))) as wheel:
        core = wheel.extract("py5/jars/core.jar", folder)
    return f"{core}:{JEROMQ}"


def sketch(page):
    """Return the class that the Processing editor makes of the sketch of a page."""
    (text,) = re.findall(r"```java\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    imports = re.findall(r"^import .*;$", text, re.MULTILINE)
    body = re.sub(r"^import .*;$", "", text, flags=re.MULTILINE)
    body = re.sub(r"^void (setup|draw)\b", r"public void \1", body, flags=re.MULTILINE)
    body = re.sub(r"(?<![\w.])\d+\.\d+(?![\w.\"])", r"\g<0>f", body)  # its numbers are floats
    return SKETCH.format(imports="\n".join(imports), body=body)


def compile_sketch(folder, page):
    """Compile the sketch of a page; return a function from an endpoint to the command for it."""
    path = classes(folder)

    def command(endpoint):
        home = folder / re.sub(r"\W", "_", endpoint)
        home.mkdir()
        code = sketch(page).replace("tcp://127.0.0.1:5580", endpoint)
        sources = {"Sketch": code, "Window": WINDOW, "SocketType": SOCKET_TYPE}
        for name, text in sources.items():
            (home / f"{name}.java").write_text(text, encoding="utf-8")
        files = [home / f"{name}.java" for name in sources]
        build = ["javac", "-nowarn", "-cp", path, "-d", home, *files]
        done = subprocess.run(build, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return ["java", "-Djava.awt.headless=true", "-cp", f"{home}:{path}", "Window"]

    return command
