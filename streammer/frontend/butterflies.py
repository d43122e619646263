"""The sums of the Fourier transform, as formulas on anything that has + - and *.

The kernels' LLVM values go through them when the kernels are compiled, and numpy arrays go through
them in the tests; to the bit the results are the same. Complex numbers are pairs (real, imaginary).

With n = radix * m points x and w = exp(-2 pi i / n), one stage of Stockham's algorithm is::

    y[radix * p + k] = w^(k p) * sum_j x[p + j * m] exp(-2 pi i j k / radix),   0 <= p < m

and the m outputs of each k are transformed by the stages that follow. What has been separated by
the stages before sits side by side in memory, as do the frames: both are just `u` inner elements.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["RADICES", "dft", "mirror_power", "radices", "twiddled", "twiddles"]

# Fours first: they are the cheapest, and after two of them 16 elements lie side by side.
RADICES = (4, 2, 3, 5)

Pair = tuple[Any, Any]


def radices(n: int) -> list[int]:
    """Return the radices of the stages that transform n points, a product of 2, 3 and 5."""
    found = []
    for radix in RADICES:
        while n % radix == 0:
            found.append(radix)
            n //= radix
    assert n == 1
    return found


def twiddles(n: int) -> npt.NDArray[np.float64]:
    """Return the factors of all stages, then those of the split into a real signal's spectrum.

    Returns
    -------
    np.ndarray, float64
        Real and imaginary part of w^(k p) for every stage, p and k = 1 .. radix - 1; then the n
        real and the n imaginary parts of exp(-pi i k / n).
    """
    parts = []
    left = n
    for radix in radices(n):
        p, k = np.arange(left // radix), np.arange(1, radix)
        w = np.exp(-2j * np.pi * np.outer(p, k) / left)
        parts.append(np.stack((w.real, w.imag), axis=-1).ravel())
        left //= radix
    w = np.exp(-1j * np.pi * np.arange(n) / n)
    return np.concatenate((*parts, w.real, w.imag))


def dft(x: list[Pair]) -> list[Pair]:
    """Return the discrete Fourier transform of 2, 3, 4 or 5 points."""
    by_size: dict[int, Callable[..., list[Pair]]] = {2: _dft2, 3: _dft3, 4: _dft4, 5: _dft5}
    return by_size[len(x)](*x)


def twiddled(z: Pair, w: Pair) -> Pair:
    """Return the product w z."""
    return w[0] * z[0] - w[1] * z[1], w[0] * z[1] + w[1] * z[0]


def mirror_power(z: Pair, y: Pair, w: Pair) -> Pair:
    """Return 4 times the power of bins k and n - k of a real signal of 2 n samples.

    Even samples were put into the real and odd ones into the imaginary parts of n points, whose
    transform is Z. With z = Z[k], y = Z[n - k] and w = exp(-pi i k / n), the even samples have
    the transform (z + conj y) / 2, the odd ones -i (z - conj y) / 2, and

        X[k] = even + w odd,    conj X[n - k] = even - w odd.
    """
    even = (z[0] + y[0], z[1] - y[1])
    odd = (z[1] + y[1], y[0] - z[0])
    t = twiddled(odd, w)
    a, b = _add(even, t), _sub(even, t)
    return a[0] * a[0] + a[1] * a[1], b[0] * b[0] + b[1] * b[1]


def _add(a: Pair, b: Pair) -> Pair:
    return a[0] + b[0], a[1] + b[1]


def _sub(a: Pair, b: Pair) -> Pair:
    return a[0] - b[0], a[1] - b[1]


def _plus_i(a: Pair, b: Pair) -> Pair:
    return a[0] - b[1], a[1] + b[0]


def _minus_i(a: Pair, b: Pair) -> Pair:
    return a[0] + b[1], a[1] - b[0]


def _scaled(a: Pair, factor: float) -> Pair:
    return factor * a[0], factor * a[1]


def _dft2(a: Pair, b: Pair) -> list[Pair]:
    return [_add(a, b), _sub(a, b)]


def _dft3(a: Pair, b: Pair, c: Pair) -> list[Pair]:
    s = _add(b, c)
    d = _scaled(_sub(b, c), 0.8660254037844386)  # sin(2 pi / 3)
    e = _sub(a, _scaled(s, 0.5))
    return [_add(a, s), _minus_i(e, d), _plus_i(e, d)]


def _dft4(a: Pair, b: Pair, c: Pair, d: Pair) -> list[Pair]:
    s, e, t, f = _add(a, c), _sub(a, c), _add(b, d), _sub(b, d)
    return [_add(s, t), _minus_i(e, f), _sub(s, t), _plus_i(e, f)]


def _dft5(a: Pair, b: Pair, c: Pair, d: Pair, e: Pair) -> list[Pair]:
    c1, c2 = 0.30901699437494745, 0.8090169943749475  # cos(2 pi / 5), -cos(4 pi / 5)
    s1, s2 = 0.9510565162951535, 0.5877852522924731  # sin(2 pi / 5), sin(4 pi / 5)
    p, q, g, h = _add(b, e), _add(c, d), _sub(b, e), _sub(c, d)
    m = _add(a, _sub(_scaled(p, c1), _scaled(q, c2)))
    n = _add(a, _sub(_scaled(q, c1), _scaled(p, c2)))
    k = _add(_scaled(g, s1), _scaled(h, s2))
    j = _sub(_scaled(g, s2), _scaled(h, s1))
    return [_add(a, _add(p, q)), _minus_i(m, k), _minus_i(n, j), _plus_i(n, j), _plus_i(m, k)]
