"""A front end as a stream: any partition, priming, reset, neighbours, threads, odd input."""

import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammer.errors import UsageError
from streammer.frontend import FrontEnd, FrontEndSpec, kernels

LIVE = FrontEndSpec("mel", 22050, 1024, 441, 80, fmin=30.0, fmax=11000.0)
SPECS = {
    "live": LIVE,
    "mel_db": FrontEndSpec("mel", 12000, 512, 250, 96, log="db", power=1.0, htk=True, norm=None),
    "mel_log1p": FrontEndSpec(
        "mel", 16000, 400, 160, 40, log="log1p", gain=1000.0, window="hamming"
    ),
    "chroma_max": FrontEndSpec("chroma", 22050, 2048, 441, 12, frame_norm="max"),
    "chroma_2": FrontEndSpec("chroma", 16000, 480, 160, 12, frame_norm=2, log="ln"),
    "stft_255": FrontEndSpec("stft", 16000, 256, 80, 129, win_length=255, log="log10"),
    "stft_gap": FrontEndSpec("stft", 16000, 250, 401, 126),  # hop_length > n_fft
    "short_hop": FrontEndSpec("mel", 16000, 128, 7, 4),
    "by_one": FrontEndSpec("stft", 16000, 16, 1, 9),
}
N = {"by_one": 900}

every_spec = pytest.mark.parametrize("name", SPECS)


