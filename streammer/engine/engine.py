"""The one loop: blocks in, estimates out, and ticks that never stop.

`Engine` runs one stream. What belongs to a stream lives in `stream.Stream`, and all due steps go
through `batch.step_due`, so that many streams are a loop over them.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress

import numpy as np

from streammer.audio.block import Source, SourceEnd
from streammer.bus import Publisher
from streammer.clock import Clock, SystemClock
from streammer.config import Pace, StreamConfig
from streammer.engine.batch import step_due
from streammer.engine.capture import Arrival, Capture, DirectCapture, ThreadedCapture
from streammer.engine.stream import Due, Stream
from streammer.engine.summary import LAGS_KEPT, Summary
from streammer.errors import InputError, NetworkError, StreammerError
from streammer.estimate import MoodEstimate, State
from streammer.inference.backends import LoadedModel

__all__ = ["DEGRADED_AFTER_S", "Engine", "Sink"]

Sink = Callable[[MoodEstimate], None]

DEGRADED_AFTER_S = 0.75
"""No fresh sound for this long, and ticks go on without it [s]."""

STATUS_EVERY_S = 5.0

_FAST_WAIT_S = 0.5
_STOP_POLL_S = 0.25


class Engine:
    """One source, one stream, its subscribers.

    Parameters
    ----------
    source : Source
        Not yet open.
    config : StreamConfig
    models : sequence of LoadedModel
    pace : str
        'live': ticks keep coming whatever the source does. 'fast': as fast as the source gives.
    publisher : Publisher, optional
        Where estimates and status go.
    clock : Clock, optional
    capture : callable, optional
        How blocks are fetched from the open source; by default a thread at live pace.

    Attributes
    ----------
    dropped_lines : callable
        Returns how many lines the outputs were too slow to take; whoever makes outputs sets it.

    Notes
    -----
    `stop` may be called from any thread or signal handler.
    """

    def __init__(
        self,
        source: Source,
        config: StreamConfig,
        models: Sequence[LoadedModel],
        *,
        pace: Pace,
        publisher: Publisher | None = None,
        clock: Clock | None = None,
        capture: Callable[[Source, Clock], Capture] | None = None,
    ) -> None:
        self._source = source
        self._config = config
        self._models = tuple(models)
        self._pace = pace
        self._publisher = publisher
        self._clock = clock or SystemClock()
        self._make_capture = capture or (ThreadedCapture if pace == "live" else DirectCapture)
        self.dropped_lines: Callable[[], int] = int
        self._stop = threading.Event()
        self._stream: Stream | None = None
        self._status_due = 0.0
        self._status_state: State | None = None
        self._detail = ""
        self._deaf = ""
        self._said_at = 0.0
        self._estimates = 0
        self._seconds: dict[str, float] = {}
        self._sums = {"valence": (0, 0.0), "arousal": (0, 0.0)}
        self._lags: deque[float] = deque(maxlen=LAGS_KEPT)

    def stop(self) -> None:
        """Ask the loop to end in order."""
        self._stop.set()
        if self._stream is None:
            self._source.close()  # it may be waiting for a server that does not answer

    def run(self, sinks: Sequence[Sink] = ()) -> Summary:
        """Run to the end of the source, or until `stop`; give every estimate to every sink."""
        with closing(self.estimates()) as estimates:
            for estimate in estimates:
                for sink in sinks:
                    sink(estimate)
        return self.summary()

    def estimates(self) -> Generator[MoodEstimate]:
        """Open the source and yield estimates, already published, until it ends.

        Raises
        ------
        InputError
            If the source ends before one step, or cannot be read.
        DeviceError, NetworkError
            If it cannot be opened.
        """
        try:
            info = self._source.open()
            stream = self._stream = Stream(self._config, self._models, info, self._clock)
        except BaseException as error:
            self._source.close()
            if self._stop.is_set() and isinstance(error, StreammerError):
                return
            raise
        capture = self._make_capture(self._source, self._clock)
        try:
            yield from self._loop(stream, capture)
        finally:
            self._finish(stream)
            capture.close()
            stream.close()

    @property
    def heard_s(self) -> float:
        """Sound heard or known to be lost, unfinished step included [s]."""
        return 0.0 if self._stream is None else self._stream.heard_s

    def summary(self) -> Summary:
        """Return how the run went up to now."""
        stream = self._stream
        if stream is None:
            if not self._stop.is_set():
                raise RuntimeError("the engine has not run")
            return Summary(0, 0, 0, 0, 0, 0, 0.0, {}, {}, 0.0, 0.0, "")
        status = stream.status(reopened=self._reopened())
        return Summary(
            estimates=self._estimates,
            steps=stream.steps,
            degraded_ticks=stream.degraded_ticks,
            lost_samples=stream.lost_samples,
            nonfinite_samples=status.nonfinite_samples,
            reopened=status.reopened,
            t_audio_s=stream.t_audio_s,
            seconds_by_state=dict(self._seconds),
            mean={axis: total / n for axis, (n, total) in self._sums.items() if n},
            lag_ms_p50=float(np.median(self._lags)) if self._lags else 0.0,
            lag_ms_max=max(self._lags, default=0.0),
            detail=self._detail,
        )

    def _loop(self, stream: Stream, capture: Capture) -> Iterator[MoodEstimate]:
        self._said_at = self._clock.monotonic()
        tick_at = self._said_at + DEGRADED_AFTER_S
        while not self._stop.is_set():
            wait = tick_at - self._clock.monotonic() if self._pace == "live" else _FAST_WAIT_S
            item = capture.get(min(max(0.0, wait), _STOP_POLL_S))
            if isinstance(item, SourceEnd):
                self._detail = item.detail if item.reason != "eof" or item.detail else ""
                for due in stream.flush():
                    yield from self._step(stream, due, self._clock.monotonic())
                self._refuse_nothing_heard(stream, item)
                return
            if isinstance(item, Arrival):
                self._deaf = stream.refusal(item.info)
                if not self._deaf:
                    for due in stream.ingest(item.block, item.info):
                        yield from self._step(stream, due, item.block.t_arrival)
                    tick_at = self._next_tick(stream)
                    continue
            if self._pace == "live" and self._clock.monotonic() >= tick_at:
                yield self._deliver(stream, stream.tick_degraded(tick_at))
                tick_at += stream.step_s

    def _next_tick(self, stream: Stream) -> float:
        # Sound that only trickles does not put ticks off for ever.
        fresh_until = self._clock.monotonic() + DEGRADED_AFTER_S
        return min(fresh_until, self._said_at + stream.step_s + DEGRADED_AFTER_S)

    def _step(self, stream: Stream, due: Due, t_due: float) -> Iterator[MoodEstimate]:
        for estimate in step_due([(stream, due)], t_due):
            yield self._deliver(stream, estimate)

    def _deliver(self, stream: Stream, estimate: MoodEstimate) -> MoodEstimate:
        if self._publisher is not None:
            self._publisher.publish(estimate)
            self._publish_status(stream)
        self._said_at = self._clock.monotonic()
        self._estimates += 1
        self._seconds[estimate.state] = self._seconds.get(estimate.state, 0.0) + stream.step_s
        if estimate.state in ("live", "clipping"):
            for axis, (n, total) in self._sums.items():
                value = getattr(estimate, axis)
                if value is not None:
                    self._sums[axis] = (n + 1, total + value)
        self._lags.append(estimate.lag_ms)
        return estimate

    def _publish_status(self, stream: Stream) -> None:
        now = self._clock.monotonic()
        if self._publisher is None:
            return
        # Ticks come in steps: the one nearest to 5 s carries it.
        due = now >= self._status_due - 0.5 * stream.step_s
        if due or stream.state != self._status_state:
            status = stream.status(
                reopened=self._reopened(),
                detail=self._detail_now(),
                dropped_lines=self.dropped_lines(),
            )
            self._publisher.publish_status(status)
            self._status_state = stream.state
            self._status_due = now + STATUS_EVERY_S

    def _finish(self, stream: Stream) -> None:
        if self._publisher is None:
            return
        with suppress(NetworkError):  # a bus that has failed was reported when it did
            self._publisher.publish(stream.end())
            self._publish_status(stream)

    def _reopened(self) -> int:
        return self._source.reopened

    def _detail_now(self) -> str:
        return self._detail or self._deaf or self._source.detail

    def _refuse_nothing_heard(self, stream: Stream, end: SourceEnd) -> None:
        if stream.steps:
            return
        if end.reason == "error":
            raise InputError(end.detail)
        heard = stream.heard_s
        raise InputError(
            f"{stream.info.name} has {heard:.3f} s of sound, at least {stream.step_s} s "
            "(one step) is expected: give a longer input"
        )
