"""The one loop on a fake clock: ticks that never stop, holes, determinism, ends."""

from collections import deque

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammer.capture import DirectCapture
from streammer.clock import FakeClock
from streammer.config import StreamConfig
from streammer.engine import Engine, load_models
from streammer.errors import InputError, ModelError, UsageError
from streammer.sources import Block, SourceEnd, SourceInfo
from tests.core.tiny_model import build_tiny
from tests.sounds import SR, make_song

VOLATILE = ("epoch", "t_capture", "t_publish", "lag_ms")


class Scripted:
    """A source that plays a script on a fake clock: blocks, waits, ends."""

    def __init__(self, script, clock, *, sr=SR, channels=2, clocked=False):
        self.info = SourceInfo(
            sr=sr, channels=channels, name="scripted", clocked=clocked, kind="array"
        )
        self._script = deque(script)
        self._clock = clock
        self._position = 0
        self.closed = False

    def open(self):
        return self.info

    def read(self, timeout_s):
        kind, *rest = self._script[0] if self._script else ("end", "eof", "")
        if kind == "wait":
            left = rest[0]
            if left > timeout_s:
                self._clock.advance(timeout_s)
                self._script[0] = ("wait", left - timeout_s)
            else:
                self._clock.advance(left)
                self._script.popleft()
            return None
        if self._script:
            self._script.popleft()
        if kind == "end":
            return SourceEnd(*rest)
        if kind == "rate":
            self.info = rest[0]
            return None
        samples, lost = rest
        self._position += lost
        block = Block(
            samples=samples, position=self._position, t_capture=self._clock.unix(), lost=lost
        )
        self._position += len(samples)
        self._clock.advance(len(samples) / self.info.sr)
        return block

    def close(self):
        self.closed = True


def blocks(x, size=4410, lost=0):
    parts = [x[i : i + size] for i in range(0, len(x), size)]
    return [("block", part, lost if i == 0 else 0) for i, part in enumerate(parts)]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return load_models([str(build_tiny(tmp_path_factory.mktemp("zoo") / "tiny.onnx"))])


def run(script, models, *, pace="live", config=None, clock=None, **source):
    clock = clock or FakeClock()
    src = Scripted(script, clock, **source)
    engine = Engine(
        src,
        config or StreamConfig(),
        models,
        pace=pace,
        clock=clock,
        capture=DirectCapture,
    )
    estimates = list(engine.estimates())
    assert src.closed
    return estimates, engine.summary()


def same(estimates):
    return [
        {k: v for k, v in msgspec.structs.asdict(e).items() if k not in VOLATILE} for e in estimates
    ]


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
            return Block(item.samples, item.position, start + end / SR, item.lost)
        return item

    src.read = stamped
    engine = Engine(src, StreamConfig(), models, pace="live", clock=clock, capture=DirectCapture)
    for e in engine.estimates():
        assert e.t_capture == pytest.approx(start + e.t_audio_s, abs=1e-6)


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
    with pytest.raises(InputError, match=r"0\.40 s of sound, at least 0\.5 s"):
        run(blocks(make_song(0.4)), models)


def test_a_source_that_fails_at_once_is_an_error_with_its_reason(models):
    with pytest.raises(InputError, match="cannot be decoded"):
        run([("end", "error", "x.mp3 cannot be decoded")], models)


def test_what_a_source_says_at_its_end_stands_in_the_summary(models):
    _, summary = run([*blocks(make_song(1.0)), ("end", "error", "cut after 1.0 s")], models)
    assert summary.detail == "cut after 1.0 s"


def test_a_missing_channel_closes_the_source(models):
    with pytest.raises(UsageError, match="channel 3"):
        run(blocks(make_song(1.0)), models, config=StreamConfig(select=(3,)))


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