def noise(n, seed=0):
    return (0.3 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def in_blocks(fe, y, sizes):
    """Push y in blocks of these sizes, over and over until it ends."""
    parts, at, turn = [fe.push(y[:0])], 0, 0
    while at < y.size:
        size = sizes[turn % len(sizes)]
        parts.append(fe.push(y[at : at + size]))
        at += size
        turn += 1
    return np.concatenate(parts)


def windows(spec, y):
    """All frames of a signal, as its definition says: [frames, n_fft]."""
    starts = range(0, y.size - spec.n_fft + 1, spec.hop_length)
    return np.stack([y[s : s + spec.n_fft] for s in starts])


@every_spec
@settings(derandomize=True, deadline=None, max_examples=12)
@given(
    sizes=st.lists(st.sampled_from([0, 1, 2, 15, 160, 441, 480, 1024, 4000]), min_size=1).filter(
        any
    )
)
def test_features_do_not_depend_on_block_size(name, sizes):
    spec = SPECS[name]
    y = noise(N.get(name, 6000))
    if max(sizes) < 15:
        y = y[:2500]
    expected = FrontEnd(spec).push(y)
    assert np.array_equal(in_blocks(FrontEnd(spec), y, sizes), expected)


@every_spec
def test_features_do_not_depend_on_how_many_frames_share_a_call(name):
    spec = SPECS[name]
    fe, alone = FrontEnd(spec), FrontEnd(spec)
    y = noise(spec.n_fft + 39 * spec.hop_length)
    single = []
    for frame in windows(spec, y):
        alone.reset()
        single.append(alone.push(np.ascontiguousarray(frame)))
    single = np.concatenate(single)
    assert single.shape == (40, spec.n_bins)
    for n in (1, 2, 5, 6, 15, 16, 17, 25, 32, 40):
        fe.reset()
        got = fe.push(y[: spec.n_fft + (n - 1) * spec.hop_length])
        assert np.array_equal(got, single[:n]), n


@pytest.mark.parametrize("max_block_frames", [1, 16, 17, 1000])
def test_features_do_not_depend_on_the_size_of_the_buffer(max_block_frames):
    y = noise(60_000)
    assert np.array_equal(FrontEnd(LIVE, max_block_frames).push(y), FrontEnd(LIVE).push(y))


@every_spec
def test_a_frame_is_due_as_soon_as_its_last_sample_has_come(name):
    spec = SPECS[name]
    fe = FrontEnd(spec)
    y = noise(spec.n_fft + 2 * spec.hop_length)
    first = spec.n_fft
    assert fe.push(y[: first - 1]).shape == (0, spec.n_bins)
    assert fe.push(y[first - 1 : first]).shape == (1, spec.n_bins)
    assert fe.push(y[first : first + spec.hop_length - 1]).shape[0] == 0
    assert fe.push(y[first + spec.hop_length - 1 :]).shape[0] == 2


@every_spec
def test_primed_frame_k_ends_at_sample_k_plus_1_hops(name):
    spec = SPECS[name]
    y = noise(10 * spec.hop_length)
    fe = FrontEnd(spec)
    fe.prime()
    got = []
    for k in range(10):
        block = y[k * spec.hop_length : (k + 1) * spec.hop_length]
        assert fe.push(block[:-1]).shape[0] == 0
        got.append(fe.push(block[-1:]))
        assert got[-1].shape[0] == 1
    padded = np.concatenate((np.zeros(spec.n_fft, np.float32), y))
    alone = FrontEnd(spec)
    for k, frame in enumerate(got):
        end = spec.n_fft + (k + 1) * spec.hop_length
        alone.reset()
        assert np.array_equal(alone.push(padded[end - spec.n_fft : end]), frame)


def test_priming_gives_ten_seconds_twenty_steps_of_whatever_window():
    for spec in (
        LIVE,
        FrontEndSpec("chroma", 22050, 8192, 441, 12),
        FrontEndSpec("stft", 12000, 256, 250, 129),
    ):
        fe = FrontEnd(spec)
        fe.prime()
        assert fe.push(np.zeros(10 * spec.sr, np.float32)).shape[0] == 20 * spec.frames_per_step(
            0.5
        )


@every_spec
def test_reset_and_prime_forget_everything(name):
    spec = SPECS[name]
    y = noise(3 * spec.n_fft + 5 * spec.hop_length, seed=1)
    fresh = FrontEnd(spec).push(y)
    primed = FrontEnd(spec)
    primed.prime()
    primed = primed.push(y)
    fe = FrontEnd(spec)
    for n in (0, 1, spec.n_fft - 1, spec.n_fft + 3 * spec.hop_length + 1):
        fe.push(100 * noise(n, seed=2))
        fe.reset()
        assert np.array_equal(fe.push(y), fresh)
        fe.push(noise(n))
        fe.prime()
        assert np.array_equal(fe.push(y), primed)


def test_interleaved_front_ends_do_not_hear_each_other():
    y, z = noise(20_000, seed=1), noise(20_000, seed=2)
    expected = FrontEnd(LIVE).push(y), FrontEnd(LIVE).push(z)
    a, b = FrontEnd(LIVE), FrontEnd(LIVE)
    got = [], []
    for k in range(0, 20_000, 700):
        got[0].append(a.push(y[k : k + 700]))
        got[1].append(b.push(z[k : k + 700]))
    for parts, whole in zip(got, expected, strict=True):
        assert np.array_equal(np.concatenate(parts), whole)


def test_two_threads_with_a_front_end_each_get_what_one_would():
    signals = [noise(200_000, seed=s) for s in (1, 2)]
    expected = [FrontEnd(LIVE).push(y) for y in signals]
    got = [None, None]

    def work(i):
        fe = FrontEnd(LIVE)
        for _ in range(5):
            fe.reset()
            got[i] = in_blocks(fe, signals[i], [441, 11025])

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for a, b in zip(got, expected, strict=True):
        assert np.array_equal(a, b)


def test_other_threads_run_while_the_kernel_does():
    fe = FrontEnd(LIVE, max_block_frames=60_000)
    spec = LIVE
    out = np.empty((60_000, spec.n_bins), np.float32)

    def longest_pause():
        took = []

        def work():
            began = time.perf_counter()
            fe._transform(out.shape[0], out, 0)
            took.append(time.perf_counter() - began)

        thread = threading.Thread(target=work)
        pause, last = 0.0, time.perf_counter()  # start() itself waits while the thread has the GIL
        thread.start()
        while thread.is_alive():
            time.sleep(0)
            now = time.perf_counter()
            pause, last = max(pause, now - last), now
        return pause / took[0]

    # one kernel call of about 0.06 s; a busy machine may take this thread's processor for a while
    assert any(longest_pause() < 0.5 for _ in range(5))


def test_later_samples_never_change_earlier_frames():
    y = noise(12_000)
    z = y.copy()
    changed_from = 6000
    z[changed_from:] = noise(6000, seed=9)
    fe = FrontEnd(LIVE)
    fe.prime()
    a = fe.push(y)
    fe.prime()
    b = fe.push(z)
    same = changed_from // LIVE.hop_length
    assert np.array_equal(a[:same], b[:same])
    assert not np.array_equal(a[same], b[same])


@every_spec
@pytest.mark.parametrize("kind", ["silence", "dc", "clipping", "click", "tiny", "loud"])
def test_any_finite_sound_gives_finite_features(name, kind):
    spec = SPECS[name]
    n = spec.n_fft + 20 * spec.hop_length
    y = {
        "silence": np.zeros(n),
        "dc": np.ones(n),
        "clipping": np.sign(noise(n)),
        "click": np.eye(1, n, n // 2)[0],
        "tiny": np.full(n, 1e-42),
        "loud": 1e6 * noise(n),
    }[kind].astype(np.float32)
    out = FrontEnd(spec).push(y)
    assert out.shape[0] > 20
    assert np.isfinite(out).all()


def test_silence_is_the_floor_and_silent_chroma_stays_zero():
    zeros = np.zeros(4096, np.float32)
    for log, value in (
        ("none", 0.0),
        ("ln", np.log(1e-10)),
        ("log10", -10),
        ("db", -100),
        ("log1p", 0),
    ):
        spec = FrontEndSpec("mel", 22050, 1024, 441, 80, log=log)
        np.testing.assert_allclose(FrontEnd(spec).push(zeros), value, rtol=1e-6)
    for frame_norm in ("max", 2):
        spec = FrontEndSpec("chroma", 22050, 2048, 441, 12, frame_norm=frame_norm)
        assert not FrontEnd(spec).push(zeros).any()


@every_spec
@pytest.mark.parametrize("n_bad", [1, 20])
def test_an_overflowing_frame_leaves_no_trace_in_later_ones(name, n_bad):
    spec = SPECS[name]
    y = noise(spec.n_fft + 2 * spec.hop_length)
    fe = FrontEnd(spec)
    expected = fe.push(y)
    fe.push(np.full(spec.n_fft + (n_bad - 1) * spec.hop_length, 3e38, np.float32))
    fe.reset()
    assert np.array_equal(fe.push(y), expected)


def test_out_is_filled_and_returned():
    y = noise(11_025)
    fe = FrontEnd(LIVE)
    fe.prime()
    expected = fe.push(y)
    out = np.full((30, 80), np.nan, np.float32)
    fe.prime()
    got = fe.push(y, out=out)
    assert got.base is out
    assert np.array_equal(got, expected)
    assert np.isnan(out[25:]).all()


@pytest.mark.parametrize(
    "out",
    [
        np.empty((24, 80), np.float32),
        np.empty((25, 81), np.float32),
        np.empty((25, 80)),
        np.empty((25, 160), np.float32)[:, ::2],
        np.empty(2000, np.float32),
    ],
    ids=["few_rows", "bins", "dtype", "strided", "ndim"],
)
def test_an_out_that_does_not_fit_is_refused_before_anything_is_heard(out):
    y = noise(11_025)
    fe = FrontEnd(LIVE)
    fe.prime()
    with pytest.raises(UsageError, match=r"expected float32 \(>= 25, 80\)"):
        fe.push(y, out=out)
    assert fe.push(y).shape == (25, 80)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            np.zeros((480, 2), np.float32),
            r"block is float32 \(480, 2\), expected float32 \(n,\) mono",
        ),
        (np.zeros(480), r"block is float64 \(480,\)"),
        (np.zeros(480, np.int16), "block is int16"),
        ([0.0], "block is list"),
    ],
)
def test_a_block_of_another_shape_or_type_is_refused(block, message):
    with pytest.raises(UsageError, match=message):
        FrontEnd(LIVE).push(block)


