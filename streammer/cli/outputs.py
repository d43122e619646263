"""The outputs of one run of `listen` or `watch`: lines on stdout, a log, a picture, messages.

Each has a queue and a writer of its own, so that none holds up the stream, the bus or a signal.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol

from streammer.cli.messages import complain, inform, said_aside, undash
from streammer.errors import OutputError, UsageError
from streammer.estimate import MoodEstimate
from streammer.outputs.jsonl import LogFile, StdoutLines
from streammer.system.writer import Target, Writer

__all__ = ["Outputs", "Picture"]

_PICTURES_WAITING = 4


class Picture(Protocol):
    """What shows a stream in a terminal."""

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def update(self, estimate: MoodEstimate) -> None:
        """Show an estimate."""
        ...

    def note(self, notice: str) -> None:
        """Show a notice; an empty one takes it away."""
        ...

    def say(self, line: str) -> bool:
        """Show a line above the picture, or say that this is not the place for it."""
        ...


class _Lines(NamedTuple):
    """A writer of lines, the stream whose lines it gets (None: all), and its file."""

    writer: Writer[MoodEstimate]
    stream: str | None
    path: Path | None


class Outputs:
    """Where the estimates of a run go; a context manager.

    Parameters
    ----------
    stop : callable
        Ends the run: the reader of stdout has gone, or no output is left.
    waiting : callable, optional
        At fast pace: whether the run waits for its outputs (see `Writer`).
    others : int, optional
        Outputs that are not of here, such as the bus: they make it worth while to go on when one
        of ours is lost.

    Attributes
    ----------
    failed : bool
        Whether an output was lost on the way.
    """

    def __init__(
        self,
        stop: Callable[[], None],
        *,
        waiting: Callable[[], bool] | None = None,
        others: int = 0,
    ) -> None:
        self.failed = False
        self._stop = stop
        self._waiting = waiting
        self._left = others
        self._last: OutputError | None = None
        self._dropped_before = 0  # by what was left on the way
        self._lines: list[_Lines] = []
        self._picture: Writer[MoodEstimate | str] | None = None
        self._shown: _Shown | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "Outputs":
        self._stack.enter_context(said_aside(self._above))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.close()
        finally:
            self._stack.close()

    def add_log(self, path: Path, stream: str | None = None) -> None:
        """Append lines of JSON to a file: all, or those of one stream.

        Raises
        ------
        UsageError, OutputError
            If the path names no file, or it cannot be opened.
        """
        if undash(str(path)) == "-":
            raise UsageError(
                "--jsonl - names no file: estimates go to stdout by themselves where that is not "
                "a terminal; name a file, such as --jsonl mood.jsonl"
            )
        self._add(LogFile(path, self._lose, inform), "log", stream, path)

    def drop_log(self, path: Path, stream: str | None = None) -> None:
        """Write what waits for a file, and leave it."""
        for lines in self._lines:
            if (lines.path, lines.stream) == (path, stream):
                self._lines.remove(lines)
                self._dropped_before += lines.writer.dropped
                self._left -= 1
                lines.writer.end()
                # Not here: its disk may stand still.
                threading.Thread(target=lines.writer.close, daemon=True).start()
                return

    def add_lines(self) -> None:
        """Write lines of JSON to stdout; their reader's end is the end of the run."""
        self._add(StdoutLines(sys.stdout, self._stop, self._lose), "lines")

    def add_picture(self, picture: Picture) -> None:
        """Show a picture, which begins with the first estimate or notice."""
        self._shown = _Shown(picture)
        self._picture = Writer(self._shown, "view", depth=_PICTURES_WAITING)
        self._left += 1

    def put(self, estimate: MoodEstimate) -> None:
        """Give an estimate to every output."""
        for lines in self._lines:
            if lines.stream is None or lines.stream == estimate.stream:
                lines.writer.put(estimate)
        if self._picture is not None:
            self._picture.put(estimate)

    def note(self, notice: str) -> None:
        """Show a notice in the picture, if there is one."""
        if self._picture is not None:
            self._picture.put(notice)

    @property
    def dropped_lines(self) -> int:
        """Lines that the outputs were too slow to take, or could not take at all."""
        return self._dropped_before + sum(lines.writer.dropped for lines in self._lines)

    def close(self) -> None:
        """Write what waits, for a while, and leave the outputs.

        Raises
        ------
        OutputError
            If none was left, nor anything else that would have made it worth while to go on.
        """
        writers: list[Writer[MoodEstimate] | Writer[MoodEstimate | str]] = [
            lines.writer for lines in self._lines
        ]
        if self._picture is not None:
            writers.append(self._picture)
        for writer in writers:
            writer.end()
        for writer in writers:
            writer.close()
        last, self._last = self._last, None
        if last is not None:
            raise last

    def _add(
        self,
        target: Target[MoodEstimate],
        name: str,
        stream: str | None = None,
        path: Path | None = None,
    ) -> None:
        self._lines.append(_Lines(Writer(target, name, waiting=self._waiting), stream, path))
        self._left += 1

    def _lose(self, error: OutputError) -> None:
        self.failed = True
        self._left -= 1
        if self._left > 0:
            complain(f"{error}; the mood goes on without it")
        else:
            self._last = error
            self._stop()

    def _above(self, line: str) -> bool:
        return self._shown is not None and self._shown.say(line)


class _Shown:
    """A picture as the target of a writer: drawn in its thread, from first to last."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._begun = self._lost = False

    def ready(self) -> bool:
        return True

    def write(self, item: MoodEstimate | str, /) -> int:
        with self._losing():
            if not self._begun and not self._lost:
                self._picture.__enter__()
                self._begun = True
            if self._lost:
                pass
            elif isinstance(item, str):
                self._picture.note(item)
            else:
                self._picture.update(item)
        return 0

    def say(self, line: str) -> bool:
        with self._losing():
            return self._begun and self._picture.say(line)
        return False

    def close(self) -> None:
        with self._losing():
            if self._begun:
                self._begun = False
                self._picture.__exit__(None, None, None)

    @contextmanager
    def _losing(self) -> Iterator[None]:
        # The terminal was closed: nobody is left to whom that could be said.
        try:
            yield
        except OSError:
            self._begun, self._lost = False, True
