"""The numba loops of the front end: framing, FFT, power spectrum, packed filters, logarithm.

Sixteen frames are worked on side by side, one a lane, and what is left over one by one, by the same
operations in the same order. So no result depends on how many frames share a call. No fastmath, for
the same reason. All loops run without the GIL and allocate nothing.

A work space has four planes: real and imaginary parts of n = n_fft / 2 points before and after a
stage. Point k of lane r stands at ``k * lanes + r`` of its plane.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from streammer.frontend import lanes as v

__all__ = ["FRAME_NORMS", "LANES", "LOGS", "transform"]

LANES = 16
ALONE_MAX = 5  # up to so many left-over frames are faster one by one than as sixteen
FRAME_NORMS = (None, "max", 2)  # the kernels know these two by their places
LOGS = ("none", "ln", "log10", "db", "log1p")
TINY = np.finfo(np.float32).tiny

f32 = np.float32


njit: Any = numba.njit  # whose types differ from version to version


def _kernel(function: Callable[..., Any]) -> Any:
    """Compile for Python; keep the machine code on disk where there is a place for it."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no directory that numba may write to
        return njit(nogil=True, error_model="numpy")(function)


def _part(function: Callable[..., Any]) -> Any:
    """Compile as part of a kernel only."""
    return njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


@_part
def _stage(radix: Any, work: Any, x: Any, y: Any, plane: Any, tw: Any, t: Any, m: Any, u: Any,
           width: Any, like: Any) -> None:  # fmt: skip
    step = m * u
    for p in range(m):
        w = t + 2 * (radix - 1) * p
        a, o = x + p * u, y + radix * p * u
        if radix == 4:
            for j in range(0, u, width):
                v.butterfly4(work, a + j, o + j, plane, step, u, tw, w, like)
        elif radix == 2:
            for j in range(0, u, width):
                v.butterfly2(work, a + j, o + j, plane, step, u, tw, w, like)
        elif radix == 3:
            for j in range(0, u, width):
                v.butterfly3(work, a + j, o + j, plane, step, u, tw, w, like)
        else:
            for j in range(0, u, width):
                v.butterfly5(work, a + j, o + j, plane, step, u, tw, w, like)


@_part
def _fft(work: Any, plane: Any, tw: Any, radices: Any, n: Any, lanes: Any) -> Any:
    """Transform the points in the first pair of planes; return where they and the free pair are."""
    x, y, t, m, u = 0, 2 * plane, 0, n, lanes
    for radix in radices:
        m //= radix
        if u % 16 == 0:
            _stage(radix, work, x, y, plane, tw, t, m, u, 16, v.zero16())
        elif u % 4 == 0:
            _stage(radix, work, x, y, plane, tw, t, m, u, 4, v.zero4())
        else:
            _stage(radix, work, x, y, plane, tw, t, m, u, 1, f32(0))
        t += 2 * (radix - 1) * m
        u *= radix
        x, y = y, x
    return x, y


