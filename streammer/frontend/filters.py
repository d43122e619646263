"""Windows, filter matrices (librosa's, without librosa or scipy), and the plan of the transform.

Everything here runs once per `FrontEnd`, in float64; the caller rounds the result to float32.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "WINDOWS",
    "Packed",
    "chroma_filters",
    "fft_plan",
    "mel_filters",
    "packed",
    "packed_identity",
    "window",
]

Array = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]

# A window is a sum of cosines, a0 - a1 cos(x) + a2 cos(2x) - ...; the coefficients are scipy's.
WINDOWS: dict[str, tuple[float, ...]] = {
    "blackman": (0.42, 0.50, 0.08),
    "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
    "boxcar": (1.0,),
    "hamming": (0.54, 0.46),
    "hann": (0.5, 0.5),
    "nuttall": (0.3635819, 0.4891775, 0.1365995, 0.0106411),
}


def window(name: str, win_length: int, n_fft: int) -> Array:
    """Return a periodic window, padded with zeros in the centre of a frame.

    Parameters
    ----------
    name : str
        One of `WINDOWS`.
    win_length : int, 1 <= win_length <= n_fft
        Length of the window itself [samples].
    n_fft : int
        Length of the frame [samples].

    Returns
    -------
    np.ndarray [shape=(n_fft,)], float64
        As ``librosa.util.pad_center(scipy.signal.get_window(name, win_length), size=n_fft)``.
    """
    if win_length == 1:
        w = np.ones(1)
    else:
        x = 2.0 * np.pi * np.arange(win_length) / win_length
        w = np.zeros(win_length)
        for k, a in enumerate(WINDOWS[name]):
            w += (-1) ** k * a * np.cos(k * x)
    out = np.zeros(n_fft)
    left = (n_fft - win_length) // 2
    out[left : left + win_length] = w
    return out


def _hz_to_mel(f: Array | float, *, htk: bool) -> Array:
    f = np.asarray(f, dtype=np.float64)
    if htk:
        return np.asarray(2595.0 * np.log10(1.0 + f / 700.0))
    # Slaney's scale: linear to 1 kHz (15 mel), logarithmic above.
    linear = f * 3.0 / 200.0
    return np.where(
        f < 1000.0, linear, 15.0 + np.log(np.maximum(f, 1.0) / 1000.0) * 27 / np.log(6.4)
    )


def _mel_to_hz(m: Array, *, htk: bool) -> Array:
    if htk:
        return np.asarray(700.0 * (10.0 ** (m / 2595.0) - 1.0))
    return np.where(m < 15.0, m * 200.0 / 3.0, 1000.0 * np.exp((m - 15.0) * np.log(6.4) / 27))


def mel_filters(
    *, sr: int, n_fft: int, n_bins: int, fmin: float, fmax: float, htk: bool, norm: str | None
) -> Array:
    """Return triangular filters on a mel scale, equal to ``librosa.filters.mel``.

    Returns
    -------
    np.ndarray [shape=(n_bins, 1 + n_fft // 2)], float64
        A band narrower than the distance of two FFT bins may be empty: its row is zero.
    """
    ends = _hz_to_mel(np.array([fmin, fmax]), htk=htk)
    corners = _mel_to_hz(np.linspace(ends[0], ends[1], n_bins + 2), htk=htk)
    freqs = np.arange(1 + n_fft // 2) * (sr / n_fft)
    width = np.diff(corners)
    ramps = corners[:, None] - freqs[None, :]
    rising = -ramps[:-2] / width[:-1, None]
    falling = ramps[2:] / width[1:, None]
    weights = np.maximum(0.0, np.minimum(rising, falling))
    if norm == "slaney":
        weights *= (2.0 / (corners[2:] - corners[:-2]))[:, None]
    return np.asarray(weights)


def chroma_filters(
    *,
    sr: int,
    n_fft: int,
    n_bins: int,
    tuning: float,
    ctroct: float,
    octwidth: float | None,
    norm: float | None,
) -> Array:
    """Return pitch-class filters, equal to ``librosa.filters.chroma`` with ``base_c=True``.

    Returns
    -------
    np.ndarray [shape=(n_bins, 1 + n_fft // 2)], float64
        Row 0 is C.

    Notes
    -----
    Each FFT bin is spread over the pitch classes by a Gaussian as wide as the bin is in chroma
    units, weighted by a second one over octaves, `octwidth` wide around octave `ctroct`.
    """
    freqs = np.linspace(0, sr, n_fft, endpoint=False)[1:]
    a440 = 440.0 * 2.0 ** (tuning / n_bins)
    chroma = n_bins * np.log2(freqs / (a440 / 16.0))
    # Bin 0 has no pitch: it is put 1.5 octaves below bin 1, far and wide.
    chroma = np.concatenate(([chroma[0] - 1.5 * n_bins], chroma))
    width = np.concatenate((np.maximum(chroma[1:] - chroma[:-1], 1.0), [1.0]))
    distance = np.subtract.outer(chroma, np.arange(n_bins, dtype=np.float64)).T
    half = np.round(n_bins / 2.0)
    distance = np.remainder(distance + half + 10 * n_bins, n_bins) - half
    weights = np.exp(-0.5 * (2 * distance / width[None, :]) ** 2)
    if norm is not None:
        weights /= _column_norms(weights, norm)
    if octwidth is not None:
        weights *= np.exp(-0.5 * ((chroma / n_bins - ctroct) / octwidth) ** 2)[None, :]
    weights = np.roll(weights, -3 * (n_bins // 12), axis=0)
    return np.ascontiguousarray(weights[:, : 1 + n_fft // 2])


def _column_norms(x: Array, p: float) -> Array:
    size = np.max(np.abs(x), axis=0) if np.isinf(p) else np.sum(np.abs(x) ** p, axis=0) ** (1.0 / p)
    # librosa leaves columns alone whose norm is below the smallest float.
    return np.where(size < np.finfo(x.dtype).tiny, 1.0, size)


def fft_plan(n: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Complexes]:
    """Return the stages in which the kernels transform n points, a product of 2, 3 and 5.

    Returns
    -------
    radices : np.ndarray, int64
        Of the stages. Fours first: they are the cheapest.
    order : np.ndarray [shape=(n,)], int64
        Where each transformed point stands after the last stage.
    factors : np.ndarray, complex128
        With w = exp(-2 pi i / points left), w^(k p) of each stage, 0 <= p < points left / radix and
        0 < k < radix; then exp(-pi i k / n), 0 <= k < n, of the split into a real spectrum.
    """
    radices, order, factors, left = [], np.zeros(1, np.int64), [], n
    for radix in (4, 2, 3, 5):
        while left % radix == 0:
            p, k = np.arange(left // radix), np.arange(1, radix)
            factors.append(np.exp(-2j * np.pi * np.outer(p, k) / left).ravel())
            order = (radix * order + np.arange(radix)[:, None]).ravel()
            radices.append(radix)
            left //= radix
    assert left == 1
    factors.append(np.exp(-1j * np.pi * np.arange(n) / n))
    return np.array(radices, np.int64), order, np.concatenate(factors)


class Packed(NamedTuple):
    """Filters as the kernels read them: of each only the bins from its first to its last weight.

    Attributes
    ----------
    weights : np.ndarray [shape=(n,)], float32
        The filters one after the other, each padded with zeros to a whole number of eights.
    bands : np.ndarray [shape=(n_bins, 3)], int64
        First bin, number of eights, and first weight of each filter.
    """

    weights: npt.NDArray[np.float32]
    bands: npt.NDArray[np.int64]


def packed(filters: Array) -> Packed:
    """Pack a matrix of filters [shape=(n_bins, n_freqs)]; a row of zeros has no eights."""
    weights = [np.zeros(0, np.float32)]
    bands = np.zeros((filters.shape[0], 3), np.int64)
    total = 0
    for band, row in zip(bands, filters.astype(np.float32), strict=True):
        bins = np.flatnonzero(row)
        if not bins.size:
            continue
        first, n = bins[0], bins[-1] + 1 - bins[0]
        eights = -(-n // 8)
        band[:] = first, eights, total
        weights.append(np.pad(row[first : first + n], (0, 8 * eights - n)))
        total += 8 * eights
    return Packed(np.concatenate(weights), bands)


def packed_identity(n: int) -> Packed:
    """Return what `packed` gives for ``np.eye(n)``, without a matrix of gigabytes."""
    bins = np.arange(n)
    weights = np.tile(np.eye(1, 8, dtype=np.float32)[0], n)
    return Packed(weights, np.stack((bins, np.ones_like(bins), 8 * bins), axis=1))
