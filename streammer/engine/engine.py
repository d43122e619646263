"""A run of one feed, for callers that iterate: the loop of many with a single one in it."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing

from streammer.audio.block import Source
from streammer.clock import Clock, SystemClock
from streammer.config import Pace, StreamConfig
from streammer.engine.capture import Capture
from streammer.engine.feed import Feed
from streammer.engine.intake import Pooled, Pulled
from streammer.engine.loop import Loop
from streammer.engine.outlet import Bus
from streammer.engine.summary import Summary
from streammer.errors import StreammerError
from streammer.estimate import MoodEstimate
from streammer.inference.backends import LoadedModel

__all__ = ["Engine", "Sink"]

Sink = Callable[[MoodEstimate], None]


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
    publisher : Bus, optional
        Where estimates and status go.
    clock : Clock, optional
    capture : callable, optional
        How blocks are fetched from the source, in the loop's thread; by default by a thread of
        their own at live pace.

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
        publisher: Bus | None = None,
        clock: Clock | None = None,
        capture: Callable[[Source, Clock], Capture] | None = None,
    ) -> None:
        self._clock = clock = clock or SystemClock()
        live = pace == "live"
        self.dropped_lines: Callable[[], int] = int
        self._feed = Feed(source, config, models, live=live, clock=clock, capture=capture)
        self._feed.dropped_lines = lambda: self.dropped_lines()
        intake = Pooled(clock) if live and capture is None else Pulled(clock)
        self._loop = Loop(intake, live=live, publisher=publisher, clock=clock)
        self._stopped = False

    def stop(self) -> None:
        """Ask the loop to end in order."""
        self._stopped = True
        self._feed.stop()
        self._loop.stop()

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
        try:
            self._feed.open()
        except BaseException as error:
            self._feed.close()
            if isinstance(error, StreammerError) and self._stopped:
                return
            raise
        self._loop.add(self._feed)
        yield from self._loop.estimates()
        if self._feed.failure is not None:
            raise self._feed.failure

    @property
    def audio_s(self) -> float:
        """Sound input or known to be lost, unfinished step included [s]."""
        stream = self._feed.stream
        return 0.0 if stream is None else stream.audio_s

    def summary(self) -> Summary:
        """Return how the run went up to now."""
        if self._feed.stream is None and not self._stopped:
            raise RuntimeError("the engine has not run")
        return self._feed.summary()
