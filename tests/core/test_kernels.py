"""Each loop of the kernels against the same sums in plain numpy, to the bit; and numpy's FFT."""

import numpy as np
import pytest

from streammer.frontend import FrontEnd, FrontEndSpec
from streammer.frontend.butterflies import dft, mirror_power, radices, twiddled, twiddles
from streammer.frontend.filters import window

F = np.float32


def twin_fft(z, tw):
    """Stockham's algorithm on [n, lanes] pairs, as `kernels._fft` does it."""
    n, lanes = z[0].shape
    t, m, u = 0, n, lanes
    for radix in radices(n):
        m //= radix
        parts = [p.reshape(radix, m, u) for p in z]
        out = [np.empty((m, radix, u), p.dtype) for p in z]
        factors = tw[t : t + 2 * (radix - 1) * m].reshape(m, radix - 1, 2)
        for k, x in enumerate(dft([(parts[0][j], parts[1][j]) for j in range(radix)])):
            if k:
                w = factors[:, k - 1]
                x = twiddled(x, (w[:, :1], w[:, 1:]))
            out[0][:, k], out[1][:, k] = x
        t += 2 * (radix - 1) * m
        u *= radix
        z = out
    return z[0].reshape(n, lanes), z[1].reshape(n, lanes)


def twin_power(x, half_window, tw):
    """Power spectra of frames [frames, n_fft], as [bins, frames]."""
    n = x.shape[1] // 2
    x = (x * half_window).T
    re, im = twin_fft((x[::2], x[1::2]), tw)
    p = np.zeros((n + 1, x.shape[1]), x.dtype)
    p[0] = (2 * (re[0] + im[0])) * (2 * (re[0] + im[0]))
    p[n] = (2 * (re[0] - im[0])) * (2 * (re[0] - im[0]))
    for k in range(1, n // 2 + 1):
        w = tw[tw.size - 2 * n + k], tw[tw.size - n + k]
        p[k], p[n - k] = mirror_power((re[k], im[k]), (re[n - k], im[n - k]), w)
    return p


def twin_bands(p, weights, bands):
    """Packed filters on [bins, frames], four partial sums each, as [frames, bands]."""
    p = np.concatenate((p, np.zeros((3, p.shape[1]), p.dtype)))
    out = np.zeros((p.shape[1], bands.shape[0]), p.dtype)
    for b, (first, fours, at) in enumerate(bands):
        a = np.zeros((4, p.shape[1]), p.dtype)
        for q in range(fours):
            rows = p[first + 4 * q : first + 4 * q + 4]
            a = a + weights[at + 4 * q : at + 4 * q + 4, None] * rows
        out[:, b] = (a[0] + a[1]) + (a[2] + a[3])
    return out


def twin_ln(x):
    """Cephes' logf on normal float32."""
    z, e = np.frexp(x)
    low = z < F(0.70710678118654752)
    e = np.where(low, e - 1, e).astype(F)
    z = np.where(low, z + z, z) - F(1)
    y = np.full_like(z, 7.0376836292e-2)
    for c in (
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    ):
        y = y * z + F(c)
    zz = z * z
    y = y * z * zz
    y = y - F(2.12194440e-4) * e
    y = y - F(0.5) * zz
    return (z + y) + F(0.693359375) * e


def twin_features(spec, x):
    """Features of frames [frames, n_fft] by the twins alone."""
    half_window = (0.5 * window(spec.window, spec.win_length, spec.n_fft)).astype(F)
    tw = twiddles(spec.n_fft // 2).astype(F)
    p = twin_power(x, half_window, tw)
    if spec.power == 1.0:
        p = np.sqrt(p)
    out = twin_bands(p, *spec.packed_filters())
    if spec.kind == "chroma" and spec.frame_norm == "max":
        out = out / out.max(axis=1, keepdims=True)
    elif spec.kind == "chroma" and spec.frame_norm == 2:
        total = np.zeros((out.shape[0], 1), F)
        for b in range(out.shape[1]):
            total[:, 0] = total[:, 0] + out[:, b] * out[:, b]
        out = out / np.sqrt(total)
    floor = F(spec.floor)
    if spec.log == "log1p":
        g = F(spec.gain) * out
        y = F(1) + g
        return twin_ln(y) + (g - (y - F(1))) / y
    if spec.log != "none":
        factor = {"ln": F(1), "log10": F(0.4342944819032518), "db": F(4.342944819032518)}[spec.log]
        return factor * twin_ln(np.maximum(out, floor))
    return out


SPECS = [
    FrontEndSpec("mel", 22050, 1024, 441, 80, fmin=30.0, fmax=11000.0),
    FrontEndSpec("mel", 44100, 2048, 882, 128, log="db"),
    FrontEndSpec("mel", 16000, 400, 160, 40, log="log1p", gain=1000.0, power=1.0),
    FrontEndSpec("chroma", 22050, 4096, 441, 12, frame_norm=2, log="ln"),
    FrontEndSpec("chroma", 16000, 480, 160, 12, frame_norm="max", log="log10", floor=1e-3),
    FrontEndSpec("stft", 16000, 256, 80, 129, win_length=255, power=1.0),
    FrontEndSpec("stft", 16000, 90, 45, 46),
    FrontEndSpec("stft", 16000, 250, 125, 126),
    FrontEndSpec("stft", 16000, 16, 8, 9),
    FrontEndSpec("stft", 16000, 18, 9, 10),
    FrontEndSpec("stft", 16000, 20, 10, 11),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s.kind}_{s.n_fft}_{s.log}")
def test_kernels_equal_plain_numpy_to_the_bit(spec):
    rng = np.random.default_rng(spec.n_fft)
    y = rng.standard_normal(spec.n_fft + 18 * spec.hop_length).astype(F)
    x = np.lib.stride_tricks.sliding_window_view(y, spec.n_fft)[:: spec.hop_length]
    expected = twin_features(spec, x)
    fe = FrontEnd(spec)
    assert np.array_equal(fe.push(y), expected)  # sixteen side by side, three alone
    for k in (0, 17):
        fe.reset()
        assert np.array_equal(fe.push(x[k].copy()), expected[k : k + 1])


@pytest.mark.parametrize("n", [8, 10, 12, 30, 45, 128, 180, 600, 1024])
def test_the_twins_transform_is_a_fourier_transform(n):
    rng = np.random.default_rng(n)
    z = rng.standard_normal((2, n, 3))
    re, im = twin_fft((z[0], z[1]), twiddles(n))
    np.testing.assert_allclose(re + 1j * im, np.fft.fft(z[0] + 1j * z[1], axis=0), atol=1e-11)


@pytest.mark.parametrize("radix", [2, 3, 4, 5])
def test_each_butterfly_is_a_fourier_transform(radix):
    x = np.random.default_rng(0).standard_normal((radix, 2))
    got = np.array(dft([tuple(p) for p in x]))
    np.testing.assert_allclose(
        got[:, 0] + 1j * got[:, 1], np.fft.fft(x[:, 0] + 1j * x[:, 1]), atol=1e-14
    )


@pytest.mark.parametrize("n_fft", [16, 90, 256, 1200, 2048])
def test_the_twins_power_is_that_of_a_real_transform(n_fft):
    x = np.random.default_rng(1).standard_normal((4, n_fft))
    w = window("hann", n_fft, n_fft)
    got = twin_power(x, 0.5 * w, twiddles(n_fft // 2))
    np.testing.assert_allclose(got.T, np.abs(np.fft.rfft(x * w)) ** 2, rtol=1e-9, atol=1e-12)


def test_the_logarithm_is_within_two_units_of_the_last_place():
    rng = np.random.default_rng(2)
    x = np.exp(rng.uniform(-87, 88, 100_000)).astype(F)
    x = np.concatenate((x, 1 + rng.uniform(-0.5, 1, 100_000).astype(F), [F(1), F(1.1754944e-38)]))
    exact = np.log(x.astype(np.float64))
    assert (np.abs(twin_ln(x) - exact) <= 2 * np.spacing(np.abs(exact).astype(F))).all()
    assert twin_ln(np.ones(1, F))[0] == 0


def test_log1p_keeps_small_values():
    # through the front end: silence but for faint noise, far below where 1 + x rounds to 1
    spec = FrontEndSpec("stft", 16000, 256, 128, 129)
    y = (1e-6 * np.random.default_rng(3).standard_normal(4096)).astype(F)
    power = FrontEnd(spec).push(y).astype(np.float64)
    logged = FrontEnd(FrontEndSpec("stft", 16000, 256, 128, 129, log="log1p", gain=10.0)).push(y)
    np.testing.assert_allclose(logged, np.log1p(10 * power), rtol=1e-6)
