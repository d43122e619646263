"""The lights and pictures of the how-tos: colours span the range of the room, and come to rest.

Each recipe runs as a user runs it, beside a real publisher.
"""

import functools
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from processing_sketch import compile_sketch

from streammer.bus import Publisher
from streammer.clock import SystemClock
from streammer.estimate import MoodEstimate, new_epoch, quadrant_of

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
HUE = re.compile(r"hue +(-?[\d.]+)")
REST_HUE = 40.0


def swing(seq, period):
    return math.sin(2 * math.pi * seq / period)


def two_halves(seq):
    return 1.0 if seq // 40 % 2 else -1.0


STREAMS = {
    "a set from calm to wild": lambda k: (0.5 * swing(k, 90), 0.7 * swing(k, 70), None),
    "a night of one genre": lambda k: (
        0.12 + 0.04 * swing(k, 80), 0.3 + 0.05 * swing(k, 60), 0.66 + 0.06 * swing(k, 80),
    ),
    "sad songs only": lambda k: (
        -0.3 + 0.1 * swing(k, 70), -0.4 + 0.1 * swing(k, 90), 0.2 + 0.1 * swing(k, 70),
    ),
    "two moods with a cut between them": lambda k: (
        0.2 * two_halves(k), 0.4 * two_halves(k), 0.5 + 0.4 * two_halves(k),
    ),
    "angry music, of which only p_positive says so": lambda k: (
        0.12, 0.5 + 0.1 * swing(k, 30), 0.3 + 0.25 * swing(k, 60),
    ),
}  # fmt: skip


def mood(epoch, seq, valence, arousal, p_positive):
    now = 1.8e9 + 0.5 * seq  # two a second, as the programs are told, whatever the pace here
    return MoodEstimate(
        stream="main", epoch=epoch, seq=seq, t_audio_s=0.5 * (seq + 1), t_capture=now,
        t_publish=now, valence=valence, arousal=arousal, sigma_valence=0.2, sigma_arousal=0.2,
        p_positive=p_positive, p_energetic=None, quadrant=quadrant_of(valence, arousal),
        state="live", level_dbfs=-20.0, lag_ms=1.0, model="default", lost_samples=0,
    )  # fmt: skip


@pytest.fixture
def play():
    """Publish a stream of moods, fast, until the test is over; return the endpoint."""
    stop, threads, buses = threading.Event(), [], []

    def begin(moods, period_s):
        bus, epoch = Publisher("tcp://127.0.0.1:0"), new_epoch(SystemClock())

        def run():
            seq = 0
            while not stop.wait(period_s):
                bus.publish(mood(epoch, seq, *moods(seq)))
                seq += 1

        buses.append(bus)
        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return bus.endpoint

    yield begin
    stop.set()
    for thread in threads:
        thread.join()
    for bus in buses:
        bus.close()


def python_recipe(name):
    return lambda endpoint: [sys.executable, "-u", EXAMPLES / name, endpoint]


def shell_recipe(endpoint):
    if not (shutil.which("jq") and shutil.which("bash")):
        pytest.skip("jq or bash is not installed (apt install jq)")
    return ["bash", EXAMPLES / "lights.sh", endpoint]


RECIPES = {
    "lights.py": python_recipe("lights.py"),
    "visuals.py": python_recipe("visuals.py"),
    "lights.sh": shell_recipe,
    "Processing": None,  # compiled once: see `recipes`
}


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """Return a function from the name of a recipe to one from an endpoint to its command."""

    @functools.cache
    def recipe(name):
        if name == "Processing":
            folder = tmp_path_factory.mktemp("processing")
            return compile_sketch(folder, ROOT / "docs" / "howto-visuals.md")
        return RECIPES[name]

    return recipe


@pytest.fixture
def lines(recipes):
    """Run a recipe; return an iterator of the lines that it prints, which ends after 90 s."""
    running = []

    def run(name, endpoint):
        command = [*map(str, recipes(name)(endpoint))]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "PATH": path},
        )  # fmt: skip
        watchdog = threading.Timer(90.0, os.killpg, (process.pid, signal.SIGKILL))
        watchdog.start()
        running.append((process, watchdog))
        return process.stdout

    yield run
    for process, watchdog in running:
        watchdog.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


@pytest.fixture
def hues(lines):
    """Run a recipe; return an iterator of the hues that it prints."""

    def run(name, endpoint):
        return (float(HUE.search(line).group(1)) for line in lines(name, endpoint))

    return run


