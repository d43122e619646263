"""One streaming resampler, the same live and in training: soxr, quality HQ, mono float32."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import soxr

from streammer.errors import UsageError

__all__ = ["Resampler", "resample"]

Samples = npt.NDArray[np.float32]

QUALITY = "HQ"
_PROBE_SAMPLES = 16  # smaller than any block of a sound device, so the worst case is met


class Resampler:
    """Change the sampling rate of a mono signal, block by block.

    Parameters
    ----------
    sr_in, sr_out : int > 0     [Hz]
        Equal rates give the blocks back unchanged, without latency.

    Raises
    ------
    UsageError
        For rates that are no positive whole numbers.

    Notes
    -----
    Output sample m stands at time m / sr_out of the input: there is no shift, only a wait, of at
    most `latency_s`. After `flush`, n samples have become floor(n * sr_out / sr_in + 1/2) in
    all, to the bit the same whatever the sizes of the blocks were.
    """

    def __init__(self, sr_in: int, sr_out: int) -> None:
        for name, sr in (("sr_in", sr_in), ("sr_out", sr_out)):
            if isinstance(sr, bool) or not isinstance(sr, int | np.integer) or sr <= 0:
                raise UsageError(f"{name} is {sr!r}, expected a positive whole number of Hz")
        self.sr_in = int(sr_in)
        self.sr_out = int(sr_out)
        self._stream = None if sr_in == sr_out else _open(self.sr_in, self.sr_out)

    @property
    def latency_s(self) -> float:
        """Longest wait between the arrival of a sample and that of its output [s]."""
        return 0.0 if self._stream is None else _latency_s(self.sr_in, self.sr_out)

    def push(self, y: Samples) -> Samples:
        """Take a block and return what has become ready.

        Parameters
        ----------
        y : np.ndarray [shape=(n,)], float32
            Any number of samples at `sr_in`, none included.

        Returns
        -------
        np.ndarray [shape=(m,)], float32
            Samples at `sr_out`; for equal rates `y` itself.
        """
        _check(y)
        if self._stream is None:
            return y
        if not y.size:
            return np.empty(0, np.float32)
        out: Samples = self._stream.resample_chunk(np.ascontiguousarray(y))
        return out

    def flush(self) -> Samples:
        """Return what is still inside [shape=(m,)], float32; the resampler is then as new."""
        if self._stream is None:
            return np.empty(0, np.float32)
        out: Samples = self._stream.resample_chunk(np.empty(0, np.float32), last=True)
        self.reset()
        return out

    def reset(self) -> None:
        """Forget all samples."""
        if self._stream is not None:
            self._stream.clear()


def resample(y: Samples, sr_in: int, sr_out: int) -> Samples:
    """Resample a whole signal, to the bit as a `Resampler` fed block by block.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], float32
    sr_in, sr_out : int > 0     [Hz]

    Returns
    -------
    np.ndarray [shape=(floor(n * sr_out / sr_in + 1/2),)], float32
    """
    resampler = Resampler(sr_in, sr_out)
    return np.concatenate((resampler.push(y), resampler.flush()))


def _open(sr_in: int, sr_out: int) -> soxr.ResampleStream:
    return soxr.ResampleStream(sr_in, sr_out, 1, dtype="float32", quality=QUALITY)


def _check(y: Samples) -> None:
    if not isinstance(y, np.ndarray) or y.dtype != np.float32 or y.ndim != 1:
        got = f"{y.dtype} {y.shape}" if isinstance(y, np.ndarray) else type(y).__name__
        raise UsageError(f"block is {got}, expected float32 (n,) mono; convert or downmix first")


@lru_cache(maxsize=64)
def _latency_s(sr_in: int, sr_out: int) -> float:
    # soxr works in batches that depend on both rates and tells only what waits at the moment;
    # the worst moment of a second is found by asking after every few samples.
    stream = _open(sr_in, sr_out)
    block = np.zeros(_PROBE_SAMPLES, np.float32)
    fed = got = 0
    worst = 0.0
    for _ in range(sr_in // _PROBE_SAMPLES + 1):
        fed += block.size
        # just before this block's output came, all before it was all that had come
        worst = max(worst, fed / sr_in - got / sr_out)
        got += stream.resample_chunk(block).size
    return worst
