"""What C libraries print is discarded; what Python says is not: in fresh processes."""

import os
import subprocess
import sys

import pytest

CODE = """
import logging, os, sys, threading
from streammer.system.stderr import quiet
logging.basicConfig(format="%(message)s")
print("1", file=sys.stderr)
with quiet():
    os.write(2, b"NOISE\\n")
    print("2", file=sys.stderr)
    logging.warning("3")
    with quiet():
        os.write(2, b"NOISE\\n")
    os.write(2, b"NOISE\\n")
    thread = threading.Thread(target=print, args=("4",), kwargs={"file": sys.stderr})
    thread.start()
    thread.join()
os.write(2, b"5\\n")
with quiet():
    os.write(2, b"NOISE\\n")
from rich.console import Console
Console(stderr=True).print("6")
raise SystemExit("7")
"""


def run(code, *flags, **kwargs):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-W", "error", *flags, "-c", code],
        env=env,
        timeout=60,
        check=False,
        **kwargs,
    )


@pytest.mark.parametrize("flags", [(), ("-u",)])
def test_python_is_heard_and_libraries_are_not(flags):
    done = run(CODE, *flags, capture_output=True)
    assert done.returncode == 1
    assert done.stderr.decode().split() == list("1234567")
    assert done.stdout == b""


def test_many_threads_enter_and_leave_and_no_line_of_python_is_lost():
    code = """
import os, sys, threading
from streammer.system.stderr import quiet
before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
def decode():
    for _ in range(300):
        with quiet():
            os.write(2, b"NOISE\\n")
threads = [threading.Thread(target=decode) for _ in range(4)]
for t in threads: t.start()
for i in range(300): print("line", file=sys.stderr)
for t in threads: t.join()
os.write(2, b"end\\n")
if before is not None:
    assert len(os.listdir("/proc/self/fd")) <= before + 1
"""
    done = run(code, capture_output=True)
    assert done.returncode == 0, done.stderr
    # A line may be under way at the very moment when Python's stderr is moved, once a process.
    assert done.stderr.decode().replace("NOISE\n", "").count("line\n") == 300
    assert b"NOISE" not in done.stderr
    assert done.stderr.endswith(b"end\n")


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are closed the Unix way")
def test_a_process_without_stderr_works():
    code = "from streammer.system.stderr import quiet\nwith quiet(): print('fine')"
    done = run(
        code,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.close(2),
    )
    assert (done.returncode, done.stdout) == (0, b"fine\n")


def test_a_host_that_redirects_its_stderr_afterwards_redirects_python_too(tmp_path):
    code = """
import os, subprocess, sys
from streammer.system.stderr import quiet
for _ in range(2):
    with quiet():
        os.write(2, b"NOISE\\n")
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.dup2(log, 2)
print("python", file=sys.stderr, flush=True)
os.write(2, b"library\\n")
subprocess.run([sys.executable, "-c", "import sys; print('child', file=sys.stderr)"], check=True)
"""
    log = tmp_path / "host.log"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(log)], capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert log.read_text().split() == ["python", "library", "child"]


@pytest.mark.skipif(os.name != "posix", reason="a process that raises SIGINT at itself")
def test_the_last_words_of_a_signal_are_said_while_a_library_is_kept_quiet():
    code = """
import signal
from streammer.system.signals import ending, interrupting
from streammer.system.stderr import quiet
with interrupting(), ending("interrupted", 130), quiet():
    signal.raise_signal(signal.SIGINT)
"""
    done = run(code, stderr=subprocess.PIPE)
    assert done.returncode == 130
    assert done.stderr == b"streammer: interrupted\n"
