"""A run: feeds, bus and outputs, from the start to the end; `listen` is one of a single feed."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from streammer.cli.messages import complain, inform
from streammer.cli.opening import logs_of, model_names, opening_of
from streammer.cli.outputs import Outputs
from streammer.cli.plugged import PluggedTables
from streammer.cli.starting import Stop, bound
from streammer.clock import SystemClock
from streammer.config.run import RunConfig
from streammer.config.stream import StreamConfig
from streammer.errors import InputError, OutputError, StreammerError
from streammer.estimate import MoodEstimate
from streammer.system.descriptors import check_descriptors
from streammer.system.signals import ending, stopping

if TYPE_CHECKING:
    from streammer.bus import Publisher
    from streammer.engine.feed import Feed
    from streammer.engine.summary import Summary
    from streammer.inference.backends import LoadedModel

__all__ = ["Run", "run_config"]

EXIT_BUG = StreammerError.exit_code

_OWN_BRIDGES = "tcp://127.0.0.1:0"
"""A run that publishes through a hub binds a free port too: its own bridges follow it there."""

DESCRIPTORS_A_FEED = 3
"""What a source takes: a file, the pipes of a process that reads a device."""


def run_config(
    config: RunConfig, *, wait: bool = False, began: Callable[["Run"], None] | None = None
) -> int:
    """Run to the end, and return the exit code.

    Parameters
    ----------
    config : RunConfig
    wait : bool
        Try again as long as the endpoint cannot be bound.
    began : callable, optional
        Is given the run when its bus is there and before its feeds are opened.

    Raises
    ------
    StreammerError
        What keeps all of it from starting; and why its feed failed, if there is one alone.
    """
    # A signal ends this there and then: kernels that are being compiled would swallow it.
    with ending("ended by a signal before there was any sound", 0):
        import streammer.engine.loop  # noqa: F401
        from streammer.inference.loading import load_models

        if len(config.feeds) == 1:
            opening_of(config.feeds[0], config.folder)  # what is missing is the run's failure
        models = load_models(
            model_names(config.model, config.folder),
            device=config.model.device,
            streams=len(config.feeds),
        )
    check_descriptors(DESCRIPTORS_A_FEED * len(config.feeds))  # before anything is opened
    stop = Stop()
    live = config.live
    publishes = config.bus.publish and (live or config.bus.explicit)
    awaited = None if live else lambda: not stop.asked
    with ExitStack() as stack:
        outputs = stack.enter_context(Outputs(stop.stop, waiting=awaited, others=int(publishes)))
        for path, feed in logs_of(config):
            outputs.add_log(path, feed)
        publisher = None
        if publishes:
            publisher = stack.enter_context(
                bound(
                    config.bus.endpoint or (_OWN_BRIDGES if config.shares else None),
                    connect=config.bus.connect,
                    insecure=config.bus.insecure,
                    wait=wait,
                    stop=stop,
                    streams=len(config.feeds),
                )
            )
        plugged = stack.enter_context(
            PluggedTables(None if publisher is None else publisher.endpoint or None)
        )
        run = Run(config, models, outputs, publisher, plugged, stop)
        return run.to_the_end(began)


class Run:
    """The feeds of a run, and what they are made of.

    Parameters
    ----------
    config : RunConfig
    models : sequence of LoadedModel
    outputs : Outputs
    publisher : Publisher or None
    plugged : PluggedTables
        Bridges, and outputs that subscribe.
    stop : Stop
    """

    def __init__(
        self,
        config: RunConfig,
        models: "Sequence[LoadedModel]",
        outputs: Outputs,
        publisher: "Publisher | None",
        plugged: PluggedTables,
        stop: Stop,
    ) -> None:
        from streammer.engine.intake import Pooled, Pulled
        from streammer.engine.loop import Loop
        from streammer.engine.summary import Summary
        from streammer.sources.shared import SharedSources

        self.config = config
        self.models = models
        self.outputs = outputs
        self.plugged = plugged
        self.publisher = publisher
        self._stop = stop
        self._clock = SystemClock()
        self._shared = SharedSources(self._clock)
        self._feeds: dict[str, Feed] = {}
        self._failures: dict[str, Exception] = {}
        self._summary = Summary()
        intake = Pooled(self._clock) if config.live else Pulled(self._clock)
        self.loop = Loop(
            intake,
            live=config.live,
            publisher=publisher,
            clock=self._clock,
            ended=self._ended,
        )

    def to_the_end(self, began: Callable[["Run"], None] | None) -> int:
        """Run until all feeds have ended, or a signal comes, and return the exit code."""
        self._stop.reaches(self.loop)
        sinks = [self.outputs.put, *self._shown()]
        self.plugged.apply(self.config)
        with stopping(self._stop):
            for feed in self.config.feeds:
                self.join(self.config.stream(feed))
            if began is not None:
                began(self)
            with closing(self.loop.estimates()) as estimates:
                for estimate in estimates:
                    for sink in sinks:
                        sink(estimate)
            self.outputs.close()
            return self._code()

    def join(self, stream: StreamConfig) -> None:
        """Begin a feed."""
        from streammer.engine.feed import Feed
        from streammer.sources.open import kind_of

        self._failures.pop(stream.name, None)
        if stream.name not in self.config.names:
            return  # it left while the one before it was closed
        options = self.config.feed(stream.name)
        try:
            opening = opening_of(options, self.config.folder)
        except InputError as error:
            self._fail(stream.name, error)
            return
        source = opening.source
        if self.config.shares and kind_of(options.source) in ("device", "url"):
            key = options.source, options.wait
            source = self._shared.source(key, lambda: opening.source)
        feed = Feed(source, stream, self.models, live=self.config.live, clock=self._clock)
        feed.dropped_lines = lambda: self.outputs.dropped_lines
        self._feeds[stream.name] = feed
        self.loop.join(feed)

    def leave(self, name: str, then: Callable[[], None] | None = None) -> None:
        """End a feed; the others go on."""
        feed = self._feeds.pop(name, None)
        if feed is not None:
            self.loop.leave(feed, then)
        elif then is not None:
            then()

    def running(self, name: str) -> "Feed | None":
        """Return a feed that has not ended."""
        return self._feeds.get(name)

    def has_failed(self, name: str) -> bool:
        """Return whether a feed ended by an error, or could not begin."""
        return name in self._failures

    @property
    def _alone(self) -> bool:
        return len(self.config.feeds) == 1

    def _shown(self) -> list[Callable[[MoodEstimate], None]]:
        """Begin what shows the run, and return sinks that it needs besides."""
        names = ", ".join(feed.name for feed in self.config.feeds[:4])
        if len(self.config.feeds) > 4:
            names = f"{len(self.config.feeds)} streams"
        where = "not published"
        if self.publisher is not None:
            where = f"published on {self.publisher.where}"
        if sys.stdout.isatty():
            from streammer.cli.view import view_for

            self.outputs.add_picture(view_for(where, many=not self._alone))
            return []
        self.outputs.add_lines()
        if self.publisher is None:
            return []
        return [_Once(f"publishing {names} on {self.publisher.where}").put]

    def _ended(self, feed: "Feed") -> None:
        """Say how a feed ended; of a single one that is said when all is closed."""
        if self._feeds.get(feed.name) is feed:
            del self._feeds[feed.name]
        summary = feed.summary()
        if feed.failure is not None:
            self._fail(feed.name, feed.failure)
        if self._alone:
            self._summary = summary
            return
        if summary.estimates:
            inform(f"{feed.name}: {_in_words(summary, summary.dropped_lines)}")
        if summary.detail and feed.failure is None:
            complain(f"{feed.name}: {summary.detail}")

    def _fail(self, name: str, error: Exception) -> None:
        self._failures[name] = error
        if self._alone:
            return
        bug = (
            "" if isinstance(error, StreammerError) else f"this is a bug: {type(error).__name__}: "
        )
        complain(f"{name}: {bug}{error}")

    def _code(self) -> int:
        if self._alone:
            if self._failures and not self._stop.asked:
                raise next(iter(self._failures.values()))
            inform(_in_words(self._summary, self.outputs.dropped_lines))
            if self._summary.detail:
                complain(self._summary.detail)
        if self.outputs.failed:
            return OutputError.exit_code
        if self._stop.asked or not self._failures:
            return 0
        return getattr(next(iter(self._failures.values())), "exit_code", EXIT_BUG)


class _Once:
    """A line on stderr with the first estimate: a source that does not open has a line alone."""

    def __init__(self, line: str) -> None:
        self._line = line

    def put(self, estimate: MoodEstimate) -> None:
        """Say the line, once."""
        if self._line:
            inform(self._line)
            self._line = ""


def _in_words(summary: "Summary", dropped_lines: int) -> str:
    states = ", ".join(f"{s:.1f} s {name}" for name, s in summary.seconds_by_state.items())
    means = ", ".join(f"{axis} {x:+.2f}" for axis, x in summary.mean.items())
    skipped = f", {summary.skipped_ticks} ticks skipped" if summary.skipped_ticks else ""
    return (
        f"{summary.t_audio_s:.1f} s of sound, {summary.estimates} estimates"
        f"{states and f' ({states})'}; "
        f"mean {means or 'none'}; lag p50 {summary.lag_ms_p50:.1f} ms, "
        f"max {summary.lag_ms_max:.1f} ms; {summary.lost_samples} samples lost, "
        f"{summary.reopened} times re-opened, {dropped_lines} lines dropped{skipped}"
    )