def after_the_first_turn(hues):
    """Yield hues from where they first turn: the way there from the resting hue proves nothing."""
    furthest, turned = REST_HUE, False
    for hue in hues:
        up = furthest > REST_HUE
        back = furthest - hue if up else hue - furthest
        turned |= abs(furthest - REST_HUE) > 5.0 and back > 5.0  # eight bits a colour tremble
        if turned:
            yield hue
        elif abs(hue - REST_HUE) > abs(furthest - REST_HUE):
            furthest = hue


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("stream", STREAMS)
def test_the_colours_span_the_range_of_the_room(name, stream, play, hues):
    # Pictures glide by the clock, in .8 s, and would smooth moods away that came 50 times a second.
    glides = name in ("visuals.py", "Processing")
    shown = hues(name, play(STREAMS[stream], 0.1 if glides else 0.02))
    assert next(shown) == pytest.approx(REST_HUE, abs=1.0)  # a first scene before any music
    lowest, highest = math.inf, -math.inf
    for hue in after_the_first_turn(shown):
        lowest, highest = min(lowest, hue), max(highest, hue)
        if highest - lowest > 120.0:
            break
    assert highest - lowest > 120.0


@pytest.mark.parametrize("name", RECIPES)
def test_a_killed_publisher_brings_the_resting_scene(name, publish, hues):
    publisher, endpoint = publish()
    shown = hues(name, endpoint)
    next(hue for hue in shown if abs(hue - REST_HUE) > 30.0)
    publisher.send(signal.SIGKILL)
    publisher.wait()
    killed = time.monotonic()
    for hue in shown:
        if abs(hue - REST_HUE) < 1.0 and time.monotonic() - killed > 1.5:
            break
    assert hue == pytest.approx(REST_HUE, abs=1.0)


def test_the_sketch_shows_the_published_quadrant_where_valence_and_arousal_lie(play, lines):
    shown = lines("Processing", play(lambda k: (-0.5, 0.5, 0.3), 0.05))
    line = next(line for line in shown if "Q" in line)
    assert line.endswith(" Q2 0.250 0.250\n")  # tense: a quarter from the left and from the top


@pytest.fixture
def touchdesigner():
    """Run the block of the how-to inside what it takes from TouchDesigner; yield its channels."""
    sockets = []

    def run(endpoint):
        page = (ROOT / "docs" / "howto-visuals.md").read_text(encoding="utf-8")
        (code,) = (b for b in re.findall(r"```python\n(.*?)```", page, re.S) if "onFrame" in b)
        channels = type("Par", (), {"value0": None, "value1": None})()
        space = {"op": lambda name: {"mood": type("Op", (), {"par": channels})}[name]}
        exec(
            compile(code.replace("tcp://127.0.0.1:5580", endpoint), "touchdesigner", "exec"), space
        )
        sockets.append(space["sock"])

        def frame():
            space["sock"].poll(100)  # the next picture
            space["onFrameStart"](1)
            return channels.value0, channels.value1

        return frame

    yield run
    for socket in sockets:
        socket.close()


@pytest.mark.parametrize("stream", STREAMS)
def test_the_colours_of_touchdesigner_span_the_range_of_the_room(stream, play, touchdesigner):
    frame = touchdesigner("tcp://127.0.0.1:1")  # nobody is there yet
    assert frame() == (REST_HUE, 0.3)
    frame = touchdesigner(play(STREAMS[stream], 0.01))
    until, hues = time.monotonic() + 60.0, []
    while time.monotonic() < until and (len(hues) < 2 or max(hues) - min(hues) <= 120.0):
        hue, energy = frame()
        assert 0.0 <= energy <= 1.0
        if hue != REST_HUE:
            hues.append(hue)
    assert max(hues) - min(hues) > 120.0


def test_a_killed_publisher_brings_touchdesigner_to_rest(publish, touchdesigner):
    publisher, endpoint = publish()
    frame = touchdesigner(endpoint)
    until = time.monotonic() + 60.0
    while time.monotonic() < until and frame()[0] == REST_HUE:
        pass
    publisher.send(signal.SIGKILL)
    publisher.wait()
    while time.monotonic() < until and frame() != (REST_HUE, 0.3):
        pass
    assert frame() == (REST_HUE, 0.3)
