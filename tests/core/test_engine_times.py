"""What the times of an estimate mean: after stalls, at other rates, after an absence, in a ring."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammer.audio.block import SourceInfo
from streammer.audio.resample import Resampler
from streammer.clock import FakeClock
from streammer.config import StreamConfig
from streammer.engine.stream import Stream
from tests.core.engine_parts import after_a_break, blocks, on_bus, run, same
from tests.sounds import SR, make_song


def from_sound(estimates):
    return [e for e in estimates if e.state != "degraded"]


def timed(engine):
    """Return (monotonic time of publication, estimate) for each estimate."""
    clock = engine._clock
    return [(clock.monotonic(), e) for e in engine.estimates()]


def test_a_step_that_waits_in_the_resampler_is_not_held_back_by_a_stall(models):
    x = make_song(4.0)
    # The last sample of step 3 has come; its last frame waits for the resampler.
    engine, _ = on_bus([*blocks(x[: 2 * SR]), ("wait", 60.0), *blocks(x[2 * SR :])], models)
    start = engine._clock.monotonic()
    said = timed(engine)
    at, waited = next((t, e) for t, e in said if e.t_audio_s == 2.0)
    assert waited.state != "degraded"
    assert at - start == pytest.approx(2.0 + 0.75)
    assert waited.lag_ms == pytest.approx(750.0, abs=0.1)
    assert waited.t_publish - waited.t_capture == pytest.approx(0.75, abs=1e-5)
    degraded = next(t for t, e in said if e.state == "degraded")
    assert degraded == pytest.approx(at, abs=0.01)
    assert [e.t_audio_s for e in from_sound(e for _, e in said)] == [0.5 * k for k in range(1, 9)]


def test_a_step_completed_after_a_short_stall_keeps_the_capture_time_of_its_own_last_sample(models):
    x = make_song(3.0)
    clock = FakeClock()
    start = clock.unix()
    script = [*blocks(x[: 2 * SR]), ("wait", 0.6), *blocks(x[2 * SR :])]
    estimates, _ = run(script, models, clock=clock)
    before = [e for e in estimates if e.t_audio_s <= 2.0]
    for e in before:
        assert e.t_capture == pytest.approx(start + e.t_audio_s, abs=1e-5)
    after = [e for e in estimates if e.t_audio_s > 2.0]
    for e in after:
        assert e.t_capture == pytest.approx(start + 0.6 + e.t_audio_s, abs=1e-5)


def test_the_time_of_an_unfinished_step_counts_when_the_source_comes_back_at_another_rate(models):
    info = SourceInfo(sr=48000, channels=2, name="scripted", clocked=False, kind="array")
    script = [*blocks(make_song(0.4)), ("rate", info), *blocks(make_song(0.6, sr=48000), 4800)]
    engine, _ = on_bus(script, models)
    (estimate,) = engine.estimates()
    assert engine.audio_s == pytest.approx(1.0)
    assert estimate.t_audio_s == 1.0  # 0.9 s, to the nearest step


def test_a_step_finished_by_a_change_of_rate_has_its_own_times(models):
    info = SourceInfo(sr=48000, channels=2, name="scripted", clocked=False, kind="array")
    song, later = make_song(1.0), make_song(1.0, sr=48000)
    script = [*blocks(song), ("wait", 0.7), ("rate", info), *blocks(later, 4800)]
    clock = FakeClock()
    start = clock.unix()
    estimates, _ = run(script, models, clock=clock)
    waited = estimates[1]
    assert waited.t_audio_s == 1.0
    assert waited.t_capture == pytest.approx(start + 1.0, abs=1e-5)
    assert waited.lag_ms == pytest.approx(800.0, abs=1.0)


def test_sound_after_an_absence_is_no_continuation_and_the_time_of_the_unfinished_step_counts(
    models,
):
    x = make_song(1.3)
    estimates, summary = run([*blocks(x), ("wait", 600.0), *after_a_break(x)], models)
    first, second = from_sound(estimates)[:2], from_sound(estimates)[2:]
    # 1.3 s, to the nearest step: 1.5 s.
    assert [e.t_audio_s for e in second] == [2.0, 2.5]
    for a, b in zip(first, second, strict=True):
        assert (a.valence, a.arousal, a.level_dbfs) == (b.valence, b.arousal, b.level_dbfs)
    assert all(e.lag_ms < 1.0 for e in second)
    assert summary.lost_samples == 0


def test_unfinished_steps_do_not_add_up_over_many_absences(models):
    x = make_song(0.7)
    script = [part for _ in range(30) for part in after_a_break(x)]
    engine, _ = on_bus(script, models)
    estimates = list(engine.estimates())
    assert engine.audio_s == pytest.approx(30 * 0.7)
    assert abs(estimates[-1].t_audio_s - 30 * 0.7) <= 0.5


def test_the_lag_includes_the_wait_in_the_ring_of_a_device(models):
    # Read 0.25 s after its last sample came into the ring.
    waited = {"t_arrival": FakeClock().monotonic() + 0.7 - 0.25}
    script = [("block", part, lost, waited) for _, part, lost in blocks(make_song(0.7), SR)]
    (estimate,), summary = run(script, models)
    assert estimate.lag_ms == pytest.approx(250.0, abs=0.1)
    assert summary.lag_ms_max == estimate.lag_ms


@settings(max_examples=12, deadline=None, derandomize=True)
@given(sizes=st.lists(st.integers(1, 30000), min_size=1, max_size=12), lost=st.sampled_from([0, 1]))
def test_estimates_around_a_break_do_not_depend_on_the_block_sizes(models, sizes, lost):
    x, y = make_song(1.7), make_song(1.6)
    cuts = np.cumsum(sizes)
    lost *= 3 * SR

    def script(cut):
        first, *rest = np.split(y, cuts[cuts < len(y)] if cut else [])
        return [
            *(("block", part, 0) for part in np.split(x, cuts[cuts < len(x)] if cut else [])),
            ("block", first, lost, {"discontinuity": True}),
            *(("block", part, 0) for part in rest),
        ]

    whole, _ = run(script(False), models, pace="fast")
    parts, _ = run(script(True), models, pace="fast")
    assert same(whole) == same(parts)


def test_the_known_latency_is_measured_before_the_loop_runs(models, monkeypatch):
    asked = []
    latency = Resampler.latency_s.fget
    monkeypatch.setattr(
        Resampler, "latency_s", property(lambda self: asked.append(self) or latency(self))
    )
    info = SourceInfo(sr=44100, channels=2, name="scripted", clocked=False, kind="array")
    stream = Stream(StreamConfig(), models, info, FakeClock())
    assert asked
    asked.clear()
    assert stream.status().latency_s > 0.0
    assert not asked
