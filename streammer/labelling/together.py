"""Files side by side: one call of the model for a step of each, decoded ahead in their threads.

The batch has always the same size, whatever stands beside a file, so that its numbers are to the
bit the same; what is missing is filled up (`inference.backends.buckets`).
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from streammer.clock import Clock, SystemClock
from streammer.config import StreamConfig
from streammer.engine.capture import ThreadedCapture
from streammer.engine.feed import Feed
from streammer.engine.intake import Pulled
from streammer.engine.loop import Loop
from streammer.errors import StreammerError
from streammer.estimate import MoodEstimate
from streammer.inference.backends import LoadedModel
from streammer.inference.loading import load_models
from streammer.labelling.rows import FileResult, rows_of, shown_path
from streammer.sources.file import FileSource

__all__ = ["SIDE_BY_SIDE", "given", "label_together", "load_for_label"]

SIDE_BY_SIDE = 4
"""Files of one process at a time. More would save little, and a file alone costs as many."""

Next = Callable[[bool], tuple[int, Path] | None]
"""Gives the next file with its index, or None if there is none (yet); waits for it if told to."""


def load_for_label(names: Sequence[str]) -> list[LoadedModel]:
    """Load models that step a batch of one size; raises as `load_models` does."""
    return load_models(names, buckets=(SIDE_BY_SIDE,))


def label_together(
    give: Next, config: StreamConfig, models: Sequence[LoadedModel], *, steps: bool
) -> Generator[tuple[int, FileResult]]:
    """Label files as they are given, `SIDE_BY_SIDE` at a time; yield results as they are done."""
    work = _Work(give, config, models, steps=steps)
    with closing(work.loop.estimates()) as estimates:
        for _ in estimates:
            yield from work.done()
    yield from work.done()


def given(paths: Iterable[tuple[int, Path]]) -> Next:
    """Return what gives these files, one after the other."""
    left = iter(paths)
    return lambda wait: next(left, None)


class _File(Feed):
    """A file on its way, and the estimates that were made of it."""

    def __init__(
        self,
        index: int,
        path: Path,
        config: StreamConfig,
        models: Sequence[LoadedModel],
        clock: Clock,
    ) -> None:
        # Always a file, whatever its name: mic, or -.
        source = FileSource(path, clock)
        super().__init__(source, config, models, live=False, clock=clock, capture=ThreadedCapture)
        self.index, self.path = index, path
        self.estimates: list[MoodEstimate] = []

    def delivered(self, estimate: MoodEstimate, *, sound: bool) -> None:
        """Keep an estimate."""
        super().delivered(estimate, sound=sound)
        self.estimates.append(estimate)


class _Work:
    """The files that are being labelled, and those that are done."""

    def __init__(
        self,
        give: Next,
        config: StreamConfig,
        models: Sequence[LoadedModel],
        *,
        steps: bool,
    ) -> None:
        self._give = give
        self._config = config
        self._models = models
        self._steps = steps
        self._clock = SystemClock()
        self._done: deque[tuple[int, FileResult]] = deque()
        self.loop = Loop(
            Pulled(self._clock),
            live=False,
            clock=self._clock,
            ended=self._ended,
            refill=self._refill,
        )

    def done(self) -> Iterable[tuple[int, FileResult]]:
        """Yield what is done and was not yielded yet."""
        while self._done:
            yield self._done.popleft()

    def _refill(self) -> bool:
        """Take files until there are enough; return whether there is work."""
        while len(self.loop.feeds) < SIDE_BY_SIDE:
            item = self._give(not self.loop.feeds and not self._done)
            if item is None:
                break
            self._begin(*item)
        return bool(self.loop.feeds)

    def _begin(self, index: int, path: Path) -> None:
        try:
            file = _File(index, path, self._config, self._models, self._clock)
        except Exception as error:
            self._done.append((index, _failed(path, error)))
            return
        try:
            file.open()
        except Exception as error:
            file.close()
            self._done.append((index, _failed(path, error)))
            return
        self.loop.add(file)

    def _ended(self, feed: Feed) -> None:
        assert isinstance(feed, _File)
        if not feed.over:
            return  # broken off: nobody reads on
        if feed.failure is not None:
            result = _failed(feed.path, feed.failure)
        else:
            result = rows_of(
                feed.path,
                feed.estimates,
                feed.summary(),
                feed.opened.audio_s,
                steps=self._steps,
            )
        self._done.append((feed.index, result))


def _failed(path: Path, error: Exception) -> FileResult:
    # A file must never end the run of all the others, whatever is wrong with it.
    named = "" if isinstance(error, StreammerError) else f"{type(error).__name__}: "
    return FileResult(shown_path(path), [], error=f"{named}{error}")
