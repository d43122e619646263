"""Samples that are in memory already."""

from typing import Any

import numpy as np
import numpy.typing as npt

from streammer.audio.block import BLOCK, Block, SourceEnd, SourceInfo
from streammer.clock import Clock
from streammer.errors import UsageError

__all__ = ["ArraySource"]


class ArraySource:
    """An array as a source.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (n, channels)]
        Floating point on [-1, 1], or integers, which are scaled by their full range.
    sr : int
        Rate [Hz].
    clock : Clock
        The first sample counts as captured when the source is opened.

    Raises
    ------
    UsageError
        If the shape, the type or the rate is none of sound.
    """

    reopened = 0
    detail = ""

    def __init__(self, y: npt.NDArray[Any], *, sr: int | None, clock: Clock) -> None:
        if sr is None:
            raise UsageError("an array has no rate of its own: give sr, such as sr=44100")
        if not _is_whole(sr) or sr < 1:
            raise UsageError(f"sr is {sr!r}, expected a rate in whole Hz such as 44100")
        if y.ndim not in (1, 2) or (y.ndim == 2 and not 1 <= y.shape[1] <= 32):
            raise UsageError(
                f"array has shape {y.shape}, expected (n,) or (n, channels) with 1 to 32 "
                "channels: transpose it if channels come first"
            )
        if y.dtype.kind not in "fiu":
            raise UsageError(f"array is {y.dtype}, expected floating point or integer samples")
        self._y = y[:, None] if y.ndim == 1 else y
        self._clock = clock
        self._position = 0
        self._t_open = 0.0
        self._closed = False
        self.info = SourceInfo(
            sr=int(sr), channels=self._y.shape[1], name="array", clocked=False, kind="array"
        )

    def open(self) -> SourceInfo:
        """Begin at the first sample."""
        self._position = 0
        self._closed = False
        self._t_open = self._clock.unix()
        return self.info

    def read(self, timeout_s: float) -> Block | SourceEnd | None:
        """Return the next block or the end."""
        if self._closed:
            return SourceEnd("closed")
        start = self._position
        samples = _as_float(self._y[start : start + BLOCK])
        if not len(samples):
            return SourceEnd("eof")
        self._position += len(samples)
        t_capture = self._t_open + self._position / self.info.sr
        return Block(samples, start, t_capture, t_arrival=self._clock.monotonic())

    def close(self) -> None:
        """End."""
        self._closed = True


def _is_whole(sr: Any) -> bool:
    try:
        return bool(int(sr) == sr)
    except (TypeError, ValueError, OverflowError):
        return False


def _as_float(y: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    if y.dtype.kind == "f":
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes Inf, which is counted
            return np.ascontiguousarray(y, np.float32)
    limits = np.iinfo(y.dtype)
    half = (int(limits.max) - int(limits.min) + 1) / 2
    middle = int(limits.min) + half
    return np.ascontiguousarray((y.astype(np.float64) - middle) / half, np.float32)
