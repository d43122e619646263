"""All that belongs to one stream: its features, its models' slots, its counters, its last word."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from streammer import __version__
from streammer.audio.block import Block, SourceInfo
from streammer.audio.level import LEVEL_FLOOR_DBFS
from streammer.clock import Clock
from streammer.config import StreamConfig
from streammer.engine.pipeline import StepInput, StreamPipeline
from streammer.engine.post import (
    Gate,
    PostParams,
    combine,
    gate,
    init_post,
    post_degraded,
    post_step,
)
from streammer.estimate import MoodEstimate, State, StreamStatus, new_epoch
from streammer.inference.backends import LoadedModel, common_step_s

__all__ = ["Due", "Stream"]


@dataclass(frozen=True)
class Due:
    """A step that is due, and the Unix time at which its last sample was captured [s]."""

    step: StepInput
    t_capture: float


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
        self._t_block = self.t_capture
        self._clock = clock
        self._t_start = clock.monotonic()
        self._specs = tuple(
            dict.fromkeys(spec for m in models for spec in m.model.front_ends.values())
        )
        self._pipeline = self._new_pipeline(info, 0)
        self._nonfinite_before = 0
        self._clipped_before = 0
        self._slots = tuple(m.backend.acquire() for m in models)
        self._params = post_params(config, models)
        self._post = init_post(self._params)
        self._level_dbfs = LEVEL_FLOOR_DBFS

    @property
    def model_name(self) -> str:
        """Names of the models, joined by '+'."""
        return "+".join(m.model.meta.name for m in self.models)

    @property
    def heard_s(self) -> float:
        """Sound heard or known to be lost, unfinished step included [s]."""
        return self._pipeline.position / self.info.sr

    @property
    def latency_s(self) -> float:
        """Known delay from a step's last sample to its features [s]."""
        return self._pipeline.latency_s

    def refusal(self, info: SourceInfo) -> str:
        """Return why a source that came back cannot be heard; empty if it can."""
        wanted = max(self.config.select or (1,))
        if wanted <= info.channels:
            return ""
        return f"channel {wanted} is selected but {info.name} came back with {info.channels}"

    def ingest(self, block: Block, info: SourceInfo) -> list[Due]:
        """Take a block and return the steps it completes, in order."""
        done: list[Due] = []
        if (info.sr, info.channels) != (self.info.sr, self.info.channels):
            done = self.flush()
            self._change_source(info)
        self.info = info
        self._t_block = block.t_capture
        self.lost_samples += block.lost
        steps = self._pipeline.skip(block.lost) + self._pipeline.push(block.samples)
        return done + [Due(step, self._captured(step, block.t_capture)) for step in steps]

    def flush(self) -> list[Due]:
        """Return the steps that were only waiting for the resamplers' tails."""
        return [Due(step, self._captured(step, self._t_block)) for step in self._pipeline.flush()]

    def gate(self, step: StepInput) -> Gate:
        """Say whether the models are reset before this step and whether they are stepped."""
        return gate(self._params, self._post, step.level_dbfs, fresh=step.fresh)

    def slot(self, position: int) -> int:
        """Return the slot of this stream in the backend of its model number `position`."""
        return self._slots[position]

    def finish(
        self, due: Due, outputs: Sequence[Mapping[str, float]] | None, t_due: float
    ) -> MoodEstimate:
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
        return self._say(t_due)

    def tick_degraded(self, t_due: float) -> MoodEstimate:
        """Make a tick without sound: the last mood, less and less sure."""
        self._post = post_degraded(self._params, self._post)
        self.state = "degraded"
        self.degraded_ticks += 1
        self._level_dbfs = LEVEL_FLOOR_DBFS
        return self._say(t_due)

    def end(self) -> MoodEstimate:
        """Return the last message of the epoch."""
        self.state = "ended"
        return self._say(self._clock.monotonic())

    def status(
        self, *, reopened: int = 0, detail: str = "", dropped_lines: int = 0
    ) -> StreamStatus:
        """Return what the stream is and how it fares."""
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
            step_s=self.step_s,
            latency_s=self.latency_s,
            steps=self.steps,
            degraded_ticks=self.degraded_ticks,
            lost_samples=self.lost_samples,
            reopened=reopened,
            nonfinite_samples=self._nonfinite_before + self._pipeline.nonfinite_samples,
            clipped_samples=self._clipped_before + self._pipeline.clipped_samples,
            dropped_lines=dropped_lines,
            uptime_s=self._clock.monotonic() - self._t_start,
            version=__version__,
            detail=detail,
        )

    def close(self) -> None:
        """Give the slots back."""
        for loaded, slot in zip(self.models, self._slots, strict=True):
            loaded.backend.release(slot)

    def _say(self, t_due: float) -> MoodEstimate:
        estimate = MoodEstimate(
            stream=self.config.name,
            epoch=self.epoch,
            seq=self.seq,
            t_audio_s=self.t_audio_s,
            t_capture=self.t_capture,
            t_publish=self._clock.unix(),
            **asdict(self._post.mood),
            quadrant=self._post.quadrant,
            state=self.state,
            level_dbfs=self._level_dbfs,
            lag_ms=max(0.0, (self._clock.monotonic() - t_due) * 1000.0),
            model=self.model_name,
            lost_samples=self.lost_samples,
        )
        self.seq += 1
        return estimate

    def _captured(self, step: StepInput, t_capture: float) -> float:
        behind = self._pipeline.position - step.end
        return t_capture - behind / self.info.sr

    def _new_pipeline(self, info: SourceInfo, first_index: int) -> StreamPipeline:
        return StreamPipeline(
            info.sr, info.channels, self._specs, self.step_s, self.config.select, first_index
        )

    def _change_source(self, info: SourceInfo) -> None:
        # The features of the new rate begin afresh; the count of steps goes on.
        old = self._pipeline
        self._nonfinite_before += old.nonfinite_samples
        self._clipped_before += old.clipped_samples
        self._pipeline = self._new_pipeline(info, old.next_index)


def post_params(config: StreamConfig, models: Sequence[LoadedModel]) -> PostParams:
    """Return what the post-processing of a stream with these models knows beforehand."""
    prior_sd: dict[str, float] = {}
    for loaded in models:
        for axis, prior in loaded.model.prior.items():
            prior_sd.setdefault(axis, prior.sd)
    return PostParams(
        step_s=common_step_s(models),
        outputs=frozenset(name for m in models for name in m.model.outputs),
        prior_sd=prior_sd,
        warmup_s=max(m.model.warmup_s for m in models),
        silence_dbfs=config.silence_dbfs,
        smoothing_s=config.smoothing_s,
    )