def test_readonly_and_strided_blocks_are_heard_alike():
    y = noise(8000)
    expected = FrontEnd(LIVE).push(y)
    frozen = np.frombuffer(y.tobytes(), np.float32)
    assert np.array_equal(FrontEnd(LIVE).push(frozen), expected)
    assert np.array_equal(FrontEnd(LIVE).push(np.repeat(y, 2)[::2]), expected)


def test_nothing_is_compiled_after_construction():
    for spec in SPECS.values():
        fe = FrontEnd(spec)
        y = noise(spec.n_fft + 20 * spec.hop_length)
        fe.push(np.frombuffer(y.tobytes(), np.float32))
        fe.push(np.repeat(y, 2)[::2])
        fe.push(y, out=np.empty((100, spec.n_bins), np.float32)[:64])
    assert len(kernels.transform.signatures) == 1


def test_pushing_into_out_allocates_nothing():
    fe = FrontEnd(LIVE)
    out = np.empty((32, 80), np.float32)
    blocks = [noise(n) for n in (441, 11_025, 1, 441, 960)]
    for y in blocks:
        fe.push(y, out=out)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            for y in blocks:
                fe.push(y, out=out)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # a few views and integers at a time; a block of 441 samples would be 1764 bytes
    assert now - before < 1000
    assert peak - before < 1700


@pytest.mark.parametrize("bad", [0, -1, True])
def test_a_buffer_without_room_is_refused(bad):
    with pytest.raises(UsageError, match="max_block_frames is"):
        FrontEnd(LIVE, max_block_frames=bad)
