"""One policy for signals: what was ignored stays so, SIGHUP ends in order, a second one at once."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import soundfile

from streammer.bus import Subscriber
from tests.sounds import SR, make_song

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

PATIENCE_S = 60.0
BEYOND_REPEAT_S = 0.5
"""Two signals that are this far apart are two."""

STREAMMER = [sys.executable, "-m", "streammer"]


@pytest.fixture(scope="module")
def song_wav(tmp_path_factory):
    path = tmp_path_factory.mktemp("signals") / "song.wav"
    soundfile.write(path, make_song(60.0), SR, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    folder = tmp_path_factory.mktemp("album")
    soundfile.write(folder / "00.wav", make_song(20.0, channels=1), SR)
    for k in range(1, 20):
        (folder / f"{k:02}.wav").hardlink_to(folder / "00.wav")
    return folder


@pytest.fixture
def ignoring(start):
    """Start a command as a shell starts it that ignores a signal, in a group of its own."""

    def run(name, *args):
        shell = f"trap '' {name}; exec \"$@\""
        return start("sh", "-c", shell, "sh", *STREAMMER, *args, group=True)

    return run


def ticks(process, count=6):
    """Return lines that come after now."""
    lines = [process.line() for _ in range(count)]
    assert all(lines), process.err
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", ["INT", "HUP"])
def test_listen_goes_on_by_a_signal_that_it_was_started_to_ignore(ignoring, song_wav, name):
    listener = ignoring(name, "listen", song_wav, "--no-publish")
    ticks(listener, 2)
    for _ in range(2):
        os.killpg(listener.popen.pid, getattr(signal, f"SIG{name}"))
        ticks(listener)
    assert listener.end(timeout_s=PATIENCE_S) == 0


def test_watch_goes_on_by_a_ctrl_c_that_it_was_started_to_ignore(ignoring, publish):
    _, endpoint = publish()
    watcher = ignoring("INT", "watch", "--connect", endpoint)
    ticks(watcher, 2)
    for _ in range(2):
        os.killpg(watcher.popen.pid, signal.SIGINT)
        ticks(watcher)
    assert watcher.end(timeout_s=PATIENCE_S) == 0


def test_label_goes_on_by_a_ctrl_c_that_it_was_started_to_ignore(ignoring, album):
    label = ignoring("INT", "label", album, "--jobs", 2)
    assert label.line()
    os.killpg(label.popen.pid, signal.SIGINT)
    time.sleep(BEYOND_REPEAT_S)
    if label.popen.poll() is None:
        os.killpg(label.popen.pid, signal.SIGINT)
    assert len(label.rest(PATIENCE_S)) == 19
    assert label.wait(PATIENCE_S) == 0
    assert "20 of 20 files labelled" in label.err


def test_label_still_ends_by_sigterm_where_ctrl_c_is_ignored(ignoring, album):
    label = ignoring("INT", "label", album, "--jobs", 2)
    assert label.line()
    assert label.end(timeout_s=PATIENCE_S) == 130
    assert "interrupted" in label.err


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_terminal_that_closes_ends_listen_as_sigterm_does(start, song_wav, free_endpoint, number):
    with Subscriber(free_endpoint) as moods:
        listener = start(*STREAMMER, "listen", song_wav, "--bind", free_endpoint)
        assert moods.read(PATIENCE_S) is not None
        assert listener.end(number, PATIENCE_S) == 0
        deadline = time.monotonic() + PATIENCE_S
        while not moods.ended and time.monotonic() < deadline:
            moods.read(0.5)
        assert moods.ended
    assert "of sound" in listener.err


BLOCKED = """
import ctypes, sys
from streammer.cli import main
from streammer.engine.capture import DirectCapture

def get(self, timeout_s):
    # A mutex that is taken twice: no signal wakes its waiter, and no handler of Python's runs.
    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(256)
    libc.pthread_mutex_lock(mutex)
    print("it reads", file=sys.stderr, flush=True)
    libc.pthread_mutex_lock(mutex)

DirectCapture.get = get
sys.exit(main(["listen", sys.argv[1], "--pace", "fast", "--no-publish"]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a mutex of glibc or musl begins as zeros")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once_while_a_read_blocks_in_the_kernel(start, song_wav, number):
    listener = start(sys.executable, "-c", BLOCKED, song_wav)
    listener.await_err("it reads", PATIENCE_S)
    listener.send(number)
    listener.send(
        number
    )  # as `timeout` and closing terminals send theirs: this is the first, still
    time.sleep(BEYOND_REPEAT_S)
    assert listener.popen.poll() is None
    assert listener.end(number, PATIENCE_S) == 130
    assert listener.err.splitlines()[-1] == "streammer: ended at once by a second signal"


def test_a_signal_ends_the_wait_for_a_log_that_nobody_reads(start, tmp_path):
    song, log = tmp_path / "song.wav", tmp_path / "log"
    soundfile.write(song, make_song(4.0), SR)
    os.mkfifo(log)
    listener = start(*STREAMMER, "listen", song, "--pace", "fast", "--jsonl", log)
    listener.await_err("is a pipe that nobody reads", PATIENCE_S)
    assert len([listener.line() for _ in range(8)]) == 8
    assert listener.end(timeout_s=PATIENCE_S) == 0
    assert "8 lines dropped" in listener.err


def test_signals_that_come_after_the_end_do_not_change_the_exit_code():
    code = (
        "import os, signal, sys\n"
        "from streammer.system.signals import leave\n"
        "class Late:\n"
        "    def flush(self):\n"
        "        for _ in range(2):\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.stdout = Late()\n"
        "leave(3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (3, b"")


def test_what_libraries_do_at_exit_does_not_reach_the_terminal():
    code = (
        "import atexit, sys\n"
        "from streammer.cli import run\n"
        "atexit.register(print, 'a library at its end')\n"
        "sys.argv[1:] = ['--version']\n"
        "run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 1)
