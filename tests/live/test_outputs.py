"""Outputs that take nothing, or cannot be written: the stream and its signals go on."""

import json
import os
import re
import sys
import threading
import time

import numpy as np
import pytest
import soundfile

from streammer.bus import Subscriber
from tests.sounds import SR, make_song

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and terminals of POSIX")

if sys.platform != "win32":
    from stopped_readers import full_named_pipe, full_pipe, full_terminal

TICKS = 6
PATIENCE_S = 60.0
RATE = 8000
STEPS = 1600
"""More than an output's queue and a pipe take together."""


@pytest.fixture(scope="module")
def song_wav(tmp_path_factory):
    path = tmp_path_factory.mktemp("outputs") / "song.wav"
    soundfile.write(path, make_song(60.0), SR, subtype="PCM_16")
    return path


@pytest.fixture
def listen(start):
    def run(*args, **options):
        return start(sys.executable, "-m", "streammer", "listen", *args, **options)

    return run


def assert_ticks(moods, count=TICKS):
    """Assert that estimates keep coming, without a hole."""
    seqs = []
    for _ in range(count):
        mood = moods.read(PATIENCE_S)
        assert mood is not None, f"the bus stands still after {seqs}"
        seqs.append(mood.seq)
    assert seqs == list(range(seqs[0], seqs[0] + count))


def dropped_in(summary):
    (count,) = re.findall(r"(\d+) lines dropped", summary)
    return int(count)


def assert_ends_in_order(process):
    """Assert that SIGTERM ends a process, with its summary; return the lines it says it lost."""
    assert process.end(timeout_s=PATIENCE_S) == 0, process.err
    # A writer that is left behind in a full pipe must not make the interpreter complain.
    assert all(line.startswith("streammer: ") for line in process.err.splitlines()), process.err
    return dropped_in(process.err)


def test_a_reader_of_stdout_that_stops_holds_up_neither_the_bus_nor_a_signal(
    listen, song_wav, free_endpoint
):
    with full_pipe() as stdout, Subscriber(free_endpoint) as moods:
        listener = listen(song_wav, "--bind", free_endpoint, stdout=stdout)
        assert_ticks(moods)
        assert assert_ends_in_order(listener) >= TICKS
        while not moods.ended:
            assert moods.read(PATIENCE_S) is not None or moods.ended


def test_a_log_into_a_pipe_that_is_not_read_holds_up_neither_the_bus_nor_a_signal(
    listen, song_wav, free_endpoint, tmp_path
):
    log = tmp_path / "log"
    with full_named_pipe(log), Subscriber(free_endpoint) as moods:
        listener = listen(song_wav, "--bind", free_endpoint, "--jsonl", log)
        assert_ticks(moods)
        assert assert_ends_in_order(listener) >= TICKS
        assert len(listener.rest()) >= TICKS  # stdout is another matter


def test_a_log_into_a_pipe_without_a_reader_is_said_once_and_holds_up_nothing(
    listen, song_wav, free_endpoint, tmp_path
):
    log = tmp_path / "log"
    os.mkfifo(log)
    with Subscriber(free_endpoint) as moods:
        listener = listen(song_wav, "--bind", free_endpoint, "--jsonl", log)
        assert_ticks(moods)
        reader = os.open(log, os.O_RDONLY)
        try:
            assert json.loads(os.read(reader, 1 << 12).splitlines()[0])["seq"] == 0
        finally:
            os.close(reader)
        assert_ticks(moods, 2)
        assert_ends_in_order(listener)
    assert listener.err.count("is a pipe that nobody reads") == 1


def test_a_terminal_that_stops_under_the_view_holds_up_neither_the_bus_nor_a_signal(
    listen, song_wav, free_endpoint, monkeypatch
):
    monkeypatch.setenv("TERM", "xterm-256color")
    with full_terminal() as stdout, Subscriber(free_endpoint) as moods:
        listener = listen(song_wav, "--bind", free_endpoint, stdout=stdout)
        assert_ticks(moods)
        assert_ends_in_order(listener)


def test_watch_follows_the_bus_and_ends_though_its_reader_has_stopped(
    publish, watch, free_endpoint
):
    with full_pipe() as stdout:
        watcher = watch("--connect", free_endpoint, stdout=stdout)
        watcher.await_err("nothing of main", PATIENCE_S)
        publisher, _ = publish(free_endpoint)
        with Subscriber(free_endpoint) as moods:
            assert_ticks(moods)  # on a busy machine the watcher joins later than we do
            assert_ticks(moods)
        publisher.end()
        watcher.await_err("main has ended", PATIENCE_S)
        assert assert_ends_in_order(watcher) >= TICKS


