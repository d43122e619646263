"""Ticks of a process that did not run, and models that are too slow for the sound."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from streammer.audio.block import Block, SourceEnd, SourceInfo
from streammer.clock import FakeClock
from streammer.config import StreamConfig
from streammer.engine.capture import Arrival
from streammer.engine.engine import Engine
from streammer.engine.load import BACKLOG_S
from tests.core.engine_parts import Bus, blocks, on_bus
from tests.sounds import SR, make_song


@pytest.mark.parametrize("sound_goes_on", [True, False])
def test_ticks_of_a_stopped_process_are_skipped_and_counted_not_made_up(models, sound_goes_on):
    x = make_song(4.0)
    after = blocks(x[2 * SR :]) if sound_goes_on else [("wait", 1.0)]
    script = [*blocks(x[: 2 * SR + 4410]), ("jump", 20.0), *after]
    engine, bus = on_bus(script, models)
    estimates = list(engine.estimates())
    degraded = [e for e in estimates if e.state == "degraded"]
    assert len(degraded) <= (1 if sound_goes_on else 3)
    assert max(e.lag_ms for e in estimates) < 500.0
    assert [e.seq for e in bus.said] == list(range(len(bus.said)))
    # 20 s less the patience with a source that is late, in steps of 0.5 s.
    assert bus.status.skipped_ticks == engine.summary().skipped_ticks == 38


def test_no_tick_is_skipped_where_the_process_runs(models):
    x = make_song(4.0)
    engine, _ = on_bus([*blocks(x[:SR]), ("wait", 20.0), *blocks(x[SR:])], models)
    engine.run()
    assert engine.summary().skipped_ticks == 0


class SlowBackend:
    """Steps as another backend, in more time of a fake clock."""

    def __init__(self, backend, clock, cost_s):
        self._backend, self._clock, self._cost_s = backend, clock, cost_s

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def step(self, slots, features):
        self._clock.advance(self._cost_s)
        return self._backend.step(slots, features)


class Playing:
    """A capture of sound that plays on, by a fake clock, whether or not it is fetched."""

    def __init__(self, info, clock, y, block_s=0.1):
        self._info, self._clock, self._y, self._block_s = info, clock, y, block_s
        self._fetched = 0

    def open(self):
        self._start = self._clock.monotonic()
        return self._info

    @property
    def _ready(self):
        played = int((self._clock.monotonic() - self._start + 1e-9) / self._block_s)
        return min(played, int(len(self._y) / self._info.sr / self._block_s)) - self._fetched

    @property
    def waiting_s(self):
        return self._ready * self._block_s

    def get(self, timeout_s):
        n = round(self._block_s * self._info.sr)
        k = self._fetched
        if k * n >= len(self._y):
            return SourceEnd("eof")
        due = self._start + (k + 1) * self._block_s
        left = due - self._clock.monotonic()
        if left > timeout_s:
            self._clock.advance(timeout_s)
            return None
        self._clock.advance(max(0.0, left))
        self._fetched += 1
        now = self._clock.unix() - self._clock.monotonic()
        block = Block(self._y[k * n : (k + 1) * n], k * n, now + due, t_arrival=due)
        return Arrival(block, self._info)

    def close(self):
        pass


def played(models, *, cost_s, seconds, **kind):
    clock = FakeClock()
    slow = [replace(m, backend=SlowBackend(m.backend, clock, cost_s)) for m in models]
    fields = {"sr": 8000, "channels": 1, "name": "hall", "clocked": False, "kind": "pcm"}
    info = SourceInfo(**(fields | kind))
    y = np.tile(make_song(10.0, sr=8000, channels=1), (int(seconds // 10) + 1, 1))
    y = y[: int(seconds * 8000)]
    source = type("Unread", (), {"reopened": 0, "detail": "", "close": lambda self: None})()
    bus, said = Bus(), []
    engine = Engine(
        source,
        StreamConfig(),
        slow,
        pace="live",
        publisher=bus,
        clock=clock,
        capture=lambda _source, _clock: Playing(info, clock, y),
    )
    start = clock.monotonic()
    for e in engine.estimates():
        said.append((clock.monotonic() - start, e))
    return said, bus, engine.summary()


@pytest.mark.parametrize("kind", [{"clocked": True, "kind": "device"}, {"paced": True}])
def test_sound_that_a_slow_model_cannot_take_is_skipped_counted_and_said(models, kind, caplog):
    with caplog.at_level(logging.WARNING, "streammer.engine"):
        said, bus, summary = played(models, cost_s=0.85, seconds=130.0, **kind)
    assert bus.status.overloaded
    # All the sound is accounted for: heard, lost, or still to come at the end.
    decoded_s = summary.steps * 0.5
    lost_s = summary.lost_samples / 8000
    assert lost_s > 0.3 * 130.0
    assert decoded_s + lost_s == pytest.approx(130.0, abs=BACKLOG_S + 0.25 * 40)
    assert bus.said[-1].lost_samples == bus.status.lost_samples == summary.lost_samples
    # Time goes on with the clock, and the estimates stay near it.
    for at, e in said:
        assert at - e.t_audio_s < BACKLOG_S + 2.0
        assert e.lag_ms < 1000.0 * (BACKLOG_S + 2.0)
    warnings = [r.getMessage() for r in caplog.records]
    assert len(warnings) == 3  # in two minutes and ten seconds
    assert "main is overloaded: a step of 0.5 s takes 0.85 s" in warnings[0]
    assert "(0.0 s of sound skipped)" in warnings[0]
    assert "(0.0 s of sound skipped)" not in warnings[1]


def test_a_source_that_can_wait_loses_nothing_to_a_slow_model(models):
    _, bus, summary = played(models, cost_s=0.85, seconds=30.0)
    assert bus.status.overloaded
    assert summary.lost_samples == 0
    assert summary.steps == 60


def test_a_model_that_keeps_up_is_not_called_overloaded_for_one_slow_step(models, caplog):
    class Hiccup(SlowBackend):
        def step(self, slots, features):
            cost_s, self._cost_s = self._cost_s, 0.1
            self._clock.advance(cost_s)
            return self._backend.step(slots, features)

    said, bus, summary = played(
        [replace(m, backend=Hiccup(m.backend, FakeClock(), 0.0)) for m in models],
        cost_s=0.3,
        seconds=20.0,
        paced=True,
    )
    assert not bus.status.overloaded
    assert summary.lost_samples == 0
    assert len(said) == 40
    assert not caplog.records
