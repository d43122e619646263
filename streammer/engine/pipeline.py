"""From a source's blocks to the features of whole steps: a pure function of the samples.

Order, always: NaN and Inf to zero and counted, the chosen channels, down-mix to mono (mean), one
streaming resampler per distinct rate, front ends. Step s ends at exactly ``(s + 1) * step_s``,
whatever the block sizes, and its features are bit-identical for every partition of the signal.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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

CLIP_AT = 0.999
"""Magnitude from which a sample counts as clipped."""

CLIPPING_SHARE = 1e-3
"""Share of clipped samples over which a step is called clipping."""

PORTION_S = 0.1
"""Sound that is transformed at once while a step is gathered, at least [s]."""

BLOCK_FRAMES = 16
"""Frames that a front end has room for: half a megabyte less than its own choice, and no slower."""

HOLE_FILLED_S = 2.0
"""Longest hole that is filled with zeros [s]; a longer one starts the features afresh."""


@dataclass(frozen=True, slots=True)
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
    gain_db : float
        What the mono sound is amplified by, after clipping was looked for [dB].
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
        gain_db: float = 0.0,
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
        self.gain_db = gain_db
        self._columns = None if select is None else [c - 1 for c in select]
        self._frames_per_step = {spec: spec.frames_per_step(step_s) for spec in specs}
        self._resamplers = {spec.sr: Resampler(sr, spec.sr) for spec in specs}
        self._front_ends = {spec: FrontEnd(spec, BLOCK_FRAMES) for spec in specs}
        self._frames = {spec: _Frames(spec, n) for spec, n in self._frames_per_step.items()}
        self._mono = np.empty(math.ceil(step_s * sr) + 1, np.float32)
        self._portion = round(PORTION_S * sr)
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
        return bool(self._levels)

    @property
    def missing(self) -> int:
        """Samples that are missing for the step that is gathered; 0 while one is `waiting`."""
        return 0 if self._levels else self._size - self._filled

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
        steps: list[StepInput] = []
        at = 0
        while at < len(samples):
            part = samples[at : at + self._size - self._filled]
            at += len(part)
            self._append(part)
            # Frames go side by side, but not all of a step's: little is left to do at its end.
            if self._levels or self._filled - self._transformed >= self._portion:
                self._transform()
                steps += self._collect()
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
            self._feed(sr, resampler.flush())
        return self._collect()

    # A segment goes from the start, or from a break in the sound, to the next. Positions within it
    # count from its first sample, so that the grid of steps begins there.

    def _begin(self) -> None:
        self._origin_index = self._index
        self._origin_position = self._position
        self._size = self._boundary(self._index)  # of the step that is gathered
        self._filled = self._transformed = 0  # samples of it that are there, and that went on
        self._clipped_in_step = 0
        self._fresh = True
        self._levels: deque[tuple[float, bool]] = deque()  # of steps whose frames still wait
        for frames in self._frames.values():
            frames.count = 0
        for resampler in self._resamplers.values():
            resampler.reset()
        for front_end in self._front_ends.values():
            front_end.reset()
            front_end.prime()

    def _boundary(self, index: int) -> int:
        """Return the number of samples of this segment at which step `index` ends."""
        return round((index + 1 - self._origin_index) * self.step_s * self.sr)

    def _append(self, samples: Float32) -> None:
        """Take samples of one step, and finish its sound if it is whole."""
        if self._columns is not None:
            samples = samples[:, self._columns]
        # Looking at both ends first is cheap, and NaN is within no bounds.
        if not (np.min(samples) > -CLIP_AT and np.max(samples) < CLIP_AT):
            samples, lost = clean(np.ascontiguousarray(samples, np.float32))
            self.nonfinite_samples += lost
            clipped = int(np.count_nonzero(np.abs(samples) >= CLIP_AT))
            self.clipped_samples += clipped
            self._clipped_in_step += clipped
        y = downmix(samples)
        if self.gain_db:
            y *= np.float32(10.0 ** (self.gain_db / 20.0))
        end = self._filled + y.size
        self._mono[self._filled : end] = y
        self._filled = end
        self._position += y.size
        if end == self._size:
            self._transform()
            self._levels.append(self._level(samples.shape[1]))
            self._filled = self._transformed = self._clipped_in_step = 0
            index = self._index + len(self._levels)
            self._size = self._boundary(index) - self._boundary(index - 1)

    def _level(self, channels: int) -> tuple[float, bool]:
        clipping = self._clipped_in_step > CLIPPING_SHARE * channels * self._size
        return level_dbfs(self._mono[: self._size]), clipping

    def _transform(self) -> None:
        if self._transformed == self._filled:
            return
        y = self._mono[self._transformed : self._filled]
        self._transformed = self._filled
        for sr, resampler in self._resamplers.items():
            self._feed(sr, resampler.push(y))

    def _feed(self, sr: int, y: Float32) -> None:
        for spec, front_end in self._front_ends.items():
            if spec.sr == sr:
                self._frames[spec].take_in(front_end, y)

    def _collect(self) -> list[StepInput]:
        steps: list[StepInput] = []
        while self._levels and all(frames.whole for frames in self._frames.values()):
            level, clipping = self._levels.popleft()
            steps.append(
                StepInput(
                    index=self._index,
                    end=self._origin_position + self._boundary(self._index),
                    features={spec: frames.take() for spec, frames in self._frames.items()},
                    level_dbfs=level,
                    clipping=clipping,
                    fresh=self._fresh,
                )
            )
            self._fresh = False
            self._index += 1
        return steps


class _Frames:
    """Frames of one front end that wait for their step to be whole.

    Sound comes a step at most at a time and whole steps leave at once: there is room for three.
    """

    def __init__(self, spec: FrontEndSpec, per_step: int) -> None:
        self.count = 0
        self._per_step = per_step
        self._rows = np.empty((3 * per_step + 1, spec.n_bins), np.float32)

    @property
    def whole(self) -> bool:
        """Whether the frames of a step are there."""
        return self.count >= self._per_step

    def take_in(self, front_end: FrontEnd, y: Float32) -> None:
        """Add the frames that these samples complete."""
        self.count += len(front_end.push(y, self._rows[self.count :]))

    def take(self) -> Float32:
        """Return the frames of a step [shape=(frames, bins)]."""
        n = self._per_step
        taken = self._rows[:n].copy()
        self._rows[: self.count - n] = self._rows[n : self.count]
        self.count -= n
        return taken
