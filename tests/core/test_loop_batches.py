"""What is due goes together: at once, or after 10 ms for one that is being worked on."""

import tracemalloc

import numpy as np
import pytest

from streammer.audio.block import Block, SourceInfo
from streammer.clock import FakeClock, SystemClock
from streammer.config import StreamConfig
from streammer.engine import loop as loops
from streammer.engine.batch import step_due
from streammer.engine.capture import DirectCapture
from streammer.engine.engine import Engine
from streammer.engine.feed import Feed
from streammer.engine.loop import BATCH_MAX, GATHER_S, Loop
from streammer.engine.stream import Stream
from streammer.sources.array import ArraySource
from tests.core.engine_parts import Scripted, blocks
from tests.sounds import SR, make_song


class Told:
    """An intake that says what it is told to, on a fake clock: (after seconds, feeds, nearly)."""

    def __init__(self, clock, script):
        self._clock, self._script = clock, list(script)
        self.nearly_due = False
        self.waits = []
        self.resumed = []

    def add(self, feed): ...

    def remove(self, feed): ...

    def look(self, feed):
        return True

    def resume(self, feed):
        self.resumed.append(feed.name)

    def wait(self, timeout_s):
        self.waits.append(timeout_s)
        if not self._script:
            self.loop.stop()
            return []
        after, feeds, nearly = self._script[0]
        if after > timeout_s:
            self._clock.advance(timeout_s)
            self._script[0] = (after - timeout_s, feeds, nearly)
            return []
        self._clock.advance(after)
        self._script.pop(0)
        self.nearly_due = nearly
        return list(feeds)

    def call(self, call=None): ...

    def close(self): ...


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def feeds(models, clock):
    """Return feeds that each have a step that is due."""
    found = []
    for k in range(5):
        source = Scripted(blocks(make_song(1.0, seed=k)), clock)
        feed = Feed(
            source, StreamConfig(name=f"s{k}"), models,
            live=True, clock=clock, capture=DirectCapture,
        )  # fmt: skip
        feed.open()
        while not feed.due:
            feed.work([feed.capture.get(1.0)], clock.monotonic())
        found.append(feed)
    return found


def batches(monkeypatch, clock, script, feeds):
    """Run a loop over a script; return the names and times of each batch."""
    made = []

    def step(due):
        made.append((round(clock.monotonic() - began, 6), [s.config.name for s, _ in due]))
        return step_due(due)

    monkeypatch.setattr(loops, "step_due", step)
    intake = Told(clock, script)
    intake.loop = loop = Loop(intake, live=True, clock=clock)
    for feed in feeds:
        loop.add(feed)
    loop._tick_at = float("inf")
    began = clock.monotonic()
    list(loop.estimates())
    return made, intake


def test_what_is_due_goes_together_at_once_when_nobody_is_nearly_due(monkeypatch, clock, feeds):
    script = [(0.1, feeds[:3], False), (0.2, feeds[3:], False)]
    made, intake = batches(monkeypatch, clock, script, feeds)
    assert made == [(0.1, ["s0", "s1", "s2"]), (0.3, ["s3", "s4"])]
    assert sorted(intake.resumed) == ["s0", "s1", "s2", "s3", "s4"]


def test_one_that_is_being_worked_on_is_waited_for(monkeypatch, clock, feeds):
    script = [(0.1, feeds[:1], True), (0.004, feeds[1:2], False)]
    made, _ = batches(monkeypatch, clock, script, feeds)
    assert made == [(0.104, ["s0", "s1"])]


def test_it_is_waited_for_ten_milliseconds_at_most(monkeypatch, clock, feeds):
    script = [(0.1, feeds[:1], True), (0.5, feeds[1:2], False)]
    made, _ = batches(monkeypatch, clock, script, feeds)
    assert GATHER_S == 0.01
    assert made == [(0.11, ["s0"]), (0.6, ["s1"])]


def test_waiting_does_not_begin_anew_with_each_that_comes(monkeypatch, clock, feeds):
    script = [(0.1, feeds[:1], True), *[(0.006, [feed], True) for feed in feeds[1:3]]]
    made, _ = batches(monkeypatch, clock, script, feeds)
    assert made[0] == (0.11, ["s0", "s1"])


def test_of_very_many_the_first_do_not_wait_for_all(monkeypatch, models, clock):
    many = []
    for k in range(BATCH_MAX + 6):
        source = Scripted(blocks(make_song(1.0)), clock)
        feed = Feed(
            source, StreamConfig(name=f"s{k}"), models,
            live=True, clock=clock, capture=DirectCapture,
        )  # fmt: skip
        feed.open()
        while not feed.due:
            feed.work([feed.capture.get(1.0)], clock.monotonic())
        many.append(feed)
    made, _ = batches(monkeypatch, clock, [(0.1, many, False)], many)
    assert [len(names) for _, names in made] == [BATCH_MAX, 6]


def test_a_run_of_one_feed_steps_in_a_batch_of_one(models, monkeypatch):
    from streammer.inference.backends import onnx

    sizes = set()
    run = onnx.run_session

    def counted(session, outputs, feeds, label):
        sizes.update(len(array) for array in feeds.values())
        return run(session, outputs, feeds, label)

    monkeypatch.setattr(onnx, "run_session", counted)
    source = ArraySource(make_song(3.0), sr=SR, clock=SystemClock())
    assert list(Engine(source, StreamConfig(), models, pace="fast").estimates())
    assert sizes == {1}


def test_a_streams_memory_does_not_grow(models):
    clock = FakeClock()
    info = SourceInfo(SR, 2, "hall", False, "pcm")
    stream = Stream(StreamConfig(), models, info, clock)
    x = make_song(10.0)

    def hear(seconds):
        for k in range(int(seconds * 10)):
            part = x[k % 100 * SR // 10 :][: SR // 10]
            block = Block(part, 0, clock.unix(), t_arrival=clock.monotonic())
            clock.advance(0.1)
            for due in stream.ingest([block], info):
                (estimate,) = step_due([(stream, due)])
                assert np.isfinite(estimate.level_dbfs)

    hear(20)
    tracemalloc.start()
    try:
        hear(20)
        before = tracemalloc.get_traced_memory()[0]
        hear(120)
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()