@_part
def _sixteen(x: Any, at: Any, hop: Any, rows: Any, window: Any, tw: Any, radices: Any,
             weights: Any, bands: Any, magnitude: Any, work: Any, plane: Any, out: Any,
             first: Any) -> None:  # fmt: skip
    n = window.size // 2
    t = tw.size - 2 * n
    like = v.zero16()
    for k in range(0, 2 * n - 15, 16):
        v.transpose16(x, at, hop, rows, window, k, work, 8 * k, plane + 8 * k, like)
    for k in range(2 * n // 16 * 16, 2 * n, 2):
        for r in range(16):
            s = at + min(r, rows - 1) * hop + k
            work[8 * k + r] = x[s] * window[k]
            work[plane + 8 * k + r] = x[s + 1] * window[k + 1]
    z, p = _fft(work, plane, tw, radices, n, 16)
    v.mirror_ends(work, z, plane, p, p + 16 * n, like)
    for k in range(1, n // 2 + 1):
        lo, hi = 16 * k, 16 * (n - k)
        v.mirror_frames(work, z + lo, z + hi, plane, p + lo, p + hi, tw, t + k, t + n + k, like)
    if magnitude:
        for k in range(n + 1):
            v.root(work, p + 16 * k, like)
    for b in range(bands.shape[0]):
        i, w = p + 16 * bands[b, 0], bands[b, 2]
        a0 = a1 = a2 = a3 = v.zero16()
        for _ in range(bands[b, 1]):
            a0 = v.add_frames(a0, weights, w, work, i)
            a1 = v.add_frames(a1, weights, w + 1, work, i + 16)
            a2 = v.add_frames(a2, weights, w + 2, work, i + 32)
            a3 = v.add_frames(a3, weights, w + 3, work, i + 48)
            i += 64
            w += 4
        v.store_sum4(work, z, a0, a1, a2, a3)
        for r in range(rows):
            out[first + r, b] = work[z + r]


@_part
def _alone(x: Any, at: Any, window: Any, tw: Any, radices: Any, weights: Any, bands: Any,
           magnitude: Any, work: Any, plane: Any, out: Any, first: Any) -> None:  # fmt: skip
    n = window.size // 2
    t = tw.size - 2 * n
    for k in range(n):
        work[k] = x[at + 2 * k] * window[2 * k]
        work[plane + k] = x[at + 2 * k + 1] * window[2 * k + 1]
    z, p = _fft(work, plane, tw, radices, n, 1)
    v.mirror_ends(work, z, plane, p, p + n, f32(0))
    k = 1
    while k + 15 < n - k - 15:
        hi = n - k - 15
        v.mirror_bins(work, z + k, z + hi, plane, p + k, p + hi, tw, t + k, t + n + k, v.zero16())
        k += 16
    while k <= n - k:
        hi = n - k
        v.mirror_frames(work, z + k, z + hi, plane, p + k, p + hi, tw, t + k, t + n + k, f32(0))
        k += 1
    if magnitude:
        for k in range(0, n + 1, 16):
            v.root(work, p + k, v.zero16())
    # A band padded to whole fours meets, times zero, what sixteen frames left above bin n; were
    # that not finite, the band would not be either. Their own rows above bin n are never written.
    work[p + n + 1] = work[p + n + 2] = work[p + n + 3] = f32(0)
    for b in range(bands.shape[0]):
        i, w = p + bands[b, 0], bands[b, 2]
        total = v.zero4()
        for _ in range(bands[b, 1]):
            total = v.add_bins(total, weights, w, work, i)
            i += 4
            w += 4
        out[first, b] = v.sum4(total)


@_part
def _ln(x: Any) -> Any:
    """Natural logarithm of a normal float32, within 1 ulp or so: S. Moshier's Cephes, `logf`.

    The C library's would do, but its vector forms round otherwise than its scalar one.
    """
    bits = v.bits_of(f32(x))
    z = v.float_of((bits & 0x007FFFFF) | 0x3F000000)  # in [1/2, 1)
    low = z < f32(0.70710678118654752)
    e = f32(np.int32((bits >> 23) - (127 if low else 126)))
    z = (z + z if low else z) - f32(1)
    y = f32(7.0376836292e-2)
    y = y * z - f32(1.1514610310e-1)
    y = y * z + f32(1.1676998740e-1)
    y = y * z - f32(1.2420140846e-1)
    y = y * z + f32(1.4249322787e-1)
    y = y * z - f32(1.6668057665e-1)
    y = y * z + f32(2.0000714765e-1)
    y = y * z - f32(2.4999993993e-1)
    y = y * z + f32(3.3333331174e-1)
    zz = z * z
    y = y * z * zz
    y = y - f32(2.12194440e-4) * e
    y = y - f32(0.5) * zz
    return (z + y) + f32(0.693359375) * e


@_part
def _normalise(out: Any, first: Any, last: Any, norm: Any) -> None:
    for f in range(first, last):
        size = f32(0)
        for b in range(out.shape[1]):
            x = out[f, b]
            size = max(size, x) if norm == 1 else size + x * x
        if norm == 2:
            size = np.sqrt(size)
        if size >= TINY:
            for b in range(out.shape[1]):
                out[f, b] /= size


@_part
def _scale(out: Any, first: Any, last: Any, log: Any, floor: Any, gain: Any) -> None:
    factor = f32(1)
    if log == 2:
        factor = f32(0.4342944819032518)  # 1 / ln 10
    elif log == 3:
        factor = f32(4.342944819032518)
    for f in range(first, last):
        for b in range(out.shape[1]):
            x = out[f, b]
            if log == 4:
                # ln(1 + x) keeps x where 1 + x rounds to 1: the rounding error is put back.
                x = gain * x
                y = f32(1) + x
                out[f, b] = _ln(y) + (x - (y - f32(1))) / y
            else:
                out[f, b] = factor * _ln(max(x, floor))


@_kernel
def transform(x: Any, start: Any, hop: Any, n_frames: Any, window: Any, tw: Any, radices: Any,
              weights: Any, bands: Any, magnitude: Any, norm: Any, log: Any, floor: Any, gain: Any,
              work: Any, plane: Any, out: Any, first: Any) -> None:  # fmt: skip
    """Put the features of the frames at ``x[start + k * hop]`` to ``out[first + k]``."""
    done = 0
    while done < n_frames:
        rows = n_frames - done
        at = start + done * hop
        if rows > ALONE_MAX:
            rows = min(rows, LANES)
            _sixteen(x, at, hop, rows, window, tw, radices, weights, bands, magnitude, work, plane,
                     out, first + done)  # fmt: skip
        else:
            rows = 1
            _alone(x, at, window, tw, radices, weights, bands, magnitude, work, plane, out,
                   first + done)  # fmt: skip
        done += rows
    if norm != 0:
        _normalise(out, first, first + n_frames, norm)
    if log != 0:
        _scale(out, first, first + n_frames, log, f32(floor), f32(gain))
