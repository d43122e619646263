"""`streammer label` in a process of its own, and the processes that decode for it."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LABEL = [sys.executable, "-m", "streammer", "label"]

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the processes apart")


def run(*args, jobs=1, **kwargs):
    done = subprocess.run(
        [*LABEL, *map(str, args), "--jobs", str(jobs)],
        capture_output=True,
        timeout=300,
        check=False,
        **kwargs,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def workers_of(process):
    """Return the processes that decode for `process`."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return [
            int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()
        ]
    except OSError:  # one has just ended
        return []


def label_until_a_row(album, out, *args):
    """Start `label` and wait until it has written a row; return the process and its part."""
    process = subprocess.Popen(
        [*LABEL, str(album), "--out", str(out), "--jobs", "2", *args], stderr=subprocess.PIPE
    )
    mark = ".resumed" if "--resume" in args else ""
    part = out.with_name(f".{out.name}.{process.pid}{mark}.part")
    deadline = time.monotonic() + 120
    while not (part.exists() and b"wav" in part.read_bytes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return process, part


def handles(pid, number):
    """Whether a process of Python has a handler for a signal of its own: `main` has begun."""
    if sys.platform != "linux":
        time.sleep(1.0)
        return True
    (mask,) = re.findall(r"SigCgt:\s+(\w+)", Path(f"/proc/{pid}/status").read_text())
    return bool(int(mask, 16) >> (number - 1) & 1)


def begun(process):
    """Whether `main` has begun; an earlier Ctrl-C is the interpreter's own."""
    return handles(process.pid, signal.SIGTERM)
