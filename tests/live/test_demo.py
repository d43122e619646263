"""`make demo`: the bundled track at live pace, as a new user sees it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, str(ROOT / "examples" / "demo.py")]


@pytest.fixture
def taken_port():
    """Make sure that somebody else has the usual port."""
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", 5580))
            sock.listen()
        except OSError:
            pass  # somebody else has it already
        yield


@pytest.mark.usefixtures("taken_port")
def test_the_whole_demo_runs_without_a_terminal_and_beside_another_publisher():
    began = time.monotonic()
    done = subprocess.run(DEMO, cwd=ROOT, capture_output=True, text=True, timeout=120)
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert 60.0 < took < 80.0  # the track's own pace, and the start
    ticks = re.findall(r"^ *(\d+\.\d) s  valence .* arousal .*", done.stdout, re.MULTILINE)
    assert [float(t) for t in ticks] == [float(t) for t in range(1, 61)]
    assert re.search(r"watch --connect tcp://127\.0\.0\.1:(?!5580)\d+", done.stdout)
    assert re.search(r"60\.5 s of sound, 121 estimates", done.stderr)
    table = dict(re.findall(r"^(calm|sad|tense|bright) .* ([+-]\d\.\d\d)$", done.stdout, re.M))
    assert min(float(table[k]) for k in ("tense", "bright")) > float(table["calm"])


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_in_a_terminal_the_live_view_moves_and_ctrl_c_ends_with_a_summary():
    import pty

    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(
        DEMO, cwd=ROOT, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        seen, deadline = b"", time.monotonic() + 30.0
        while seen.count(b"valence") < 5 and time.monotonic() < deadline:
            seen += os.read(ours, 65536)
        os.killpg(process.pid, signal.SIGINT)
        while True:
            try:
                seen += os.read(ours, 65536)
            except OSError:  # the last process has closed the terminal
                break
        process.wait(30)
    os.close(ours)
    assert b"arousal" in seen
    assert b"s of sound" in seen
    assert b"Traceback" not in seen
    assert process.returncode in (0, 130)
