"""The one loop on a fake clock: ticks that never stop, holes, determinism, ends."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammer.audio.block import Block, SourceInfo
from streammer.clock import FakeClock
from streammer.config import StreamConfig
from streammer.engine.capture import DirectCapture
from streammer.engine.engine import Engine
from streammer.errors import InputError, ModelError, UsageError
from streammer.inference.loading import load_models
from tests.core.engine_parts import VOLATILE, Scripted, blocks, on_bus, run, same
from tests.core.tiny_model import build_tiny
from tests.sounds import SR, make_song


def test_every_step_is_said_once_with_its_time_and_sequence(models):
    estimates, summary = run(blocks(make_song(10.0)), models)
    assert [e.seq for e in estimates] == list(range(20))
    assert [e.t_audio_s for e in estimates] == [0.5 * (i + 1) for i in range(20)]
    assert {e.stream for e in estimates} == {"main"}
    assert len({e.epoch for e in estimates}) == 1
    assert summary.steps == summary.estimates == 20


def test_capture_time_is_that_of_the_steps_last_sample(models):
    clock = FakeClock()
    start = clock.unix()
    # A block is stamped when its last sample was captured; here blocks are captured in advance.
    x = make_song(2.0)
    script = blocks(x, 2205)
    src = Scripted(script, clock)
    read = src.read

    def stamped(timeout_s):
        item = read(timeout_s)
        if isinstance(item, Block):
            end = item.position + len(item.samples)
            return replace(item, t_capture=start + end / SR)
        return item

    src.read = stamped
    engine = Engine(src, StreamConfig(), models, pace="live", clock=clock, capture=DirectCapture)
    for e in engine.estimates():
        assert e.t_capture == pytest.approx(start + e.t_audio_s, abs=1e-6)


def test_sound_that_comes_all_at_once_is_not_captured_in_the_future(models):
    clock = FakeClock()
    src = Scripted(blocks(make_song(3.0)), clock)
    read = src.read

    def at_once(timeout_s):
        before = clock.unix()
        item = read(timeout_s)
        clock.advance(before - clock.unix())
        stamps = {"t_capture": clock.unix(), "t_arrival": clock.monotonic()}
        return replace(item, **stamps) if isinstance(item, Block) else item

    src.read = at_once
    engine = Engine(src, StreamConfig(), models, pace="live", clock=clock, capture=DirectCapture)
    estimates = list(engine.estimates())
    assert [e.t_audio_s for e in estimates][-1] == 3.0
    assert all(e.t_capture <= e.t_publish for e in estimates)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(sizes=st.lists(st.integers(1, 30000), min_size=1, max_size=12))
def test_same_samples_give_bit_identical_estimates_whatever_the_block_sizes(models, sizes):
    x = make_song(3.2)
    cuts = np.cumsum(sizes)
    script = [("block", part, 0) for part in np.split(x, cuts[cuts < len(x)])]
    whole, _ = run([("block", x, 0)], models, pace="fast")
    parts, _ = run(script, models, pace="fast")
    assert same(whole) == same(parts)


def test_ticks_go_on_as_degraded_when_no_sound_comes_and_time_stands_still(models):
    x = make_song(4.0)
    heard = 2 * SR + 4410  # the resampler wants a little more than a step to finish it
    script = [*blocks(x[:heard]), ("wait", 3.0), *blocks(x[heard:])]
    estimates, summary = run(script, models)
    assert [e.seq for e in estimates] == list(range(len(estimates)))
    held = [e for e in estimates if e.state == "degraded"]
    assert len(held) == 5  # after 0.75 s of the 3 s, then every 0.5 s
    assert {e.t_audio_s for e in held} == {2.0}
    assert len({e.valence for e in held}) == 1
    sigmas = [e.sigma_valence for e in held]
    assert sigmas == sorted(sigmas)
    assert [e.t_audio_s for e in estimates if e.state != "degraded"] == [
        0.5 * (i + 1) for i in range(8)
    ]
    assert summary.lost_samples == 0


def test_a_stall_changes_nothing_in_what_is_said_about_the_sound(models):
    x = make_song(4.0)
    through, _ = run(blocks(x), models)
    stalled, _ = run([*blocks(x[:70000]), ("wait", 5.0), *blocks(x[70000:])], models)
    keep = [e for e in stalled if e.state != "degraded"]
    drop = (*VOLATILE, "seq")
    strip = lambda es: [  # noqa: E731
        {k: v for k, v in msgspec.structs.asdict(e).items() if k not in drop} for e in es
    ]
    assert strip(keep) == strip(through)


def test_a_long_hole_of_a_device_moves_time_on_and_the_models_begin_afresh(models):
    x = make_song(3.0)
    script = [*blocks(x), ("wait", 10.0), *blocks(x, lost=10 * SR)]
    estimates, summary = run(script, models, clocked=True)
    sound = [e for e in estimates if e.state != "degraded"]
    assert [e.t_audio_s for e in sound] == [0.5 * i for i in (*range(1, 7), *range(27, 33))]
    assert [e.seq for e in estimates] == list(range(len(estimates)))
    assert sound[6].valence == sound[0].valence
    assert sound[6].lost_samples == summary.lost_samples == 10 * SR


def test_a_short_hole_keeps_the_grid(models):
    x = make_song(2.0)
    estimates, _ = run([*blocks(x), *blocks(x, lost=SR)], models, clocked=True)
    assert [e.t_audio_s for e in estimates] == [0.5 * (i + 1) for i in range(10)]
    assert estimates[-1].lost_samples == SR


def test_a_source_that_comes_back_at_another_rate_goes_on_counting(models):
    info = SourceInfo(sr=48000, channels=1, name="scripted", clocked=True, kind="array")
    script = [
        *blocks(make_song(2.0)),
        ("rate", info),
        *blocks(make_song(2.0, sr=48000, channels=1), 4800),
    ]
    estimates, _ = run(script, models, clocked=True)
    assert [e.t_audio_s for e in estimates] == [0.5 * (i + 1) for i in range(8)]


def test_two_models_give_each_output_from_the_first_that_has_it(tmp_path):
    a = build_tiny(tmp_path / "only-arousal.onnx", outputs=("arousal",), name="only-arousal")
    b = build_tiny(tmp_path / "both.onnx", name="both")
    loaded = load_models([str(a), str(b)])
    alone_a, _ = run(blocks(make_song(2.0)), load_models([str(a)]))
    alone_b, _ = run(blocks(make_song(2.0)), load_models([str(b)]))
    estimates, _ = run(blocks(make_song(2.0)), loaded)
    assert estimates[0].model == "only-arousal+both"
    assert [e.arousal for e in estimates] == [e.arousal for e in alone_a]
    assert [e.valence for e in estimates] == [e.valence for e in alone_b]
    assert alone_a[0].valence is None
    assert alone_a[0].quadrant is None


def test_models_of_different_steps_are_refused(tmp_path):
    a = build_tiny(tmp_path / "half.onnx", name="half")
    b = build_tiny(tmp_path / "whole.onnx", name="whole", step_s=1.0)
    with pytest.raises(ModelError, match="combine models of one step_s"):
        load_models([str(a), str(b)])


def test_an_input_shorter_than_a_step_is_refused(models):
    with pytest.raises(InputError, match=r"0\.400 s of sound, at least 0\.5 s"):
        run(blocks(make_song(0.4)), models)


def test_a_source_that_fails_at_once_is_an_error_with_its_reason(models):
    with pytest.raises(InputError, match="cannot be decoded"):
        run([("end", "error", "x.mp3 cannot be decoded")], models)


def test_what_a_source_says_at_its_end_stands_in_the_summary(models):
    _, summary = run([*blocks(make_song(1.0)), ("end", "eof", "cut after 1.0 s")], models)
    assert summary.detail == "cut after 1.0 s"


def test_a_missing_channel_closes_the_source(models):
    with pytest.raises(UsageError, match="channel 3"):
        run(blocks(make_song(1.0)), models, config=StreamConfig(select=(3,)))


def test_a_status_is_sent_on_every_change_of_state_and_every_five_seconds(models):
    x = make_song(21.0)
    script = [*blocks(x[: 18 * SR]), ("wait", 2.0), *blocks(x[18 * SR :])]
    engine, bus = on_bus(script, models)
    clock, sent = engine._clock, []
    bus.publish_status = lambda status: sent.append((clock.monotonic(), status))
    states = [e.state for e in engine.estimates()] + ["ended"]
    changes = [b for a, b in zip(["", *states], states, strict=False) if a != b]
    told = [status.state for _, status in sent]
    assert [b for a, b in zip(["", *told], told, strict=False) if a != b] == changes
    times = [t for t, _ in sent]
    assert 4.7 < max(np.diff(times)) < 5.3
    assert sent[-1][1].steps == 42
    assert sent[-1][1].uptime_s == pytest.approx(23.0, abs=1.0)


def test_sound_that_trickles_does_not_put_ticks_off(models):
    # A tenth of the pace of the clock, never silent for 0.75 s.
    x = make_song(2.0)
    trickle = [item for part in blocks(x, 2205) for item in (part, ("wait", 0.45))]
    engine, _ = on_bus(trickle, models)
    clock, said = engine._clock, []
    for e in engine.estimates():
        said.append((clock.monotonic(), e))
    gaps = np.diff([t for t, _ in said])
    assert gaps.max() < 1.5
    assert {e.state for _, e in said} >= {"degraded", "warming"}
    heard = [e.t_audio_s for _, e in said if e.state != "degraded"]
    assert heard == [0.5, 1.0, 1.5, 2.0]


@pytest.mark.parametrize("how", ["reader", "sink", "end"])
def test_ended_is_said_once_on_the_bus_however_a_stream_ends(models, how):
    engine, bus = on_bus(blocks(make_song(3.0)), models)

    def refuse(estimate):
        if estimate.seq == 2:
            raise OSError("no room")

    if how == "reader":
        estimates = engine.estimates()
        next(estimates)
        estimates.close()
    elif how == "sink":
        with pytest.raises(OSError, match="no room"):
            engine.run([refuse])
    else:
        engine.run()
    assert [e.state for e in bus.said].count("ended") == 1
    assert bus.said[-1].state == "ended"
    assert bus.status.state == "ended"
    assert [e.seq for e in bus.said] == list(range(len(bus.said)))


def test_a_source_that_comes_back_without_the_chosen_channel_is_waited_for(models):
    def info(channels):
        return SourceInfo(sr=SR, channels=channels, name="Box", clocked=True, kind="array")

    mono = make_song(2.0, channels=1)
    script = [
        *blocks(make_song(2.0)),
        ("rate", info(1)),
        *blocks(mono),
        ("rate", info(2)),
        *blocks(make_song(2.0)),
    ]
    engine, bus = on_bus(script, models, config=StreamConfig(select=(2,)), clocked=True)
    details = [bus.status.detail for e in engine.estimates() if e.state == "degraded"]
    assert any("channel 2 is selected but Box came back with 1" in d for d in details)
    assert [e.seq for e in bus.said] == list(range(len(bus.said)))
    assert bus.said[-2].t_audio_s == 4.0
    assert bus.said[-2].state != "degraded"


def test_a_rate_that_is_none_of_sound_is_refused(models):
    with pytest.raises(InputError, match="1 samples a second: at least 1000"):
        run(blocks(np.zeros((20, 2), np.float32)), models, sr=1)


def test_stop_ends_the_loop_in_order(models):
    clock = FakeClock()
    src = Scripted(blocks(make_song(60.0)), clock)
    engine = Engine(src, StreamConfig(), models, pace="live", clock=clock, capture=DirectCapture)
    said = []
    for e in engine.estimates():
        said.append(e)
        if len(said) == 5:
            engine.stop()
    assert src.closed
    assert len(said) < 20


def test_every_float_is_finite_whatever_comes_in(models):
    rng = np.random.default_rng(1)
    x = (rng.standard_normal((5 * SR, 2)) * 10.0 ** rng.integers(-8, 8, (5 * SR, 1))).astype("f4")
    x[1000:9000] = np.nan
    x[20000:30000] = np.inf
    x[60000:90000] = 3e38
    estimates, summary = run(blocks(x), models)
    for e in estimates:
        for key, value in msgspec.structs.asdict(e).items():
            if isinstance(value, float):
                assert np.isfinite(value), key
    assert summary.nonfinite_samples >= 2 * 48000


def test_lines_that_the_outputs_dropped_stand_in_the_status(models):
    engine, bus = on_bus(blocks(make_song(1.0)), models)
    engine.dropped_lines = lambda: 7
    engine.run()
    assert bus.status.dropped_lines == 7
