"""Blocks in, steps out: the grid, the order of the stages, holes, and bit-exactness."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammer.audio.level import level_dbfs
from streammer.engine.pipeline import StreamPipeline
from streammer.errors import UsageError
from streammer.frontend import FrontEndSpec

MEL = FrontEndSpec("mel", 22050, 1024, 441, 80, fmin=30.0, fmax=11000.0)
CHROMA = FrontEndSpec("chroma", 22050, 4096, 2205, 12)
SLOW = FrontEndSpec("mel", 12000, 512, 250, 40)


def music(n, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None] / 44100
    tone = 0.3 * np.sin(2 * np.pi * np.array([220.0, 330.0, 440.0])[:channels] * t)
    return (tone + 0.05 * rng.standard_normal((n, channels))).astype(np.float32)


def steps_of(x, cuts=(), *, sr=44100, specs=(MEL,), select=None):
    pipeline = StreamPipeline(sr, x.shape[1], specs, 0.5, select)
    steps = [s for part in np.split(x, list(cuts)) for s in pipeline.push(part)]
    return steps + pipeline.flush(), pipeline


@pytest.mark.parametrize("sr", [8000, 11025, 16000, 22050, 32000, 44100, 48000])
def test_ten_seconds_have_twenty_steps_at_every_rate(sr):
    steps, _ = steps_of(music(10 * sr, 1), sr=sr, specs=(MEL, CHROMA, SLOW))
    assert [s.index for s in steps] == list(range(20))
    assert steps[-1].end == 10 * sr
    for step in steps:
        assert step.features[MEL].shape == (25, 80)
        assert step.features[CHROMA].shape == (5, 12)
        assert step.features[SLOW].shape == (24, 40)


def test_an_unfinished_step_is_dropped():
    steps, _ = steps_of(music(44100 + 22049, 1))
    assert len(steps) == 2


@settings(max_examples=25, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(0, 66150), max_size=8).map(sorted))
def test_steps_do_not_depend_on_the_block_sizes_to_the_bit(cuts):
    x = music(66150)
    x[5000, 0] = np.nan
    whole, p = steps_of(x, specs=(MEL, SLOW))
    parts, q = steps_of(x, cuts, specs=(MEL, SLOW))
    assert len(whole) == len(parts) == 3
    for a, b in zip(whole, parts, strict=True):
        assert (a.index, a.end, a.level_dbfs, a.clipping) == (
            b.index,
            b.end,
            b.level_dbfs,
            b.clipping,
        )
        for spec in a.features:
            np.testing.assert_array_equal(a.features[spec], b.features[spec])
    assert p.nonfinite_samples == q.nonfinite_samples == 1


def test_blocks_of_one_sample_and_of_none_give_the_same_steps():
    x = music(23000, 1)
    whole, _ = steps_of(x)
    single, _ = steps_of(x, list(range(22000, 23000)) + [23000] * 3)
    np.testing.assert_array_equal(whole[0].features[MEL], single[0].features[MEL])


def test_nan_and_inf_become_zero_and_are_counted():
    x = music(22050, 1)
    bad = x.copy()
    bad[100], bad[200], bad[300] = np.nan, np.inf, -np.inf
    x[100] = x[200] = x[300] = 0.0
    clean, _ = steps_of(x)
    steps, pipeline = steps_of(bad)
    assert pipeline.nonfinite_samples == 3
    np.testing.assert_array_equal(steps[0].features[MEL], clean[0].features[MEL])


def test_selected_channels_alone_are_averaged():
    x = music(22050, 3)
    chosen, _ = steps_of(x, select=(2, 3))
    alone, _ = steps_of(x[:, 1:])
    np.testing.assert_array_equal(chosen[0].features[MEL], alone[0].features[MEL])


def test_a_channel_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="channel 3 is selected but the source has 2"):
        StreamPipeline(44100, 2, (MEL,), 0.5, (3,))


def test_level_is_the_rms_without_the_mean():
    tone = 0.5 * np.sin(2 * np.pi * 100 * np.arange(22050) / 22050)
    assert level_dbfs((tone + 0.3).astype(np.float32)) == pytest.approx(-9.03, abs=0.01)
    assert level_dbfs(np.full(100, 0.7, np.float32)) == -120.0
    assert level_dbfs(np.zeros(100, np.float32)) == -120.0


def test_more_than_a_thousandth_of_clipped_samples_is_clipping():
    x = music(44100, 1)
    x[:22] = 1.0
    x[22050 : 22050 + 24] = -1.0
    steps, pipeline = steps_of(x)
    assert [s.clipping for s in steps] == [False, True]
    assert pipeline.clipped_samples == 46


def test_a_hole_up_to_two_seconds_is_filled_with_zeros_so_that_the_grid_holds():
    x = music(2 * 44100, 1)
    pipeline = StreamPipeline(44100, 1, (MEL,), 0.5)
    steps = pipeline.push(x[:44100]) + pipeline.skip(44100) + pipeline.push(x[44100:])
    steps += pipeline.flush()
    assert [s.index for s in steps] == list(range(6))
    assert [s.fresh for s in steps] == [True] + [False] * 5
    assert [s.level_dbfs <= -100 for s in steps] == [False, False, True, True, False, False]


def test_a_longer_hole_moves_time_on_by_whole_steps_and_starts_the_features_afresh():
    x = music(2 * 44100, 1)
    pipeline = StreamPipeline(44100, 1, (MEL,), 0.5)
    first = pipeline.push(x[:44100])
    assert len(first) == 1  # the second step waits for the resampler, and must not be lost
    first += pipeline.skip(10 * 44100)
    assert len(first) == 2
    later = pipeline.push(x[44100:]) + pipeline.flush()
    assert [s.index for s in first + later] == [0, 1, 22, 23]
    assert later[0].fresh
    alone, _ = steps_of(x[44100:])
    np.testing.assert_array_equal(later[0].features[MEL], alone[0].features[MEL])


def test_time_does_not_drift_over_many_long_holes():
    x = music(44100, 1)
    pipeline = StreamPipeline(44100, 1, (MEL,), 0.5)
    for _ in range(50):
        steps = pipeline.push(x)
        pipeline.skip(101_000)
    assert pipeline.position == 50 * (44100 + 101_000)
    true_s = (pipeline.position - 101_000) / 44100
    assert abs((steps[-1].index + 1) * 0.5 - true_s) <= 0.75


def test_a_block_of_another_shape_is_refused():
    with pytest.raises(UsageError, match=r"block has shape \(10, 3\), expected \(n, 2\)"):
        StreamPipeline(44100, 2, (MEL,), 0.5).push(np.zeros((10, 3), np.float32))
