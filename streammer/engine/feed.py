"""One source on its way through the engine: what was captured, what is due, how it ends."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

from streammer.audio.block import Source, SourceEnd
from streammer.clock import Clock
from streammer.config import StreamConfig
from streammer.engine.capture import Arrival, Capture, DirectCapture, ThreadedCapture
from streammer.engine.load import BACKLOG_S
from streammer.engine.stream import Due, Stream
from streammer.engine.summary import Summary
from streammer.errors import DeviceError, InputError, NetworkError, StreammerError
from streammer.estimate import MoodEstimate, StreamStatus
from streammer.inference.backends import LoadedModel

__all__ = ["Feed"]

_FAILURES: dict[str, type[StreammerError]] = {"device": DeviceError, "url": NetworkError}
"""What a source of some kind raises when it fails for good; the others raise `InputError`."""


class Feed:
    """A source, the stream that is made of it, and the steps that wait to be made.

    `open` and `work` may run in any thread, one at a time; all else belongs to the loop.

    Parameters
    ----------
    source : Source
        Not yet open.
    config : StreamConfig
    models : sequence of LoadedModel
    live : bool
        Whether ticks keep coming whatever the source does.
    clock : Clock
    capture : callable, optional
        How blocks are fetched from the source; by default by a thread at live pace.

    Attributes
    ----------
    stream : Stream or None
        None before the source is open.
    due : deque of Due
        Steps whose features are there, oldest first.
    failure : Exception or None
        Why it ended, if that was an error.
    dropped_lines : callable
        Returns how many lines the outputs were too slow to take.
    """

    def __init__(
        self,
        source: Source,
        config: StreamConfig,
        models: Sequence[LoadedModel],
        *,
        live: bool,
        clock: Clock,
        capture: Callable[[Source, Clock], Capture] | None = None,
    ) -> None:
        self.source = source
        self.config = config
        self.live = live
        self.capture = (capture or (ThreadedCapture if live else DirectCapture))(source, clock)
        self.stream: Stream | None = None
        self.due: deque[Due] = deque()
        self.failure: Exception | None = None
        self.dropped_lines: Callable[[], int] = int
        self._models = tuple(models)
        self._clock = clock
        self._end: SourceEnd | None = None
        self._stopped = False
        self._busy_since = 0.0
        self._resumed_at, self._resumed_steps = float("-inf"), 0
        self._lock = threading.Lock()  # of the features: a tick may finish what a worker began

    @property
    def name(self) -> str:
        """Name of the stream."""
        return self.config.name

    @property
    def opened(self) -> Stream:
        """The stream, which must be there."""
        assert self.stream is not None
        return self.stream

    def open(self) -> None:
        """Open the source and begin to read it.

        Raises
        ------
        StreammerError
            If it cannot be opened, or what it delivers cannot be used.
        """
        info = self.capture.open()
        self.stream = Stream(self.config, self._models, info, self._clock)

    def configure(self, config: StreamConfig) -> None:
        """Change what can be changed while the stream goes on."""
        self.config = config
        self.opened.configure(config)

    def stop(self) -> None:
        """End soon, from any thread or signal handler; what still opens is broken off."""
        self._stopped = True
        if self.stream is None:
            self.source.close()  # it may be waiting for a server that does not answer

    @property
    def stopped(self) -> bool:
        """Whether its end was asked for."""
        return self._stopped

    @property
    def over(self) -> bool:
        """Whether nothing more will be due."""
        return self.failure is not None or (self._end is not None and not self.due)

    def work(self, items: Sequence[Arrival | SourceEnd], began: float) -> None:
        """Turn what was captured into steps that are due; what goes wrong is its `failure`.

        Parameters
        ----------
        items : sequence of Arrival or SourceEnd
            Blocks that follow one another without a break, or an end.
        began : float
            Monotonic time at which they could be worked on [s].
        """
        try:
            with self._lock:
                self._take(items)
        except Exception as error:  # said, or raised, where it is delivered
            self.failure = error
        if not self.due:
            self.opened.load.note(self._clock.monotonic() - began, 0)
        self._busy_since = began

    def flush(self) -> bool:
        """Let out steps that only wait for more sound; return whether there are any."""
        with self._lock:
            self.due.extend(self.opened.flush())
        return bool(self.due)

    def delivered(self, estimate: MoodEstimate, *, sound: bool) -> None:
        """Count an estimate of a step and what it took; `sound` if sound had just come for it."""
        stream, now = self.opened, self._clock.monotonic()
        stream.counters.add(estimate)
        if self.live and sound:
            stream.ticks.sound(now, stepped=True)
            stream.load.note(now - self._busy_since, 1)
            stream.load.warn(now)
        self._busy_since = now

    def turn_until(self, now: float, most: float) -> float:
        """Return until when others have their turn, if at most `most` steps are made a step's time.

        It begins with the last turn, and counts what was made in it.
        """
        stream = self.opened
        made, self._resumed_steps = stream.steps - self._resumed_steps, stream.steps
        until = self._resumed_at + made * stream.step_s / most
        self._resumed_at = max(now, until)
        return until

    def status(self) -> StreamStatus:
        """Return what the stream is and how it fares."""
        return self.opened.status(
            reopened=self.source.reopened,
            detail=self.source.detail,
            dropped_lines=self.dropped_lines(),
        )

    def summary(self) -> Summary:
        """Return how it went up to now."""
        if self.stream is None:
            return Summary()
        stream = self.stream
        return stream.counters.summary(self.status(), stream.t_audio_s, stream.detail)

    def conclude(self) -> None:
        """Note how the source ended, once nothing is due any more."""
        end, stream = self._end, self.opened
        if self.failure is not None or end is None or self._stopped:
            return
        name = stream.info.name
        if end.reason in ("error", "lost"):
            failure = _FAILURES.get(stream.info.kind, InputError)
            self.failure = failure(end.detail or f"{name} failed, and does not say why")
        elif not stream.steps and end.reason == "eof":
            self.failure = InputError(
                f"{name} has {stream.audio_s:.3f} s of sound, at least {stream.step_s} s "
                "(one step) is expected: give a longer input"
            )

    def say_ended(self, publish: Callable[["Feed", MoodEstimate], None]) -> None:
        """Publish the last message of the stream."""
        with suppress(NetworkError):  # a bus that has failed was reported when it did
            publish(self, self.opened.end())

    def close(self) -> None:
        """Close the source, then give the slots back, whatever fails."""
        with ExitStack() as teardown:
            if self.stream is not None:
                teardown.callback(self.stream.close)
            teardown.callback(self.capture.close)

    def _take(self, items: Sequence[Arrival | SourceEnd]) -> None:
        stream = self.opened
        if isinstance(items[0], SourceEnd):
            self._end = items[0]
            stream.detail = items[0].detail
            self.due.extend(stream.flush())
            return
        arrivals = self._caught_up([item for item in items if isinstance(item, Arrival)])
        info = arrivals[0].info
        if not stream.accepts(info):
            return
        self.due.extend(stream.ingest([arrival.block for arrival in arrivals], info))
        if self.live:
            stream.ticks.sound(self._clock.monotonic(), stepped=False)

    def _caught_up(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Give up the sound that waits, as lost, if the models are too slow for the clock."""
        load, info = self.opened.load, arrivals[0].info
        if not (self.live and (info.clocked or info.paced) and load.overloaded):
            return arrivals
        if self.capture.waiting_s <= BACKLOG_S:
            return arrivals
        given_up = arrivals
        while self.capture.waiting_s > 0.0:
            newer = self.capture.get(0.0)
            if not isinstance(newer, Arrival):
                break  # an end comes last, when no sound waits
            given_up.append(newer)
        newest = given_up.pop()
        seconds = sum(a.seconds + a.block.lost / a.info.sr for a in given_up)
        load.skipped(seconds)
        block = replace(
            newest.block,
            lost=newest.block.lost + round(seconds * newest.info.sr),
            discontinuity=any(a.block.discontinuity for a in (*given_up, newest)),
        )
        return [replace(newest, block=block)]
