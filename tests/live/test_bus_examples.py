"""The example subscribers run as a user runs them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
LINE = re.compile(r"[\d.]+ s: -?[\d.e-]+, -?[\d.e-]+, live")


def test_the_python_example_prints_moods(publish, start):
    _, endpoint = publish()
    example = start(sys.executable, EXAMPLES / "subscriber.py", endpoint, 4)
    lines = example.rest()
    assert example.wait() == 0, example.err
    assert len(lines) == 4
    assert all(LINE.fullmatch(line) for line in lines), lines


@pytest.fixture(scope="session")
def npm_zeromq(tmp_path_factory):
    """Return a folder that has the npm package zeromq."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node or npm is not installed")
    folder = tmp_path_factory.mktemp("node")
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "zeromq@6"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm install zeromq took over 120 s")
    if done.returncode:
        pytest.skip(f"npm could not install zeromq: {done.stderr.decode()[-200:]}")
    probe = subprocess.run(
        ["node", "-e", "require('zeromq')"], cwd=folder, capture_output=True, check=False
    )
    if probe.returncode:
        pytest.skip(f"zeromq does not load in this node: {probe.stderr.decode()[-200:]}")
    return folder


def test_the_node_example_prints_moods(publish, start, npm_zeromq):
    example = shutil.copy(EXAMPLES / "subscriber.mjs", npm_zeromq)
    _, endpoint = publish()
    node = start("node", example, endpoint, 4)
    lines = node.rest()
    assert node.wait() == 0, node.err
    assert len(lines) == 4
    assert all(LINE.fullmatch(line) for line in lines), lines


@pytest.mark.parametrize("name", ["subscriber.py", "subscriber.mjs"])
def test_the_examples_are_ten_lines_of_code(name):
    text = (EXAMPLES / name).read_text()
    code = [line for line in text.splitlines() if line.strip() and not line.startswith(("//", '"'))]
    assert len(code) <= 12
