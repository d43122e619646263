"""`streammer hub` between real processes: restarts, wrong starts, and the lines of its page."""

import re
import shlex
import signal
import socket
import struct
import sys
import time
from pathlib import Path

import pytest
import soundfile

from streammer.bus import Publisher
from streammer.bus.streams import Streams
from streammer.estimate import MoodEstimate
from tests.sounds import SR, make_song

CLI = (sys.executable, "-m", "streammer")
PAGE = Path(__file__).parents[2] / "docs" / "howto-hub.md"
PATIENCE_S = 90.0
RESUME_S = 2.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    path = tmp_path_factory.mktemp("song") / "set.wav"
    soundfile.write(path, make_song(120.0), SR)
    return path


@pytest.fixture
def ends():
    """Return two free endpoints: for publishers and for subscribers."""
    with socket.create_server(("127.0.0.1", 0)) as a, socket.create_server(("127.0.0.1", 0)) as b:
        return tuple(f"tcp://127.0.0.1:{s.getsockname()[1]}" for s in (a, b))


@pytest.fixture
def hub(start, ends):
    """Start a hub, and wait until it is there."""

    def run(*options):
        process = start(*CLI, "hub", "--publishers", ends[0], "--bind", ends[1], *options)
        process.await_err("publishers connect to", PATIENCE_S)
        return process

    return run


@pytest.fixture
def listen(start, song, ends):
    """Start a publisher that goes through the hub."""

    def run(name):
        return start(*CLI, "listen", song, "--name", name, "--connect", ends[0])

    return run


def fresh(streams, names, seconds=PATIENCE_S):
    """Return when the first new estimate of each came [s, monotonic]."""
    came, deadline = {}, time.monotonic() + seconds
    while set(came) < set(names):
        assert time.monotonic() < deadline, f"only {sorted(came)} came of {sorted(names)}"
        for message in streams.read(0.2):
            if isinstance(message, MoodEstimate):
                came.setdefault(message.stream, time.monotonic())
    return came


def test_all_resume_within_2_s_when_a_killed_hub_is_back(start, hub, listen, ends):
    first = listen("stage")
    first.await_err(f"no hub answers at {ends[0]}", PATIENCE_S)
    serving = hub()
    others = [listen("bar"), start(*CLI, "watch", "--all", "--connect", ends[1], "--json")]
    with Streams(ends[1]) as streams:
        fresh(streams, {"stage", "bar"})
        first.await_err("answers; it is published there", PATIENCE_S)
        delays = []
        for _ in range(3):
            assert serving.end(signal.SIGKILL) == -signal.SIGKILL
            serving.popen.wait()
            while streams.read(0.2):
                pass
            serving = hub()
            back = time.monotonic()
            came = fresh(streams, {"stage", "bar"})
            delays.append(max(came.values()) - back)
        assert sorted(delays)[1] < RESUME_S, delays
        epochs = {name: followed.epoch for name, followed in streams.following.items()}
        assert len(set(epochs.values())) == 2  # nobody began anew
        assert streams.malformed == 0
    for process in (first, *others):
        assert process.popen.poll() is None, process.err
        assert process.end(timeout_s=PATIENCE_S) == 0
    assert serving.end(timeout_s=PATIENCE_S) == 0
    assert re.search(r"[12] streams; \d+ messages received, \d+ sent on", serving.err)


def test_a_hub_that_cannot_start_is_one_line_with_its_code(start, ends):
    with Publisher("tcp://127.0.0.1:0") as other:
        for options, code, says in (
            (("--publishers", other.endpoint), 4, "is taken"),
            (("--bind", other.endpoint), 4, "is taken"),
            (("--connect", ends[0]), 2, "is this hub itself"),
            (("--bind", ends[0]), 2, "a port each"),
            (("--bind", "tcp://0.0.0.0:5580"), 4, "--insecure"),
            (("--connect", "nowhere"), 2, "malformed"),
        ):
            given = {"--publishers": ends[0], "--bind": ends[1]} | {options[0]: options[1]}
            process = start(*CLI, "hub", *(word for pair in given.items() for word in pair))
            assert process.wait(PATIENCE_S) == code, process.err
            (line,) = process.err.splitlines()
            assert says in line


def test_listen_refuses_a_hub_and_no_bus(start, song, ends):
    process = start(*CLI, "listen", song, "--connect", ends[0], "--no-publish")
    assert process.wait(PATIENCE_S) == 2
    assert "contradict" in process.err


def test_a_run_publishes_through_a_hub_and_its_own_bridges_follow(start, hub, song, ends, tmp_path):
    path = tmp_path / "venue.toml"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as strip:
        strip.bind(("127.0.0.1", 0))
        strip.settimeout(PATIENCE_S)
        path.write_text(
            f'[bus]\nconnect = "{ends[0]}"\n[[feeds]]\nname = "stage"\nsource = "{song}"\n'
            f'[[bridges]]\nkind = "wled"\ngroup = "127.0.0.1"\nport = {strip.getsockname()[1]}\n'
        )
        hub()
        run = start(*CLI, "run", path)
        with Streams(ends[1]) as streams:
            fresh(streams, {"stage"})
        deadline = time.monotonic() + PATIENCE_S
        while not struct.unpack_from("<f", strip.recv(100), 8)[0] > 0.0:  # still: no mood yet
            assert time.monotonic() < deadline
        assert f"the hub {ends[0]}" in run.err
        assert run.end(timeout_s=PATIENCE_S) == 0


def lines_of_the_page():
    """Return the lines of its first block, each after the machine that it is typed on."""
    block = re.search(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line.split(" #")[0].strip() for line in block[1].splitlines()]
    return [line for line in lines if line]


def test_the_lines_of_the_page_do_what_it_says(start, song, ends):
    hub, listen, watch = lines_of_the_page()
    assert hub.startswith("streammer hub ")
    began = []
    for line in (hub, listen, watch):
        for shown, here in (
            ("tcp://0.0.0.0:5581", ends[0]), ("tcp://0.0.0.0:5580", ends[1]),
            ("tcp://192.168.1.20:5581", ends[0]), ("tcp://192.168.1.20:5580", ends[1]),
            ("listen mic", f"listen {song}"),
        ):  # fmt: skip
            line = line.replace(shown, here)
        began.append(start(*CLI, *shlex.split(line)[1:]))
    assert '"stream":"stage"' in began[2].line()
    program = re.search(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]
    shown = start(sys.executable, "-u", "-c", program.replace("tcp://127.0.0.1:5580", ends[1]))
    line = shown.line()
    while line.startswith("0 streams, "):  # the hub's first status
        line = shown.line()
    assert re.match(r"1 streams, \d+ messages sent on, conflicts: none", line), shown.err
