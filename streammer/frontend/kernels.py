"""The numba loops of the front end: window, FFT, power spectrum, packed filters, logarithm.

Sixteen frames are transformed side by side in flat arrays: ``[point, frame]``, and complex points
``[point, (real, imaginary), frame]``. What is left over at the end of a call takes all sixteen
places too, so no result depends on how many frames share a call; for the same reason there is no
fastmath. The loops run without the GIL and allocate nothing.

A real signal of 2 n samples is transformed as n complex points, whose real parts are its even and
whose imaginary parts its odd samples. With n = radix * m and w = exp(-2 pi i / n), a stage of the
decimation in frequency makes `radix` shorter sequences, for the stages after it to transform::

    y_k[p] = w^(k p) * sum_j x[p + j * m] exp(-2 pi i j k / radix),   0 <= p < m, 0 <= k < radix

All stages have one geometry (Pease 1968): where u sequences are apart already, x[p] of the q-th
stands at i = p * u + q, its partners n / radix points apart, and y_k[p] goes to radix * i + k. At
the end the points stand in digit-reversed order.

LLVM makes vector code of a loop over sixteen frames where a few comparisons show that nothing read
is overwritten. So every run of memory in such a loop is a slice of its own, indexed from 0, and all
that is written lies together; indices into the whole array leave the loop scalar, six times slower.
"""

from typing import Any

import numpy as np

from streammer.frontend.compiled import Kernel, part

__all__ = ["FRAMES", "FRAME_NORMS", "transform"]

FRAMES = 16
FRAME_NORMS = (None, "max", 2)  # here and of spec.LOGS the kernels know the places
FACTORS = (1.0, 1.0, 0.4342944819032518, 4.342944819032518, 1.0)  # 1 / ln 10, 10 / ln 10
TINY = np.finfo(np.float32).tiny
f32 = np.float32

_get = part(lambda x, j: complex(x[j], x[j + 16]))
_minus_i = part(lambda z: complex(z.imag, -z.real))
_times = part(lambda z, factor: complex(factor * z.real, factor * z.imag))


@part
def _put(o: Any, j: Any, z: Any) -> None:
    o[j], o[j + 16] = z.real, z.imag


@part
def _window(x: Any, hop: Any, rows: Any, window: Any, z: Any, y: Any) -> None:
    """Put frame r times the window to places r of y; after the last row, that row again."""
    # Twice four rows become one, which moves a digit of r to base 4 behind the sample's index.
    for k in range(0, window.size, 256):
        w, s, n = window[k : k + 256], x[k:], min(256, window.size - k)
        for r in range(4):
            e, f = hop * min(r, rows - 1), hop * min(r + 4, rows - 1)
            g, h = hop * min(r + 8, rows - 1), hop * min(r + 12, rows - 1)
            a, b, c, d = s[e : e + n], s[f : f + n], s[g : g + n], s[h : h + n]
            o = z[4 * n * r : 4 * n * (r + 1)]
            for i in range(n):
                o[4 * i], o[4 * i + 1] = w[i] * a[i], w[i] * b[i]
                o[4 * i + 2], o[4 * i + 3] = w[i] * c[i], w[i] * d[i]
        a, b, c, d = z[: 4 * n], z[4 * n : 8 * n], z[8 * n : 12 * n], z[12 * n : 16 * n]
        o = y[16 * k : 16 * (k + n)]
        for i in range(4 * n):
            o[4 * i], o[4 * i + 1], o[4 * i + 2], o[4 * i + 3] = a[i], b[i], c[i], d[i]


@part
def _stage2(x: Any, y: Any, tw: Any, m: Any, u: Any) -> None:
    s = 32 * m * u
    for p in range(m):
        w1 = tw[p]
        for i in range(32 * p * u, 32 * (p + 1) * u, 32):
            x0, x1, o = x[i : i + 32], x[i + s : i + s + 32], y[2 * i : 2 * i + 64]
            for j in range(16):
                a, b = _get(x0, j), _get(x1, j)
                _put(o, j, a + b)
                _put(o, j + 32, w1 * (a - b))


