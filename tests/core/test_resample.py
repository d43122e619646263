"""The streaming resampler: to the bit the same for any blocks, and no sample too few."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from streammer.audio.resample import Resampler, resample
from streammer.errors import UsageError

RATES = (48000, 44100, 32000, 16000, 8000)
TARGETS = (22050, 16000, 12000)
pairs = pytest.mark.parametrize("sr_out", TARGETS)
rates = pytest.mark.parametrize("sr_in", RATES)


def noise(n, seed=0):
    return (0.3 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def in_blocks(r, y, sizes):
    parts, at, turn = [r.push(y[:0])], 0, 0
    while at < y.size:
        size = sizes[turn % len(sizes)]
        parts.append(r.push(y[at : at + size]))
        at += size
        turn += 1
    return np.concatenate([*parts, r.flush()])


@rates
@pairs
@settings(derandomize=True, deadline=None, max_examples=8)
@given(
    n=st.integers(0, 20_000),
    sizes=st.lists(st.sampled_from([0, 1, 2, 160, 441, 480, 1024, 9000]), min_size=1).filter(any),
)
def test_streamed_equals_one_shot(sr_in, sr_out, n, sizes):
    y = noise(n if max(sizes) > 2 else n // 10)
    expected = resample(y, sr_in, sr_out)
    assert np.array_equal(in_blocks(Resampler(sr_in, sr_out), y, sizes), expected)


@rates
@pairs
def test_ten_seconds_in_are_ten_seconds_out(sr_in, sr_out):
    assert resample(np.zeros(10 * sr_in, np.float32), sr_in, sr_out).size == 10 * sr_out


@rates
def test_the_length_is_rounded_half_up(sr_in):
    for n in (*range(40), 997, 9999):
        got = resample(noise(n), sr_in, 22050).size
        assert got == (2 * n * 22050 + sr_in) // (2 * sr_in), n


@rates
def test_it_is_soxr_at_high_quality(sr_in):
    y = noise(sr_in)
    assert np.array_equal(resample(y, sr_in, 22050), soxr.resample(y, sr_in, 22050, quality="HQ"))


@rates
def test_flush_and_reset_leave_it_as_new(sr_in):
    y = noise(5000)
    expected = resample(y, sr_in, 22050)
    r = Resampler(sr_in, 22050)
    r.push(noise(3333, seed=1))
    r.reset()
    assert np.array_equal(in_blocks(r, y, [700]), expected)
    assert r.flush().size == 0
    assert np.array_equal(in_blocks(r, y, [441]), expected)


def test_two_resamplers_do_not_hear_each_other():
    y, z = noise(20_000, 1), noise(20_000, 2)
    a, b = Resampler(44100, 22050), Resampler(44100, 22050)
    got = [], []
    for k in range(0, 20_000, 500):
        got[0].append(a.push(y[k : k + 500]))
        got[1].append(b.push(z[k : k + 500]))
    for parts, r, whole in zip(got, (a, b), (y, z), strict=True):
        assert np.array_equal(np.concatenate([*parts, r.flush()]), resample(whole, 44100, 22050))


@rates
@pytest.mark.parametrize("block", [1, 64, 441, 960])
def test_every_sample_is_out_after_its_latency(sr_in, block):
    r = Resampler(sr_in, 22050)
    fed = got = 0
    worst = 0.0
    y = np.zeros(block, np.float32)
    while fed < 3 * sr_in:
        # the moment before a block's output comes, for the sample that has waited longest
        worst = max(worst, fed / sr_in - got / 22050)
        fed += block
        got += r.push(y).size
    assert worst <= r.latency_s
    assert r.latency_s < 0.15


@rates
@pytest.mark.parametrize("at_s", [0.1, 0.2503, 0.7])
def test_a_click_comes_out_where_it_went_in_and_within_the_latency(sr_in, at_s):
    y = np.zeros(sr_in, np.float32)
    at = round(at_s * sr_in)
    y[at] = 1.0
    r = Resampler(sr_in, 22050)
    parts = []
    heard_at = None
    for k in range(0, sr_in, 80):
        parts.append(r.push(y[k : k + 80]))
        total = np.concatenate(parts)
        if (
            heard_at is None
            and np.abs(total).max(initial=0) > 0.2
            and total.size > at_s * 22050 + 2
        ):
            heard_at = (k + 80) / sr_in
    whole = np.concatenate([*parts, r.flush()])
    assert abs(np.argmax(np.abs(whole)) / 22050 - at / sr_in) <= 0.5 / 22050 + 0.5 / sr_in
    assert heard_at - at / sr_in <= r.latency_s + (2 + 1) / 22050 + 80 / sr_in


@rates
def test_a_tone_keeps_its_frequency_level_and_phase(sr_in):
    t = np.arange(2 * sr_in) / sr_in
    u = np.arange(2 * 22050) / 22050
    got = resample((0.5 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32), sr_in, 22050)
    inside = slice(2205, -2205)
    # HQ is 20 bit: -120 dB of full scale
    np.testing.assert_allclose(got[inside], 0.5 * np.sin(2 * np.pi * 1000 * u)[inside], atol=2e-6)


def test_equal_rates_pass_through():
    y = noise(100)
    r = Resampler(22050, 22050)
    assert r.push(y) is y
    assert r.flush().size == 0
    assert r.latency_s == 0.0
    assert np.array_equal(resample(y, 22050, 22050), y)


def test_odd_input_stays_finite():
    for y in (np.zeros(5000), np.ones(5000), np.sign(noise(5000)), np.eye(1, 5000)[0]):
        assert np.isfinite(resample(y.astype(np.float32), 44100, 22050)).all()


@pytest.mark.parametrize("bad", [0, -44100, 44100.5, True, None, "44100"])
def test_rates_that_are_none_are_refused(bad):
    with pytest.raises(UsageError, match=r"sr_in is .* expected a positive whole number of Hz"):
        Resampler(bad, 22050)
    with pytest.raises(UsageError, match="sr_out is"):
        Resampler(22050, bad)


@pytest.mark.parametrize(
    "block", [np.zeros((480, 2), np.float32), np.zeros(480), np.zeros(480, np.int16), [0.0]]
)
@pytest.mark.parametrize("sr_out", [22050, 44100])
def test_a_block_of_another_shape_or_type_is_refused(block, sr_out):
    with pytest.raises(UsageError, match=r"block is .* expected float32 \(n,\) mono"):
        Resampler(44100, sr_out).push(block)


def test_a_strided_or_readonly_block_is_heard_alike():
    y = noise(4000)
    expected = resample(y, 44100, 22050)
    assert np.array_equal(resample(np.repeat(y, 2)[::2], 44100, 22050), expected)
    assert np.array_equal(resample(np.frombuffer(y.tobytes(), np.float32), 44100, 22050), expected)
