"""The wheel holds the live core and its artefacts alone, and runs from a bare environment."""

import email
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streammer.inference.artefact import find_artefact

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ZOO = sorted(p.name for p in (ROOT / "models" / "zoo").glob("*.*") if p.suffix in {".onnx", ".md"})


def run(*command, cwd, timeout=600):
    # What is installed is asked, not the checkout beside it; nor does it get our environment.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=clean, capture_output=True, text=True,
        timeout=timeout,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*pip, "--wheel-dir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("streammer-*.whl")
    return path


@pytest.fixture(scope="session")
def bare(wheel, tmp_path_factory):
    """Make an environment that holds the wheel and what it depends on, and nothing else."""
    folder = tmp_path_factory.mktemp("bare") / "env"
    venv.create(folder, symlinks=os.name != "nt")
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", scripts / "python", "install", "--quiet"]
    run(*pip, wheel, cwd=folder)
    return scripts


def test_the_wheel_holds_the_live_core_and_its_artefacts_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    version = importlib.metadata.version("streammer")
    assert tops == {"streammer", f"streammer-{version}.dist-info"}
    in_zoo = sorted(n.split("/")[-1] for n in names if n.startswith("streammer/zoo/"))
    assert "default.onnx" in in_zoo
    assert in_zoo == ZOO
    assert "streammer/py.typed" in names
    assert {"streammer/demo/demo.ogg", "streammer/demo/demo.json"} <= set(names)
    static = ROOT / "streammer" / "web" / "static"
    page = {str(p.relative_to(ROOT)) for p in static.rglob("*.*") if p.is_file()}
    assert page == {name for name in names if name.startswith("streammer/web/static/")}
    assert any(
        name.endswith("licenses/streammer/web/static/vendor/uPlot.LICENSE") for name in names
    )
    assert any(name.endswith("licenses/LICENSE") for name in names)
    modules = {str(p.relative_to(ROOT)) for p in (ROOT / "streammer").rglob("*.py")}
    assert modules == {name for name in names if name.endswith(".py")}


@pytest.fixture(scope="session")
def metadata(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(archive.read(name))


def test_the_wheel_asks_for_a_light_core(metadata):
    needed = {
        re.match(r"[\w.-]+", line).group()
        for line in metadata.get_all("Requires-Dist")
        if "extra ==" not in line
    }
    assert needed == {
        "av", "cyclopts", "msgspec", "numba", "numpy", "onnx", "onnxruntime", "pulsectl", "pyzmq",
        "rich", "sounddevice", "soundfile", "soxr",
    }  # fmt: skip
    assert metadata["Requires-Python"] == ">=3.11"


def test_no_extra_installs_what_only_a_checkout_can_use(metadata):
    assert set(metadata.get_all("Provides-Extra")) == {"bridges", "dash", "gpu", "plot", "table"}
    assert {"offline", "dev", "docs"} <= set(PYPROJECT["dependency-groups"])
    assert not any("torch" in line for line in metadata.get_all("Requires-Dist"))


def test_every_python_that_is_named_is_one_that_ci_tries():
    named = [
        line.rsplit(" ", 1)[1]
        for line in PYPROJECT["project"]["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", line)
    ]
    assert named == ["3.11", "3.12", "3.13"]
    assert f"for version in {' '.join(named)}; do" in (ROOT / ".ci" / "run").read_text()
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert f"python: {json.dumps(named)}" in workflow


def test_the_published_description_has_no_link_or_picture_that_breaks_elsewhere(metadata):
    text = metadata.get_payload(decode=True).decode()
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "# streammer" in text
    targets = re.findall(r"\]\(([^)\s]*)", text) + re.findall(r"(?:src|href)=[\"']([^\"']*)", text)
    assert [target for target in targets if not target.startswith("https://")] == []
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](docs/" in readme  # there is something to break
    words = re.findall(r"(?<!!)\[([^\]]+)\]\((?!https?:)", readme)
    assert [word for word in words if word not in text] == []


def test_the_wheel_runs_in_a_bare_environment(bare, tmp_path):
    sr = 44100
    noise = 0.1 * np.random.default_rng(0).standard_normal((3 * sr, 2))
    soundfile.write(tmp_path / "noise.wav", noise, sr)
    assert "default" in run(bare / "streammer", "models", cwd=tmp_path)
    out = run(bare / "streammer", "listen", "noise.wav", "--pace", "fast", cwd=tmp_path)
    moods = [json.loads(line) for line in out.splitlines()]
    assert [mood["seq"] for mood in moods] == list(range(6))
    assert all(-1 <= mood[axis] <= 1 for mood in moods for axis in ("valence", "arousal"))
    here = run(bare / "python", "-c", "import streammer; print(streammer.__file__)", cwd=tmp_path)
    assert ROOT not in Path(here.strip()).parents
    for absent in ("librosa", "models", "offline", "pyarrow", "scipy", "torch"):
        find = f"import importlib.util as u; print(u.find_spec({absent!r}))"
        assert run(bare / "python", "-c", find, cwd=tmp_path).strip() == "None"


def test_an_editable_install_finds_the_artefacts(tmp_path):
    origin = importlib.metadata.distribution("streammer").read_text("direct_url.json")
    if origin is None or not json.loads(origin).get("dir_info", {}).get("editable"):
        pytest.skip("streammer is not installed with pip install -e here")
    assert find_artefact("default") == ROOT / "models" / "zoo" / "default.onnx"
    code = "from streammer.inference.artefact import find_artefact; print(find_artefact('default'))"
    found = run(sys.executable, "-c", code, cwd=tmp_path).strip()
    assert Path(found).resolve() == (ROOT / "models" / "zoo" / "default.onnx").resolve()


def test_the_version_is_one():
    import streammer

    declared = PYPROJECT["project"]["version"]
    assert streammer.__version__ == declared
    assert f"## [{declared}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.skipif(os.name == "nt" or shutil.which("make") is None, reason="needs make")
def test_make_names_what_is_missing_when_python_is_too_old(tmp_path):
    old = tmp_path / "python3.9"
    old.write_text(
        '#!/bin/sh\ncase "$*" in *version_info*) exit 1 ;; *) echo Python 3.9.1 ;; esac\n'
    )
    old.chmod(0o755)
    command = ["make", "-C", str(ROOT), f"PYTHON={old}", f"VENV={tmp_path / 'venv'}", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "streammer needs Python 3.11 or newer, found: Python 3.9.1" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_the_citation_names_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    declared = PYPROJECT["project"]["version"]
    assert re.search(rf"^version: {re.escape(declared)}$", citation, re.MULTILINE)
    (day,) = re.findall(
        rf"^## \[{re.escape(declared)}\] - (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert f"date-released: {day}" in citation


def test_workflow_and_ci_call_make_and_install_the_same_packages():
    texts = [(ROOT / name).read_text() for name in (".ci/run", ".github/workflows/ci.yml")]
    assert all(re.search(r"make test$", text, re.MULTILINE) for text in texts)
    needed = {"pulseaudio", "libportaudio2", "jq", "fluidsynth", "icecast2", "ffmpeg"}
    assert all(needed <= set(re.findall(r"[\w-]+", text)) for text in texts)