@part
def _stage3(x: Any, y: Any, tw: Any, m: Any, u: Any) -> None:
    s, half, sine = 32 * m * u, f32(0.5), f32(0.8660254037844386)  # sin(2 pi / 3)
    for p in range(m):
        w1, w2 = tw[2 * p], tw[2 * p + 1]
        for i in range(32 * p * u, 32 * (p + 1) * u, 32):
            x0, x1, x2 = x[i : i + 32], x[i + s : i + s + 32], x[i + 2 * s : i + 2 * s + 32]
            o = y[3 * i : 3 * i + 96]
            for j in range(16):
                a, b, c = _get(x0, j), _get(x1, j), _get(x2, j)
                e, f = a - _times(b + c, half), _minus_i(_times(b - c, sine))
                _put(o, j, a + (b + c))
                _put(o, j + 32, w1 * (e + f))
                _put(o, j + 64, w2 * (e - f))


@part
def _stage4(x: Any, y: Any, tw: Any, m: Any, u: Any) -> None:
    s = 32 * m * u
    for p in range(m):
        w1, w2, w3 = tw[3 * p], tw[3 * p + 1], tw[3 * p + 2]
        for i in range(32 * p * u, 32 * (p + 1) * u, 32):
            x0, x1, x2 = x[i : i + 32], x[i + s : i + s + 32], x[i + 2 * s : i + 2 * s + 32]
            x3, o = x[i + 3 * s : i + 3 * s + 32], y[4 * i : 4 * i + 128]
            for j in range(16):
                a, b, c, d = _get(x0, j), _get(x1, j), _get(x2, j), _get(x3, j)
                e, f, g, h = a + c, a - c, b + d, _minus_i(b - d)
                _put(o, j, e + g)
                _put(o, j + 32, w1 * (f + h))
                _put(o, j + 64, w2 * (e - g))
                _put(o, j + 96, w3 * (f - h))


@part
def _stage5(x: Any, y: Any, tw: Any, m: Any, u: Any) -> None:
    s, c1, c2 = 32 * m * u, f32(0.30901699437494745), f32(-0.8090169943749475)  # cos(2, 4 pi / 5)
    s1, s2 = f32(0.9510565162951535), f32(0.5877852522924731)  # sin(2, 4 pi / 5)
    for p in range(m):
        w1, w2, w3, w4 = tw[4 * p], tw[4 * p + 1], tw[4 * p + 2], tw[4 * p + 3]
        for i in range(32 * p * u, 32 * (p + 1) * u, 32):
            x0, x1, x2 = x[i : i + 32], x[i + s : i + s + 32], x[i + 2 * s : i + 2 * s + 32]
            x3, x4 = x[i + 3 * s : i + 3 * s + 32], x[i + 4 * s : i + 4 * s + 32]
            o = y[5 * i : 5 * i + 160]
            for j in range(16):
                a, b, c, d, e = _get(x0, j), _get(x1, j), _get(x2, j), _get(x3, j), _get(x4, j)
                f, g, h, k = b + e, c + d, _minus_i(b - e), _minus_i(c - d)
                q, r = a + (_times(f, c1) + _times(g, c2)), _times(h, s1) + _times(k, s2)
                v, w = a + (_times(f, c2) + _times(g, c1)), _times(h, s2) - _times(k, s1)
                _put(o, j, a + (f + g))
                _put(o, j + 32, w1 * (q + r))
                _put(o, j + 64, w2 * (v + w))
                _put(o, j + 96, w3 * (v - w))
                _put(o, j + 128, w4 * (q - r))


