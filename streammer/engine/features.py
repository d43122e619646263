"""The features of a step as displays want them: a byte a cell, in dB."""

import math

import numpy as np
import numpy.typing as npt

from streammer.bus.features import MAX_CELLS, Features
from streammer.engine.pipeline import StepInput
from streammer.estimate import MoodEstimate
from streammer.frontend.spec import FrontEndSpec

__all__ = ["step_features"]

Float32 = npt.NDArray[np.float32]

RANGE_DB = 80.0
"""What is shown below the strongest cell of a step [dB]."""

_MAX_BINS = 96


def step_features(step: StepInput, estimate: MoodEstimate) -> Features | None:
    """Return the spectrogram of a step: that of its mel front end, or else of its first.

    Parameters
    ----------
    step : StepInput
    estimate : MoodEstimate
        What was made of it.

    Returns
    -------
    Features or None
        None where the models have no front end.
    """
    if not step.features:
        return None
    spec = next((s for s in step.features if s.kind == "mel"), next(iter(step.features)))
    db = _pooled(_decibels(spec, step.features[spec]))
    top = round(float(np.max(db)), 1)
    floor = top - RANGE_DB
    cells = np.clip(np.rint((db - floor) * (255.0 / RANGE_DB)), 0, 255).astype(np.uint8)
    return Features(
        stream=estimate.stream,
        epoch=estimate.epoch,
        seq=estimate.seq,
        t_audio_s=estimate.t_audio_s,
        kind=spec.kind,
        frames=cells.shape[0],
        bins=cells.shape[1],
        floor_db=floor,
        top_db=top,
        db=cells.tobytes(),
    )


def _decibels(spec: FrontEndSpec, x: Float32) -> Float32:
    """Undo the compression of a front end, and return its power in dB."""
    per_decade = 20.0 / spec.power  # of magnitudes or powers, whichever it sums
    if spec.log == "db":
        return np.asarray(x * (2.0 / spec.power), np.float32)
    if spec.log == "log10":
        return np.asarray(x * per_decade, np.float32)
    if spec.log == "ln":
        return np.asarray(x * (per_decade / math.log(10.0)), np.float32)
    power = np.expm1(x) / spec.gain if spec.log == "log1p" else x
    return np.asarray(per_decade * np.log10(np.maximum(power, 1e-10)), np.float32)


def _pooled(x: Float32) -> Float32:
    """Average neighbours until the cells fit into a message."""
    bins = math.ceil(x.shape[1] / _MAX_BINS)
    x = _averaged(x, bins, axis=1)
    return _averaged(x, math.ceil(x.size / MAX_CELLS), axis=0)


def _averaged(x: Float32, count: int, axis: int) -> Float32:
    if count == 1:
        return x
    starts = np.arange(0, x.shape[axis], count)
    sums = np.add.reduceat(x, starts, axis=axis)
    sizes = np.diff(np.append(starts, x.shape[axis]))
    shape = (-1, 1) if axis == 0 else (1, -1)
    return np.asarray(sums / sizes.reshape(shape), np.float32)