@pytest.fixture
def silence(listen):
    """Start `listen` on a pipe of silence, written as fast as it is taken."""
    writers = []

    def run(*args, **options):
        ours, theirs = os.pipe()
        pcm = ("-", "--format", "s16le", "--rate", RATE, "--channels", 1)
        listener = listen(*pcm, *args, stdin=ours, **options)
        os.close(ours)
        writers.append(_Silence(theirs))
        return listener, writers[-1]

    yield run
    for writer in writers:
        writer.close()


class _Silence:
    """Write `STEPS` steps of silence in a thread; the pipe stays open afterwards."""

    def __init__(self, fd):
        self.steps = 0
        self._fd = fd
        self._open = True
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self):
        step = np.zeros(RATE // 2, "<i2").tobytes()
        while self._open and self.steps < STEPS:
            left = step
            while left:
                try:
                    left = left[os.write(self._fd, left) :]
                except BrokenPipeError:
                    return
            self.steps += 1

    def await_all(self):
        self._thread.join(PATIENCE_S)
        assert self.steps == STEPS, f"only {self.steps} steps were taken"

    def await_stop(self):
        """Wait until everything is taken, or nothing has been for a while."""
        before = -1
        while self._thread.is_alive() and not (self.steps == before and self.steps > 100):
            before = self.steps
            time.sleep(3.0)

    def end(self):
        """Let the pipe end once all is written."""
        self._thread.join(PATIENCE_S)
        self.close()

    def close(self):
        if self._open:
            self._open = False
            os.close(self._fd)


def test_lines_dropped_for_a_reader_that_stopped_are_counted_in_status_and_summary(
    silence, free_endpoint
):
    with full_pipe() as stdout, Subscriber(free_endpoint) as moods:
        listener, source = silence("--bind", free_endpoint, stdout=stdout)
        source.await_all()
        deadline = time.monotonic() + PATIENCE_S
        while moods.status is None or not moods.status.dropped_lines:
            assert time.monotonic() < deadline, f"no dropped lines in {moods.status}"
            moods.read(1.0)
        told = moods.status.dropped_lines
        assert assert_ends_in_order(listener) > told


def test_at_fast_pace_the_run_waits_for_its_reader_and_drops_nothing(silence):
    listener, source = silence("--pace", "fast", "--no-publish")
    source.await_stop()
    assert source.steps < STEPS
    threading.Thread(target=source.end, daemon=True).start()
    lines = listener.rest(PATIENCE_S)
    assert [json.loads(line)["seq"] for line in lines] == list(range(STEPS))
    assert listener.wait(PATIENCE_S) == 0
    assert dropped_in(listener.err) == 0


def test_at_fast_pace_a_signal_ends_a_run_whose_reader_has_stopped(silence):
    with full_pipe() as stdout:
        listener, source = silence("--pace", "fast", "--no-publish", stdout=stdout)
        source.await_stop()
        assert source.steps < STEPS
        assert assert_ends_in_order(listener) > 1000


full_disk = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
REFUSED = "stdout cannot be written (No space left on device)"


@full_disk
def test_lines_on_a_full_disk_are_dropped_and_the_bus_goes_on(listen, song_wav, free_endpoint):
    with open("/dev/full", "wb") as full, Subscriber(free_endpoint) as moods:
        listener = listen(song_wav, "--bind", free_endpoint, stdout=full)
        assert_ticks(moods)
        deadline = time.monotonic() + PATIENCE_S
        while moods.status is None or not moods.status.dropped_lines:
            assert time.monotonic() < deadline, f"no dropped lines in {moods.status}"
            moods.read(1.0)
        assert listener.end(timeout_s=PATIENCE_S) == 4
    assert listener.err.count(REFUSED) == 1
    assert "the mood goes on without it" in listener.err
    assert dropped_in(listener.err) >= TICKS


@full_disk
def test_lines_on_a_full_disk_do_not_end_the_log(listen, song_wav, tmp_path):
    log = tmp_path / "log.jsonl"
    with open("/dev/full", "wb") as full:
        listener = listen(song_wav, "--pace", "fast", "--jsonl", log, stdout=full)
        assert listener.wait(PATIENCE_S) == 4
    assert listener.err.count(REFUSED) == 1
    assert len(log.read_text().splitlines()) == 120


@full_disk
def test_lines_on_a_full_disk_end_a_run_that_has_no_other_output(listen, song_wav):
    with open("/dev/full", "wb") as full:
        listener = listen(song_wav, "--no-publish", stdout=full)
        assert listener.wait(PATIENCE_S) == 4
    assert listener.err.count(REFUSED) == 1
    assert "goes on" not in listener.err
