"""The one loop: blocks in, estimates out, and ticks that never stop.

`Engine` runs one stream. What belongs to a stream lives in `stream.Stream`, and all due steps go
through `batch.step_due`, so that many streams are a loop over them.
"""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace

from streammer.audio.block import Source, SourceEnd
from streammer.bus import Publisher
from streammer.clock import Clock, SystemClock
from streammer.config import Pace, StreamConfig
from streammer.engine.batch import step_due
from streammer.engine.capture import Arrival, Capture, DirectCapture, ThreadedCapture
from streammer.engine.features import step_features
from streammer.engine.load import BACKLOG_S
from streammer.engine.stream import Due, Stream
from streammer.engine.summary import Summary
from streammer.errors import DeviceError, InputError, NetworkError, StreammerError
from streammer.estimate import MoodEstimate, StreamStatus
from streammer.inference.backends import LoadedModel

__all__ = ["Engine", "Sink"]

Sink = Callable[[MoodEstimate], None]

_STOP_POLL_S = 0.25

_FAILURES: dict[str, type[StreammerError]] = {"device": DeviceError, "url": NetworkError}
"""What a source of some kind raises when it fails for good; the others raise `InputError`."""


class Engine:
    """One source, one stream, its subscribers.

    Parameters
    ----------
    source : Source
        Not yet open.
    config : StreamConfig
    models : sequence of LoadedModel
        Each with its backend, warm (`inference.loading.load_models`).
    pace : str
        'live': ticks keep coming whatever the source does. 'fast': as fast as the source gives.
    publisher : Publisher, optional
        Where estimates and status go.
    clock : Clock, optional
    capture : callable, optional
        How blocks are fetched from the source; by default by a thread at live pace.

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
        self._live = pace == "live"
        self._publisher = publisher
        self._clock = clock or SystemClock()
        self._make_capture = capture or (ThreadedCapture if self._live else DirectCapture)
        self.dropped_lines: Callable[[], int] = int
        self._stop = threading.Event()
        self._stream: Stream | None = None

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

        However it ends, `ended` is published, the source is closed and the models' slots are
        given back, in this order, each whatever the others raise.

        Raises
        ------
        InputError
            If the source ends before one step, cannot be read, or fails on the way.
        DeviceError, NetworkError
            If a device or a URL cannot be opened, or fails for good.
        """
        with ExitStack() as teardown:
            teardown.callback(self._close_stream)
            capture = self._make_capture(self._source, self._clock)
            teardown.callback(capture.close)
            try:
                info = capture.open()
                stream = self._stream = Stream(self._config, self._models, info, self._clock)
            except StreammerError:
                if self._stop.is_set():
                    return
                raise
            teardown.callback(self._publish_end, stream)
            yield from self._loop(stream, capture)

    @property
    def audio_s(self) -> float:
        """Sound input or known to be lost, unfinished step included [s]."""
        return 0.0 if self._stream is None else self._stream.audio_s

    def summary(self) -> Summary:
        """Return how the run went up to now."""
        stream = self._stream
        if stream is None:
            if not self._stop.is_set():
                raise RuntimeError("the engine has not run")
            return Summary()
        return stream.counters.summary(self._status(stream), stream.t_audio_s, stream.detail)

    def _loop(self, stream: Stream, capture: Capture) -> Iterator[MoodEstimate]:
        while not self._stop.is_set():
            item = capture.get(self._patience_s(stream))
            began, steps = self._clock.monotonic(), stream.steps
            if isinstance(item, SourceEnd):
                yield from self._end(stream, item)
                return
            if isinstance(item, Arrival):
                item = self._caught_up(stream, item, capture)
            if isinstance(item, Arrival) and stream.accepts(item.info):
                yield from self._steps(stream, stream.ingest(item.block, item.info))
                if self._live:
                    stream.ticks.sound(self._clock.monotonic(), stepped=stream.steps > steps)
            elif self._live and began >= stream.ticks.due:
                # What waits in a resampler is not held back until sound comes again.
                yield from self._steps(stream, stream.flush())
                yield self._deliver(stream, stream.tick_degraded(stream.ticks.degraded(began)))
            if self._live:
                now = self._clock.monotonic()
                stream.load.note(now - began, stream.steps - steps)
                stream.load.warn(now)

    def _patience_s(self, stream: Stream) -> float:
        if not self._live:
            return _STOP_POLL_S
        return min(_STOP_POLL_S, max(0.0, stream.ticks.due - self._clock.monotonic()))

    def _caught_up(self, stream: Stream, arrival: Arrival, capture: Capture) -> Arrival:
        """Give up the sound that waits, as lost, if the models are too slow for the clock."""
        by_the_clock = arrival.info.clocked or arrival.info.paced
        if not (self._live and by_the_clock and stream.load.overloaded):
            return arrival
        if capture.waiting_s <= BACKLOG_S:
            return arrival
        given_up_s, broken = 0.0, False
        while capture.waiting_s > 0.0:
            newer = capture.get(0.0)
            if not isinstance(newer, Arrival):
                break  # an end comes last, when no sound waits
            given_up_s += arrival.seconds + arrival.block.lost / arrival.info.sr
            broken |= arrival.block.discontinuity
            arrival = newer
        stream.load.skipped(given_up_s)
        block = arrival.block
        lost = block.lost + round(given_up_s * arrival.info.sr)
        block = replace(block, lost=lost, discontinuity=broken or block.discontinuity)
        return replace(arrival, block=block)

    def _steps(self, stream: Stream, due: Iterable[Due]) -> Iterator[MoodEstimate]:
        for one in due:
            for estimate in step_due([(stream, one)]):
                self._publish_features(one, estimate)
                yield self._deliver(stream, estimate)

    def _deliver(self, stream: Stream, estimate: MoodEstimate) -> MoodEstimate:
        self._publish(stream, estimate)
        stream.counters.add(estimate)
        return estimate

    def _publish(self, stream: Stream, estimate: MoodEstimate) -> None:
        if self._publisher is None:
            return
        self._publisher.publish(estimate)
        if stream.status_is_due():
            self._publisher.publish_status(self._status(stream))

    def _publish_features(self, due: Due, estimate: MoodEstimate) -> None:
        if self._publisher is not None and self._publisher.wants_features(estimate.stream):
            features = step_features(due.step, estimate)
            if features is not None:
                self._publisher.publish_features(features)

    def _status(self, stream: Stream) -> StreamStatus:
        return stream.status(
            reopened=self._source.reopened,
            detail=self._source.detail,
            dropped_lines=self.dropped_lines(),
        )

    def _end(self, stream: Stream, end: SourceEnd) -> Iterator[MoodEstimate]:
        stream.detail = end.detail
        yield from self._steps(stream, stream.flush())
        name = stream.info.name
        if end.reason in ("error", "lost"):
            failure = _FAILURES.get(stream.info.kind, InputError)
            raise failure(end.detail or f"{name} failed, and does not say why")
        if not stream.steps and end.reason == "eof":
            raise InputError(
                f"{name} has {stream.audio_s:.3f} s of sound, at least {stream.step_s} s "
                "(one step) is expected: give a longer input"
            )

    def _publish_end(self, stream: Stream) -> None:
        with suppress(NetworkError):  # a bus that has failed was reported when it did
            self._publish(stream, stream.end())

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
