"""From a source's blocks to the features of whole steps: a pure function of the samples.

Order, always: NaN and Inf to zero and counted, the chosen channels, down-mix to mono (mean), one
streaming resampler per distinct rate, front ends. Step s ends at exactly ``(s + 1) * step_s``,
whatever the block sizes, and its features are bit-identical for every partition of the signal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from streammer.audio.block import MIN_SR
from streammer.audio.level import clean, downmix, level_dbfs
from streammer.audio.resample import Resampler
from streammer.errors import InputError, UsageError
from streammer.frontend.frontend import FrontEnd
from streammer.frontend.spec import FrontEndSpec

__all__ = [
    "HOLE_FILLED_S",
    "StepInput",
    "StreamPipeline",
]

Float32 = npt.NDArray[np.float32]
_T = TypeVar("_T", bound=np.generic)

CLIP_AT = 0.999
"""Magnitude from which a sample counts as clipped."""

CLIPPING_SHARE = 1e-3
"""Share of clipped samples over which a step is called clipping."""

PORTION_S = 0.1
"""Sound that is transformed at once while a step is gathered, at least [s]."""

HOLE_FILLED_S = 2.0
"""Longest hole that is filled with zeros [s]; a longer one starts the features afresh."""


@dataclass(frozen=True)
class StepInput:
    """What the models and the post-processing get for one step.

    Attributes
    ----------
    index : int
        Step count since the stream began, holes included; the step ends at
        ``(index + 1) * step_s`` seconds of sound.
    end : int
        Position just after the step's last sample, at the source's rate.
    features : mapping of FrontEndSpec to np.ndarray [shape=(frames, bins)], float32
    level_dbfs : float
        RMS of the mono step after its mean is removed [dBFS].
    clipping : bool
    fresh : bool
        Whether the features began anew with this step: the models' states are void.
    """

    index: int
    end: int
    features: Mapping[FrontEndSpec, Float32]
    level_dbfs: float
    clipping: bool
    fresh: bool


class StreamPipeline:
    """The features of one stream, step by step.

    Parameters
    ----------
    sr, channels : int
        Rate [Hz] and channels of the source.
    specs : sequence of FrontEndSpec
        Distinct front ends, inputs of the stream's models.
    step_s : float
        Time between estimates [s].
    select : tuple of int, or None
        Channels that are averaged, from 1; None means all.
    first_index, position : int
        Index of the first step and position of the first sample, at this rate: a source that comes
        back at another rate goes on counting.

    Attributes
    ----------
    latency_s : float
        Longest known delay of a resampler: how much later than its end a step is due [s].
    nonfinite_samples, clipped_samples : int
        Samples, of the chosen channels, that were no sound and became zero, or at full scale.

    Raises
    ------
    UsageError
        If a selected channel does not exist or a front end does not fit the step.
    InputError
        If the rate is none of sound.
    """

    def __init__(
        self,
        sr: int,
        channels: int,
        specs: Sequence[FrontEndSpec],
        step_s: float,
        select: tuple[int, ...] | None = None,
        first_index: int = 0,
        position: int = 0,
    ) -> None:
        if select is not None and max(select) > channels:
            raise UsageError(
                f"channel {max(select)} is selected but the source has {channels}: "
                f"select from 1 to {channels}"
            )
        if sr < MIN_SR:
            raise InputError(f"the sound has {sr} samples a second: at least {MIN_SR} are expected")
        self.sr = sr
        self.channels = channels
        self.step_s = step_s
        self.nonfinite_samples = 0
        self.clipped_samples = 0
        self._columns = None if select is None else [c - 1 for c in select]
        self._frames_per_step = {spec: spec.frames_per_step(step_s) for spec in specs}
        self._resamplers = {spec.sr: Resampler(sr, spec.sr) for spec in specs}
        self._front_ends = {spec: FrontEnd(spec) for spec in specs}
        self._index = first_index
        self._position = position
        # Measured here, before a loop runs: it takes some milliseconds the first time.
        self.latency_s = max((r.latency_s for r in self._resamplers.values()), default=0.0)
        self._begin()

    @property
    def position(self) -> int:
        """Samples since the stream began, input or known to be lost, at the source's rate."""
        return self._position

    @property
    def waiting(self) -> bool:
        """Whether a whole step was input that only more sound, or `flush`, will let out."""
        return self._segment_length >= self._boundary(self._index)

    @property
    def next_index(self) -> int:
        """Index of the step that is being gathered."""
        return self._index

    @property
    def rates(self) -> list[int]:
        """Rates of the front ends [Hz]."""
        return sorted(self._resamplers)

    def push(self, samples: Float32) -> list[StepInput]:
        """Take the next samples [shape=(n, channels)] and return the steps they complete."""
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise UsageError(
                f"block has shape {samples.shape}, expected (n, {self.channels}): "
                "give samples by channels"
            )
        chosen, clipped = self._clean(samples)
        self._append(downmix(chosen), clipped)
        steps: list[StepInput] = []
        # Frames go side by side, but not all of a step's: little is left to do at its end.
        if sum(map(len, self._pending)) >= PORTION_S * self.sr:
            self._transform()
        while self.waiting:
            before = self._index
            self._transform()
            steps.extend(self._collect())
            if self._index == before:
                break
        return steps

    def skip(self, lost: int) -> list[StepInput]:
        """Account for `lost` samples: a short hole is filled, a longer one starts afresh."""
        if lost <= 0:
            return []
        if lost <= HOLE_FILLED_S * self.sr:
            return self.push(np.zeros((lost, self.channels), np.float32))
        steps = self.flush()
        self.restart(lost)
        return steps

    def restart(self, lost: int = 0) -> None:
        """Begin the features afresh, `lost` samples after the last: what waits is dropped.

        Time moves on by whole steps, to the nearest; `position` stays exact, so that the time of
        an unfinished step that is dropped counts, and nothing adds up.
        """
        self._position += lost
        self._index = max(self._index, round(self._position / (self.sr * self.step_s)))
        self._begin()

    def flush(self) -> list[StepInput]:
        """Drain the resamplers and return the whole steps; an unfinished one stays."""
        self._transform()
        for sr, resampler in self._resamplers.items():
            tail = resampler.flush()
            self._feed(sr, tail)
        return self._collect()

    # A segment goes from the start, or from a break in the sound, to the next. Positions within it
    # count from its first sample, so that the grid of steps begins there.

    def _begin(self) -> None:
        self._origin_index = self._index
        self._origin_position = self._position
        self._segment_length = 0
        self._fresh = True
        self._pending: list[Float32] = []
        self._level_parts: list[tuple[Float32, npt.NDArray[np.bool_]]] = []
        self._queues: dict[FrontEndSpec, list[Float32]] = {s: [] for s in self._front_ends}
        for resampler in self._resamplers.values():
            resampler.reset()
        for front_end in self._front_ends.values():
            front_end.reset()
            front_end.prime()

    def _boundary(self, index: int) -> int:
        """Return the number of samples of this segment at which step `index` ends."""
        return round((index + 1 - self._origin_index) * self.step_s * self.sr)

    def _clean(self, samples: Float32) -> tuple[Float32, npt.NDArray[np.bool_]]:
        if self._columns is not None:
            samples = samples[:, self._columns]
        chosen, lost = clean(np.ascontiguousarray(samples, np.float32))
        self.nonfinite_samples += lost
        clipped = np.abs(chosen) >= CLIP_AT
        self.clipped_samples += int(np.count_nonzero(clipped))
        return chosen, clipped

    def _append(self, y: Float32, clipped: npt.NDArray[np.bool_]) -> None:
        if not y.size:
            return
        self._pending.append(y)
        self._level_parts.append((y, clipped))
        self._segment_length += y.size
        self._position += y.size

    def _transform(self) -> None:
        if not self._pending:
            return
        y = np.concatenate(self._pending)
        self._pending = []
        for sr, resampler in self._resamplers.items():
            self._feed(sr, resampler.push(y))

    def _feed(self, sr: int, y: Float32) -> None:
        for spec, front_end in self._front_ends.items():
            if spec.sr == sr:
                frames = front_end.push(y)
                if len(frames):
                    self._queues[spec].append(np.array(frames, np.float32))

    def _collect(self) -> list[StepInput]:
        steps: list[StepInput] = []
        while self.waiting and all(
            sum(map(len, queue)) >= self._frames_per_step[spec]
            for spec, queue in self._queues.items()
        ):
            y, clipped = self._take_level()
            steps.append(
                StepInput(
                    index=self._index,
                    end=self._origin_position + self._boundary(self._index),
                    features={spec: self._take_frames(spec) for spec in self._queues},
                    level_dbfs=level_dbfs(y),
                    clipping=float(clipped.mean()) > CLIPPING_SHARE,
                    fresh=self._fresh,
                )
            )
            self._fresh = False
            self._index += 1
        return steps

    def _take_frames(self, spec: FrontEndSpec) -> Float32:
        n = self._frames_per_step[spec]
        frames = _joined(self._queues[spec])
        self._queues[spec] = [frames[n:]] if len(frames) > n else []
        return frames[:n]

    def _take_level(self) -> tuple[Float32, npt.NDArray[np.bool_]]:
        n = self._boundary(self._index) - self._boundary(self._index - 1)
        y = _joined([part[0] for part in self._level_parts])
        clipped = _joined([part[1] for part in self._level_parts])
        self._level_parts = [(y[n:], clipped[n:])]
        return y[:n], clipped[:n]


def _joined(parts: list[npt.NDArray[_T]]) -> npt.NDArray[_T]:
    # A single long part is not copied: a whole file may come as one block.
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