@part
def _power(z: Any, order: Any, tw: Any, p: Any) -> None:
    """Put 4 times the power of bins 0 .. n of the real signal to p.

    With a = Z[k], b = conj Z[n - k] and w = exp(-pi i k / n), the even samples have the transform
    (a + b) / 2, the odd ones -i (a - b) / 2, and X[k] = even + w odd, conj X[n - k] = even - w odd.
    """
    n = order.size
    for j in range(16):
        low, high = f32(2) * (z[j] + z[j + 16]), f32(2) * (z[j] - z[j + 16])
        p[j], p[16 * n + j] = low * low, high * high
    for k in range(1, n // 2 + 1):
        e, f, w = 32 * order[k], 32 * order[n - k], tw[k]
        x, y = z[e : e + 32], z[f : f + 32]
        lows, highs = p[16 * k : 16 * (k + 1)], p[16 * (n - k) : 16 * (n - k + 1)]
        for j in range(16):
            a, b = _get(x, j), _get(y, j).conjugate()
            t = w * _minus_i(a - b)
            low, high = (a + b) + t, (a + b) - t
            lows[j] = low.real * low.real + low.imag * low.imag
            highs[j] = high.real * high.real + high.imag * high.imag


@part
def _filter(p: Any, weights: Any, bands: Any, total: Any, out: Any) -> None:
    for b in range(bands.shape[0]):
        total[:] = f32(0)
        for e in range(bands[b, 1]):
            i, w = 16 * (bands[b, 0] + 8 * e), weights[bands[b, 2] + 8 * e :]
            x, w0, w1, w2, w3, w4, w5, w6, w7 = (
                p[i : i + 128], w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
            )  # fmt: skip
            for j in range(16):
                low = (w0 * x[j] + w1 * x[j + 16]) + (w2 * x[j + 32] + w3 * x[j + 48])
                high = (w4 * x[j + 64] + w5 * x[j + 80]) + (w6 * x[j + 96] + w7 * x[j + 112])
                total[j] += low + high
        for r in range(out.shape[0]):
            out[r, b] = total[r]


@part
def _ln(x: Any) -> Any:
    """Natural logarithm of a normal float32, within 1 ulp or so: S. Moshier's Cephes, `logf`."""
    # The C library's would do, but its vector forms round otherwise than its scalar one.
    bits: Any = f32(x).view(np.int32)  # stubs of numpy differ on what may be done to it
    z = np.int32((bits & 0x007FFFFF) | 0x3F000000).view(np.float32)  # in [1/2, 1)
    low = z < f32(0.70710678118654752)
    e = f32((bits >> 23) - (127 if low else 126))
    z = (z + z if low else z) - f32(1)
    y = f32(7.0376836292e-2) * z - f32(1.1514610310e-1)
    y = (y * z + f32(1.1676998740e-1)) * z - f32(1.2420140846e-1)
    y = (y * z + f32(1.4249322787e-1)) * z - f32(1.6668057665e-1)
    y = (y * z + f32(2.0000714765e-1)) * z - f32(2.4999993993e-1)
    y = (y * z + f32(3.3333331174e-1)) * z * (z * z) - f32(2.12194440e-4) * e
    return (z + (y - f32(0.5) * (z * z))) + f32(0.693359375) * e


@part
def _normalise(out: Any, norm: Any) -> None:
    for f in range(out.shape[0]):
        size = f32(0)
        for x in out[f]:
            size = max(size, x) if norm == 1 else size + x * x
        if norm == 2:
            size = np.sqrt(size)
        if size >= TINY:
            for b in range(out.shape[1]):
                out[f, b] /= size


@part
def _scale(out: Any, log: Any, floor: Any, gain: Any) -> None:
    factor = f32(FACTORS[log])
    for f in range(out.shape[0]):
        for b in range(out.shape[1]):
            if log == 4:
                # ln(1 + x) keeps x where 1 + x rounds to 1: the rounding error is put back.
                x = gain * out[f, b]
                y = f32(1) + x
                out[f, b] = _ln(y) + (x - (y - f32(1))) / y
            else:
                out[f, b] = factor * _ln(max(out[f, b], floor))


@Kernel
def transform(x: Any, hop: Any, window: Any, tw: Any, radices: Any, order: Any, weights: Any,
              bands: Any, magnitude: Any, norm: Any, log: Any, floor: Any, gain: Any, y: Any,
              z: Any, p: Any, out: Any) -> None:  # fmt: skip
    """Put the features of the frames at ``x[k * hop]`` to ``out[k]``."""
    for first in range(0, out.shape[0], FRAMES):
        rows = min(FRAMES, out.shape[0] - first)
        _window(x[first * hop :], hop, rows, window, z, y)
        t, m, u = 0, order.size, 1
        for radix in radices:
            m //= radix
            if radix == 2:
                _stage2(y, z, tw[t:], m, u)
            elif radix == 3:
                _stage3(y, z, tw[t:], m, u)
            elif radix == 4:
                _stage4(y, z, tw[t:], m, u)
            else:
                _stage5(y, z, tw[t:], m, u)
            t, u, y, z = t + (radix - 1) * m, u * radix, z, y
        _power(y, order, tw[t:], p)
        if magnitude:
            for i in range(FRAMES * (order.size + 1)):
                p[i] = np.sqrt(p[i])
        _filter(p, weights, bands, z[:FRAMES], out[first : first + rows])
    if norm != 0:
        _normalise(out, norm)
    if log != 0:
        _scale(out, log, f32(floor), f32(gain))
