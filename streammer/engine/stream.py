"""All that belongs to one stream: its features, its models' slots, its times and its counters."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import msgspec

from streammer import __version__
from streammer.audio.block import Block, SourceInfo
from streammer.audio.level import LEVEL_FLOOR_DBFS
from streammer.clock import Clock
from streammer.config import StreamConfig
from streammer.engine.load import Load
from streammer.engine.pipeline import HOLE_FILLED_S, StepInput, StreamPipeline
from streammer.engine.post import (
    Gate,
    combine,
    gate,
    init_post,
    post_degraded,
    post_params,
    post_step,
)
from streammer.engine.stamps import Stamps
from streammer.engine.summary import Counters
from streammer.engine.ticks import Ticks
from streammer.estimate import MoodEstimate, State, StreamStatus, new_epoch, rounded
from streammer.inference.backends import LoadedModel, common_step_s

__all__ = ["STATUS_EVERY_S", "Due", "Stream"]

STATUS_EVERY_S = 5.0


class Due(NamedTuple):
    """A step that is due.

    Attributes
    ----------
    step : StepInput
    t_capture : float
        Unix time at which its last sample was captured [s].
    t_due : float
        Monotonic time at which it could first be computed [s].
    lost_samples : int
        Samples lost up to the block that completed it.
    """

    step: StepInput
    t_capture: float
    t_due: float
    lost_samples: int


class Stream:
    """One feed.

    Parameters
    ----------
    config : StreamConfig
    models : sequence of LoadedModel
        In the order in which outputs are taken from them.
    info : SourceInfo
        Of the open source.
    clock : Clock

    Attributes
    ----------
    model_name : str
        Names of the models, joined by '+'.
    ticks : Ticks
        When a tick without sound is due.
    load : Load
        Whether the models keep up.
    counters : Counters
        Of the estimates made.
    detail : str
        Why the source ended; empty while it lives, or if it ended in order.
    unusable : str
        Why what the source delivers now cannot be used; empty if it can.

    Raises
    ------
    ModelError
        If the models differ in `step_s`.
    UsageError
        If a selected channel does not exist.
    """

    def __init__(
        self,
        config: StreamConfig,
        models: Sequence[LoadedModel],
        info: SourceInfo,
        clock: Clock,
    ) -> None:
        self.config = config
        self.models = tuple(models)
        self.model_name = "+".join(m.model.meta.name for m in models)
        self.step_s = common_step_s(models)
        self.info = info
        self.epoch = new_epoch(clock)
        self.seq = 0
        self.state: State = "warming"
        self.steps = 0
        self.degraded_ticks = 0
        self.lost_samples = 0
        self.t_audio_s = 0.0
        self.t_capture = clock.unix()
        self.detail = ""
        self.unusable = ""
        self._clock = clock
        self._t_start = clock.monotonic()
        self._specs = tuple(
            dict.fromkeys(spec for m in models for spec in m.model.front_ends.values())
        )
        self._pipeline = self._new_pipeline(info)
        self._latency_samples = round(self._pipeline.latency_s * info.sr)
        self._stamps = Stamps(info.sr)
        self._gap = False  # whether sound was left out before the next block
        self._nonfinite_before = 0
        self._clipped_before = 0
        self._params = post_params(config, models)
        self._post = init_post(self._params)
        self._level_dbfs = LEVEL_FLOOR_DBFS
        self._status_due = 0.0
        self._status_of: tuple[State, bool] | None = None
        self.ticks = Ticks(self._t_start, self.step_s)
        self.load = Load(self.step_s, config.name)
        self.counters = Counters(self.step_s)
        with ExitStack() as slots:
            self._slots = tuple(_acquired(m, slots) for m in models)
            self._release = slots.pop_all()

    @property
    def audio_s(self) -> float:
        """Sound input or known to be lost, unfinished step included [s]."""
        return self._pipeline.position / self.info.sr

    def configure(self, config: StreamConfig) -> None:
        """Change what can be changed while the stream goes on: silence, smoothing and gain."""
        self.config = config
        self._params = post_params(config, self.models)
        self._pipeline.gain_db = config.gain_db

    def accepts(self, info: SourceInfo) -> bool:
        """Return whether what a source delivers can be used; if not, `unusable` says why."""
        wanted = max(self.config.select or (1,))
        self.unusable = (
            ""
            if wanted <= info.channels
            else f"channel {wanted} is selected but {info.name} came back with {info.channels}"
        )
        self._gap |= bool(self.unusable)
        return not self.unusable

    @property
    def wanted_s(self) -> float:
        """Sound that is missing for the step that is gathered; 0 while only its end waits [s]."""
        return self._pipeline.missing / self.info.sr

    def ingest(self, blocks: Sequence[Block], info: SourceInfo) -> list[Due]:
        """Take blocks that follow without a break, and return the steps they complete, in order."""
        block = blocks[0]
        changed = (info.sr, info.channels) != (self.info.sr, self.info.channels)
        broken = self._gap or block.lost > HOLE_FILLED_S * info.sr
        # A loss has the count of what lies between.
        broken |= block.discontinuity and not block.lost
        self._gap = False
        done: list[Due] = []
        if changed or broken:
            done = self.flush()
            if changed:
                self._change_source(info)
            self._pipeline.restart(block.lost)
        self.info = info
        self.lost_samples += block.lost
        steps = [] if changed or broken else self._pipeline.skip(block.lost)
        ends = []
        for block in blocks:
            steps += self._pipeline.push(block.samples)
            ends.append(self._pipeline.position)
            self._stamps.add(ends[-1], block.t_capture, block.t_arrival)
        for step in steps:
            # What let the step out of the resampler came at most this much after its end.
            out = step.end + self._latency_samples
            let_out = next((b for b, end in zip(blocks, ends, strict=True) if end >= out), block)
            stamp = self._stamps.before(step.end)
            done.append(Due(step, stamp.t_capture, let_out.t_arrival, self.lost_samples))
        return done

    def flush(self) -> list[Due]:
        """Return the whole steps that were only waiting for more sound."""
        if not self._pipeline.waiting:
            return []
        steps = [(step, self._stamps.before(step.end)) for step in self._pipeline.flush()]
        return [
            Due(step, stamp.t_capture, stamp.t_arrival, self.lost_samples) for step, stamp in steps
        ]

    def gate(self, step: StepInput) -> Gate:
        """Return whether the models are reset before this step and whether they are stepped."""
        return gate(self._params, self._post, step.level_dbfs, fresh=step.fresh)

    def slot(self, position: int) -> int:
        """Return the slot of this stream in the backend of its model number `position`."""
        return self._slots[position]

    def finish(self, due: Due, outputs: Sequence[Mapping[str, float]] | None) -> MoodEstimate:
        """Turn the models' outputs for a step into the next estimate."""
        step = due.step
        self._post, self.state = post_step(
            self._params,
            self._post,
            None if outputs is None else combine(outputs),
            level_dbfs=step.level_dbfs,
            clipping=step.clipping,
            fresh=step.fresh,
        )
        self.steps += 1
        self.t_audio_s = (step.index + 1) * self.step_s
        self.t_capture = due.t_capture
        self._level_dbfs = step.level_dbfs
        return self._estimate(due.t_due, due.lost_samples)

    def tick_degraded(self, t_due: float) -> MoodEstimate:
        """Make a tick without sound: the last mood, less and less sure."""
        self._post = post_degraded(self._params, self._post)
        self.state = "degraded"
        self.degraded_ticks += 1
        self._level_dbfs = LEVEL_FLOOR_DBFS
        return self._estimate(t_due, self.lost_samples)

    def end(self) -> MoodEstimate:
        """Return the last message of the epoch."""
        self.state = "ended"
        return self._estimate(self._clock.monotonic(), self.lost_samples)

    def status_is_due(self) -> bool:
        """Return whether a status is to be sent now: every 5 s, and when the state changes."""
        now = self._clock.monotonic()
        state = (self.state, self.load.overloaded)
        # Ticks come in steps: the one nearest to 5 s carries it.
        if now < self._status_due - 0.5 * self.step_s and state == self._status_of:
            return False
        self._status_of = state
        self._status_due = now + STATUS_EVERY_S
        return True

    def status(
        self, *, reopened: int = 0, detail: str = "", dropped_lines: int = 0
    ) -> StreamStatus:
        """Return what the stream is and how it fares.

        Parameters
        ----------
        reopened : int
            How often the source was opened again.
        detail : str
            Why the source delivers nothing, if the stream itself knows no reason.
        dropped_lines : int
            Lines that outputs were too slow to take.
        """
        values: dict[str, Any] = {
            "step_s": self.step_s,
            "latency_s": self._pipeline.latency_s,
            "uptime_s": self._clock.monotonic() - self._t_start,
        }
        return StreamStatus(
            stream=self.config.name,
            epoch=self.epoch,
            state=self.state,
            source=self.info.name,
            source_kind=self.info.kind,
            models=[f"{m.model.meta.name} {m.model.meta.version}" for m in self.models],
            sr=self.info.sr,
            channels=self.info.channels,
            rates=self._pipeline.rates,
            steps=self.steps,
            degraded_ticks=self.degraded_ticks,
            lost_samples=self.lost_samples,
            reopened=reopened,
            nonfinite_samples=self._nonfinite_before + self._pipeline.nonfinite_samples,
            clipped_samples=self._clipped_before + self._pipeline.clipped_samples,
            skipped_ticks=self.ticks.skipped,
            dropped_lines=dropped_lines,
            overloaded=self.load.overloaded,
            version=__version__,
            detail=self.detail or self.unusable or detail,
            **rounded(values),
        )

    def close(self) -> None:
        """Give the slots back, once."""
        self._release.close()

    def _estimate(self, t_due: float, lost_samples: int) -> MoodEstimate:
        # Rounded here, once: the bus, files and Python programs carry the same numbers.
        values: dict[str, Any] = {
            **msgspec.structs.asdict(self._post.mood),
            "t_audio_s": self.t_audio_s,
            "t_capture": self.t_capture,
            "t_publish": self._clock.unix(),
            "level_dbfs": self._level_dbfs,
            "lag_ms": max(0.0, (self._clock.monotonic() - t_due) * 1000.0),
        }
        estimate = MoodEstimate(
            stream=self.config.name,
            epoch=self.epoch,
            seq=self.seq,
            quadrant=self._post.quadrant,
            state=self.state,
            model=self.model_name,
            lost_samples=lost_samples,
            **rounded(values),
        )
        self.seq += 1
        return estimate

    def _new_pipeline(
        self, info: SourceInfo, first_index: int = 0, position: int = 0
    ) -> StreamPipeline:
        return StreamPipeline(
            info.sr, info.channels, self._specs, self.step_s, self.config.select,
            self.config.gain_db, first_index, position,
        )  # fmt: skip

    def _change_source(self, info: SourceInfo) -> None:
        # The features of the new rate begin afresh; the count of steps, and the time of a step
        # that the old source did not finish, go on.
        old = self._pipeline
        self._nonfinite_before += old.nonfinite_samples
        self._clipped_before += old.clipped_samples
        position = round(old.position * info.sr / old.sr)
        self._pipeline = self._new_pipeline(info, old.next_index, position)
        self._latency_samples = round(self._pipeline.latency_s * info.sr)
        self._stamps = Stamps(info.sr)


def _acquired(loaded: LoadedModel, slots: ExitStack) -> int:
    slot = loaded.backend.acquire()
    slots.callback(loaded.backend.release, slot)
    return slot
