"""`streammer watch` as a real process: lines, views, ends, and what it says when nothing comes."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

WATCH = [sys.executable, "-m", "streammer", "watch"]
posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals and signals of POSIX")


def test_watch_prints_a_line_of_json_an_estimate_and_ends_after_count(publish, watch):
    _, endpoint = publish()
    watcher = watch("--connect", endpoint, "--count", 5)
    estimates = [json.loads(line) for line in watcher.rest()]
    assert watcher.wait() == 0
    assert len(estimates) == 5
    seqs = [e["seq"] for e in estimates]
    assert seqs == sorted(set(seqs))
    assert len(watcher.err.splitlines()) == 1
    assert "5 estimates of main" in watcher.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_watch_in_order(publish, watch, number):
    _, endpoint = publish()
    watcher = watch("--connect", endpoint)
    watcher.line()
    begin = time.monotonic()
    assert watcher.end(number) == 0
    assert time.monotonic() - begin < 2.0
    assert "estimates of main" in watcher.err
    assert "Traceback" not in watcher.err


def test_a_closed_pipe_ends_watch_in_order(publish, watch):
    _, endpoint = publish()
    watcher = watch("--connect", endpoint)
    watcher.line()
    watcher.popen.stdout.close()
    assert watcher.wait() == 0
    assert "estimates of main" in watcher.err
    assert "Broken" not in watcher.err


@posix
def test_a_pipe_closed_while_nothing_is_heard_ends_watch_too(watch, free_endpoint):
    watcher = watch("--connect", free_endpoint)
    watcher.await_err("waiting")
    watcher.popen.stdout.close()
    assert watcher.wait() == 0
    assert "0 estimates of main" in watcher.err


def test_watch_says_once_that_nothing_comes_and_goes_on_waiting(publish, watch, free_endpoint):
    watcher = watch("--connect", free_endpoint, "--count", 2)
    watcher.await_err("nothing of main")
    time.sleep(1.0)
    assert watcher.popen.poll() is None
    assert len(watcher.err.splitlines()) == 1
    publish(free_endpoint)
    assert len(watcher.rest()) == 2
    assert watcher.wait() == 0


def test_watch_tells_a_stream_that_is_stale_from_one_that_has_ended(publish, watch, free_endpoint):
    first, _ = publish(free_endpoint)
    watcher = watch("--connect", free_endpoint)
    watcher.line()
    first.end(signal.SIGKILL)
    watcher.await_err("stale")
    second, _ = publish(free_endpoint)
    watcher.await_err("main is received")
    assert second.end() == 0
    watcher.await_err("main has ended")
    assert watcher.end() == 0
    states = {json.loads(line)["state"] for line in watcher.rest()}
    assert states == {"live"}  # the last message is told, not written
    assert "the stream has ended" in watcher.err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_full_disk_is_an_error_in_one_line(publish, watch):
    _, endpoint = publish()
    with open("/dev/full", "wb") as full:
        watcher = watch("--connect", endpoint, stdout=full)
        assert watcher.wait() == 4
    assert len(watcher.err.splitlines()) == 1
    assert "stdout" in watcher.err


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--connect", "tcp://127.0.0.1:99999"], 2, "99999"),
        (["--connect", "tcp://127.0.0.1:0"], 2, "1 to 65535"),
        (["--connect", "localhost"], 2, "tcp://127.0.0.1:5580"),
        (["--stream", "Main Hall"], 2, "Main Hall"),
        (["--count", "0"], 2, "--count"),
        (["--nosuch"], 2, "--nosuch"),
    ],
)
def test_wrong_usage_is_refused_in_one_line(watch, args, code, says):
    watcher = watch(*args)
    assert watcher.wait() == code
    assert says in watcher.err
    assert len(watcher.err.splitlines()) == 1


class Terminal:
    """A program in a pseudo-terminal of 80 x 24."""

    def __init__(self, *command, encoding="utf-8"):
        import fcntl
        import struct
        import termios

        self._fd, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": encoding}
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
            env.pop(name, None)
        self.popen = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=env)
        os.close(inner)
        self.shown = b""

    def await_shown(self, pattern, timeout_s=15.0):
        deadline = time.monotonic() + timeout_s
        while not re.search(pattern, self.shown, re.DOTALL):
            assert time.monotonic() < deadline, f"{pattern!r} not shown: {self.shown[-2000:]!r}"
            if select.select([self._fd], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self._fd, 65536)
                except OSError:  # the program has ended
                    break

    def close(self):
        self.popen.kill()
        self.popen.wait()
        os.close(self._fd)


@posix
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_terminal_gets_the_live_view(publish, encoding):
    publisher, endpoint = publish()
    terminal = Terminal(*WATCH, "--connect", endpoint, encoding=encoding)
    try:
        terminal.await_shown(rb"valence.*arousal.*live: hearing music")
        assert b'{"v":1' not in terminal.shown
        assert terminal.shown.isascii() == (encoding == "ascii")
        pictures = terminal.shown.count(b"hearing music")
        begin = time.monotonic()
        while time.monotonic() - begin < 2.0:
            terminal.await_shown(rb".")
            terminal.shown += os.read(terminal._fd, 65536)
        drawn = terminal.shown.count(b"hearing music") - pictures
        assert 2 <= drawn <= 4 * (time.monotonic() - begin) + 2
        publisher.end()
        terminal.await_shown(rb"main has ended")
        terminal.popen.send_signal(signal.SIGINT)
        terminal.await_shown(rb"\d+ estimates of main")
        assert terminal.popen.wait(10) == 0
        assert b"\x1b[?25h" in terminal.shown  # the cursor is back
    finally:
        terminal.close()


@posix
def test_json_is_printed_in_a_terminal_on_demand(publish):
    _, endpoint = publish()
    terminal = Terminal(*WATCH, "--connect", endpoint, "--json", "--count", "2")
    try:
        terminal.await_shown(rb"2 estimates of main")
        assert terminal.shown.count(b'{"v":1') == 2
        assert terminal.popen.wait(10) == 0
    finally:
        terminal.close()
