"""The documentation site builds without a warning, whole, and is read without a network."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
for library in ("material", "mkdocstrings_handlers", "nbclient", "pandas"):
    pytest.importorskip(library, reason=f"{library} is not installed (pip install --group docs)")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def page(site, name):
    return (site / name).read_text(encoding="utf-8")


def test_every_page_of_the_docs_is_in_the_site(site):
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"notebook", "commands"}
    assert pages <= {path.stem for path in site.glob("*.html")}


def test_nothing_that_a_page_loads_comes_from_a_network(site):
    loads = re.compile(r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']([^"']*)|<link\s([^>]*)>""")
    seen = set()
    for path in site.rglob("*.html"):
        for source, link in loads.findall(path.read_text(encoding="utf-8")):
            if link and 'rel="stylesheet"' not in link and 'rel="icon"' not in link:
                continue
            target = source or re.search(r'href="([^"]*)"', link).group(1)
            assert not re.match(r"(https?:)?//", target), f"{path.name}: {target}"
            seen.add(target.rpartition("/")[2].partition(".")[0])
            base = site if target.startswith("/") else path.parent  # 404.html may be anywhere
            there = base / target.lstrip("/").partition("?")[0]
            assert target.startswith("data:") or there.exists(), f"{path.name}: {target}"
    assert {"bundle", "iframe-worker", "main", "view"} <= seen
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:|@import ['\"]?http", style.read_text("utf-8"))


def test_the_api_is_that_of_the_docstrings(site):
    api = page(site, "api.html")
    for name in ("listen", "label", "Subscriber", "MoodEstimate", "load_model", "FrontEnd"):
        assert re.search(rf'id="streammer\.[\w.]*{name}"', api), name
    assert "Iterate over the mood of a source" in api


def test_the_page_of_commands_has_what_help_says(site):
    commands = page(site, "commands.html")
    names = ("listen", "watch", "label", "devices", "models", "doctor", "bridge", "bridge osc")
    for name in names:
        assert f"Usage: streammer {name}" in commands, name
    assert "--jsonl" in commands


def test_the_notebook_runs_and_shows_its_tables_and_plots(site):
    notebook = page(site, "notebook.html")
    pictures = re.findall(r'src="(notebook-[^"]*\.png)"', notebook)
    assert len(pictures) == 2
    assert all((site / name).read_bytes()[:4] == b"\x89PNG" for name in pictures)
    assert notebook.count("<table") == 3
    assert "Traceback" not in notebook
    stored = (ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8")
    assert '"output_type"' not in stored  # what is shown is computed, never kept


def test_the_moving_picture_shows_the_real_view(tmp_path):
    out = tmp_path / "view.svg"
    script = ROOT / "docs" / "tools" / "view_picture.py"
    subprocess.run([sys.executable, str(script), str(out), "4"], cwd=ROOT, check=True, timeout=300)
    for path, frames in ((out, 4), (ROOT / "docs" / "images" / "view.svg", 40)):
        root = ElementTree.parse(path).getroot()
        words = [text.text for text in root.iter(f"{SVG}text")]
        assert {"valence", "arousal", "Q2 tense", "excited Q1", "●"} <= set(words)
        times = [word for word in words if re.fullmatch(r"\d:\d\d:\d\d", word)]
        assert len(times) == frames  # each picture shows a time of its own
        assert sum(1 for _ in root.iter(f"{SVG}animate")) >= frames
    assert (ROOT / "docs" / "images" / "view.svg").stat().st_size < 150_000
