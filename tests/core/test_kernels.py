"""Each loop of the kernels against the same sums in plain numpy, to the bit; and numpy's FFT."""

import numpy as np
import pytest

from streammer.frontend import FrontEnd, FrontEndSpec
from streammer.frontend.filters import fft_plan, window

F = np.float32


def twin_dft(x):
    """The discrete Fourier transform of 2, 3, 4 or 5 points, by the sums of the kernels."""
    if len(x) == 2:
        return [x[0] + x[1], x[0] - x[1]]
    if len(x) == 3:
        a, b, c = x
        e, f = a - 0.5 * (b + c), minus_i(0.8660254037844386 * (b - c))
        return [a + (b + c), e + f, e - f]
    if len(x) == 4:
        a, b, c, d = x
        e, f, g, h = a + c, a - c, b + d, minus_i(b - d)
        return [e + g, f + h, e - g, f - h]
    a, b, c, d, e = x
    c1, c2 = 0.30901699437494745, -0.8090169943749475
    s1, s2 = 0.9510565162951535, 0.5877852522924731
    f, g, h, k = b + e, c + d, minus_i(b - e), minus_i(c - d)
    q, r = a + (c1 * f + c2 * g), s1 * h + s2 * k
    v, w = a + (c2 * f + c1 * g), s2 * h - s1 * k
    return [a + (f + g), q + r, v + w, v - w, q - r]


def minus_i(z):
    return Pair(z.im, -z.re)


class Pair:
    """Complex numbers as two arrays, multiplied as the kernels do: numpy may fuse its own."""

    def __init__(self, re, im):
        self.re, self.im = re, im

    def __add__(self, other):
        return Pair(self.re + other.re, self.im + other.im)

    def __sub__(self, other):
        return Pair(self.re - other.re, self.im - other.im)

    def __rmul__(self, factor):
        return Pair(factor * self.re, factor * self.im)

    def times(self, w):
        return Pair(w.real * self.re - w.imag * self.im, w.real * self.im + w.imag * self.re)

    def __getitem__(self, k):
        return Pair(self.re[k], self.im[k])

    def power(self):
        return self.re * self.re + self.im * self.im


def twin_fft(z, plan):
    """Pease's algorithm on n points (axis 0) of any number of frames, in natural order."""
    radices, order, factors = plan
    n = len(z.re)
    t, m = 0, n
    for radix in radices:
        m //= radix
        w = np.repeat(factors[t : t + (radix - 1) * m].reshape(m, radix - 1), n // radix // m, 0)
        parts = [z[k * (n // radix) : (k + 1) * (n // radix)] for k in range(radix)]
        out = twin_dft(parts)
        out = [x.times(w[:, k - 1, None]) if k else x for k, x in enumerate(out)]
        z = Pair(
            np.stack([x.re for x in out], axis=1).reshape(n, -1),
            np.stack([x.im for x in out], axis=1).reshape(n, -1),
        )
        t += (radix - 1) * m
    return z[order]


def twin_power(x, half_window, plan):
    """Power spectra of frames [frames, n_fft], as [bins, frames]."""
    n = x.shape[1] // 2
    x = (x * half_window).T
    z = twin_fft(Pair(x[::2], x[1::2]), plan)
    p = np.zeros((n + 1, x.shape[1]), x.dtype)
    p[0] = (2 * (z.re[0] + z.im[0])) * (2 * (z.re[0] + z.im[0]))
    p[n] = (2 * (z.re[0] - z.im[0])) * (2 * (z.re[0] - z.im[0]))
    k = np.arange(1, n // 2 + 1)
    a, b = z[k], Pair(z.re[n - k], -z.im[n - k])
    t = minus_i(a - b).times(plan[2][len(plan[2]) - n + k][:, None])
    p[k], p[n - k] = ((a + b) + t).power(), ((a + b) - t).power()
    return p


def twin_bands(p, weights, bands):
    """Packed filters on [bins, frames], eight bins at a time, as [frames, bands]."""
    p = np.concatenate((p, np.zeros((7, p.shape[1]), p.dtype)))
    out = np.zeros((p.shape[1], bands.shape[0]), p.dtype)
    for b, (first, eights, at) in enumerate(bands):
        for q in range(eights):
            w = weights[at + 8 * q : at + 8 * q + 8, None] * p[first + 8 * q : first + 8 * q + 8]
            low = (w[0] + w[1]) + (w[2] + w[3])
            out[:, b] += low + ((w[4] + w[5]) + (w[6] + w[7]))
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
    radices, order, factors = fft_plan(spec.n_fft // 2)
    p = twin_power(x, half_window, (radices, order, factors.astype(np.complex64)))
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
    assert np.array_equal(fe.push(y), expected)  # sixteen side by side, and three
    for k in (0, 17):
        fe.reset()
        assert np.array_equal(fe.push(x[k].copy()), expected[k : k + 1])


@pytest.mark.parametrize("n", [8, 10, 12, 30, 45, 128, 180, 600, 1024])
def test_the_twins_transform_is_a_fourier_transform(n):
    z = np.random.default_rng(n).standard_normal((2, n, 3))
    got = twin_fft(Pair(z[0], z[1]), fft_plan(n))
    np.testing.assert_allclose(
        got.re + 1j * got.im, np.fft.fft(z[0] + 1j * z[1], axis=0), atol=1e-11
    )


@pytest.mark.parametrize("radix", [2, 3, 4, 5])
def test_each_butterfly_is_a_fourier_transform(radix):
    x = np.random.default_rng(0).standard_normal((radix, 2))
    got = [z.re + 1j * z.im for z in twin_dft([Pair(*p) for p in x])]
    np.testing.assert_allclose(got, np.fft.fft(x[:, 0] + 1j * x[:, 1]), atol=1e-14)


@pytest.mark.parametrize("n_fft", [16, 90, 256, 1200, 2048])
def test_the_twins_power_is_that_of_a_real_transform(n_fft):
    x = np.random.default_rng(1).standard_normal((4, n_fft))
    w = window("hann", n_fft, n_fft)
    got = twin_power(x, 0.5 * w, fft_plan(n_fft // 2))
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
