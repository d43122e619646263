"""From samples to frames of features: mel, chroma or spectrum, incremental, to the bit exact.

All kinds are one power spectrum and one packed matrix of filters; the loops are in `kernels`.
"""

import threading
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from streammer.errors import UsageError
from streammer.frontend import kernels
from streammer.frontend.filters import fft_plan, window
from streammer.frontend.spec import LOGS, FrontEndSpec

__all__ = ["FrontEnd", "FrontEndSpec"]

Float32s = npt.NDArray[np.float32]


class FrontEnd:
    """Turn a stream of samples into frames, incrementally.

    Parameters
    ----------
    spec : FrontEndSpec
    max_block_frames : int >= 1
        Frames that the inner buffer has room for. Longer blocks are processed in parts; the
        results are the same to the bit.

    Notes
    -----
    A fresh front end puts out its first frame when n_fft samples have come: what librosa calls
    ``center=False``. `prime` puts n_fft - hop_length zeros before them, and frame k then ends at
    sample (k + 1) * hop_length.

    All is computed in float32: mel bands within 70 dB of a frame's loudest are exact to .001 dB,
    single bins (stft) to .001 dB within 60 dB and to .005 dB within 70 dB. Samples of any size
    that sound has will do; from about 1e15 on the power overflows.

    The kernels are compiled (or read from numba's cache) on construction, so the first block takes
    no longer than others. They run without the GIL; objects share what never changes, and each may
    be used by one thread at a time.
    """

    def __init__(self, spec: FrontEndSpec, max_block_frames: int = 64) -> None:
        if isinstance(max_block_frames, bool) or max_block_frames < 1:
            raise UsageError(f"max_block_frames is {max_block_frames!r}, expected at least 1")
        self.spec = spec
        self._tables = _tables_of(spec)
        # Whole groups of frames in bulk; and long enough that what is moved to the front of the
        # buffer does not overlap its new place, which would make numpy copy it twice.
        frames = max(max_block_frames, 2 * spec.n_fft // spec.hop_length)
        frames = -(-frames // kernels.FRAMES) * kernels.FRAMES
        self._buffer = _aligned_zeros(spec.n_fft + (frames - 1) * spec.hop_length)
        self.reset()
        nothing = np.empty((0, spec.n_bins), np.float32)
        self._kernel = kernels.transform.ready(
            self._buffer, *self._tables, *_scratch(spec.n_fft // 2), nothing
        )

    def reset(self) -> None:
        """Return to the initial state, without input."""
        self._start = 0  # of the next frame, in the buffer
        self._end = 0  # of the samples in the buffer
        self._skip = 0  # samples to drop before the next frame starts, if hop_length > n_fft

    def prime(self) -> None:
        """Reset and take n_fft - hop_length zeros: frame k then ends at (k + 1) * hop_length."""
        self.reset()
        ahead = self.spec.n_fft - self.spec.hop_length
        self._end = max(ahead, 0)
        self._skip = max(-ahead, 0)
        self._buffer[: self._end] = 0.0

    def push(self, y: Float32s, out: Float32s | None = None) -> Float32s:
        """Take a block and return the frames that it completes.

        Parameters
        ----------
        y : np.ndarray [shape=(n,)], float32
            Any number of finite samples at ``spec.sr``, none included.
        out : np.ndarray [shape=(at least frames, n_bins)], float32, C-contiguous, optional
            Where to put the frames, for callers that want to reuse memory.

        Returns
        -------
        np.ndarray [shape=(frames, n_bins)], float32
            A fresh array, or the first rows of `out`.

        Raises
        ------
        UsageError
            For a block or an `out` of another type or shape; the state is unchanged then.
        """
        _check_block(y)
        n_frames = self._frames_with(y.size)
        if out is None:
            out = np.empty((n_frames, self.spec.n_bins), np.float32)
        else:
            self._check_out(out, n_frames)
        n_fft, hop, buffer = self.spec.n_fft, self.spec.hop_length, self._buffer
        at = min(self._skip, y.size)
        self._skip -= at
        done = 0
        while at < y.size:
            if y.size - at > buffer.size - self._end and self._start > 0:
                left = self._end - self._start
                buffer[:left] = buffer[self._start : self._end]
                self._start, self._end = 0, left
            take = min(y.size - at, buffer.size - self._end)
            buffer[self._end : self._end + take] = y[at : at + take]
            self._end += take
            at += take
            ready = (self._end - self._start - n_fft) // hop + 1
            if ready > 0:
                self._transform(ready, out, done)
                done += ready
                self._start += ready * hop
                if self._start > self._end:
                    gap = self._start - self._end
                    drop = min(gap, y.size - at)
                    at += drop
                    self._skip = gap - drop
                    self._start = self._end
        return out[:n_frames]

    def _frames_with(self, n_samples: int) -> int:
        pending = self._end - self._start - self._skip + n_samples
        return max(0, (pending - self.spec.n_fft) // self.spec.hop_length + 1)

    def _transform(self, n_frames: int, out: Float32s, first: int) -> None:
        scratch = _scratch(self.spec.n_fft // 2)
        rows = out[first : first + n_frames]
        self._kernel(self._buffer[self._start :], *self._tables, *scratch, rows)

    def _check_out(self, out: Float32s, n_frames: int) -> None:
        n_bins = self.spec.n_bins
        if (
            out.dtype != np.float32
            or out.ndim != 2
            or out.shape[1] != n_bins
            or out.shape[0] < n_frames
            or not (out.flags.c_contiguous and out.flags.writeable)
        ):
            raise UsageError(
                f"out is {out.dtype} {out.shape}, expected float32 (>= {n_frames}, {n_bins}), "
                "C-contiguous and writeable"
            )


@lru_cache(maxsize=64)
def _tables_of(spec: FrontEndSpec) -> tuple[Any, ...]:
    """Return what the kernel needs to know of a spec; it only reads it."""
    assert spec.win_length is not None
    # Half the window, because the split into two spectra doubles, see the kernels.
    half_window = 0.5 * window(spec.window, spec.win_length, spec.n_fft)
    radices, order, factors = fft_plan(spec.n_fft // 2)
    weights, bands = spec.packed_filters()
    return (
        spec.hop_length,
        half_window.astype(np.float32),
        factors.astype(np.complex64),
        radices,
        order,
        weights,
        bands,
        spec.power == 1.0,
        kernels.FRAME_NORMS.index(spec.frame_norm if spec.kind == "chroma" else None),
        LOGS.index(spec.log),
        float(spec.floor),
        float(spec.gain),
    )


_kept = threading.local()


def _scratch(n: int) -> tuple[Float32s, Float32s, Float32s]:
    """Return memory that the kernel works in: of the calling thread, which runs one at a time."""
    kept: dict[int, tuple[Float32s, Float32s, Float32s]]
    kept = vars(_kept).setdefault("by_size", {})
    if n not in kept:
        kept[n] = (
            _aligned_zeros(2 * kernels.FRAMES * n),
            _aligned_zeros(2 * kernels.FRAMES * n),
            # bins 0 .. n, and seven of zeros for filters that are padded to whole eights
            _aligned_zeros(kernels.FRAMES * (n + 8)),
        )
    return kept[n]


def _check_block(y: Float32s) -> None:
    if not isinstance(y, np.ndarray) or y.dtype != np.float32 or y.ndim != 1:
        got = f"{y.dtype} {y.shape}" if isinstance(y, np.ndarray) else type(y).__name__
        raise UsageError(f"block is {got}, expected float32 (n,) mono; convert or downmix first")


def _aligned_zeros(n: int) -> Float32s:
    """Return n zeros that start at a cache line, so that no vector lies across two."""
    line = 16
    zeros = np.zeros(n + line, np.float32)
    first = (-zeros.ctypes.data % 64) // zeros.itemsize
    return zeros[first : first + n]
