"""Samples made fit for analysis: what is no sound taken out, channels averaged, level measured."""

import math
import threading

import numpy as np
import numpy.typing as npt

__all__ = ["LEVEL_FLOOR_DBFS", "clean", "downmix", "level_dbfs"]

Float32 = npt.NDArray[np.float32]

LEVEL_FLOOR_DBFS = -120.0

_kept = threading.local()

SOUND_MAX = np.float32(1e6)
"""Magnitude beyond which a sample is no sound (120 dB over full scale): its power would overflow
float32. It becomes zero and is counted, like NaN and Inf."""


def clean(samples: Float32) -> tuple[Float32, int]:
    """Return samples with what is no sound (NaN, Inf, beyond `SOUND_MAX`) as 0, and its count."""
    with np.errstate(invalid="ignore"):
        sound = np.abs(samples) <= SOUND_MAX  # false for NaN too
    if sound.all():
        return samples, 0
    lost = int(samples.size - np.count_nonzero(sound))
    return np.where(sound, samples, np.float32(0.0)), lost


def downmix(chosen: Float32) -> Float32:
    """Return the mean over the channels of samples [shape=(n, channels)]."""
    # Channel by channel: numpy's mean over a short axis may sum in an order that depends on the
    # number of rows, and the estimates must not depend on the block size.
    y: Float32 = chosen[:, 0].copy()
    for column in range(1, chosen.shape[1]):
        y += chosen[:, column]
    if chosen.shape[1] > 1:
        y *= np.float32(1.0 / chosen.shape[1])
    return y


def level_dbfs(y: Float32) -> float:
    """Return the RMS of `y` [shape=(n,)] after its mean is removed [dBFS], at least -120."""
    # In memory that stays: what numpy asks the system for anew costs more than the arithmetic.
    scratch: npt.NDArray[np.float64] | None = getattr(_kept, "scratch", None)
    if scratch is None or scratch.size < y.size:
        scratch = _kept.scratch = np.empty(y.size)
    centred = scratch[: y.size]
    centred[:] = y
    centred -= centred.mean()
    np.square(centred, out=centred)
    power = float(centred.mean())
    return max(LEVEL_FLOOR_DBFS, 10.0 * math.log10(power)) if power > 0 else LEVEL_FLOOR_DBFS
