"""The view of a stream in a terminal, shared by `listen` and `watch`.

A terminal that can move its cursor and has room gets a picture that stays in its place, at most
four times a second; any other gets a line every five seconds.
"""

import sys
from collections import deque
from types import TracebackType
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live

from streammer.cli.outputs import Picture
from streammer.cli.picture import TRAIL, Layout, render
from streammer.cli.tiles import Tiles
from streammer.cli.words import in_one_line
from streammer.clock import Clock, SystemClock
from streammer.estimate import MoodEstimate
from streammer.system.unbuffered import unbuffered

__all__ = ["LINE_EVERY_S", "REFRESH_S", "LineView", "LiveView", "Shown", "view_for"]

REFRESH_S = 0.25
"""Shortest time between two pictures."""

LINE_EVERY_S = 5.0
"""Time between two lines where there is no picture [s]."""


class Shown(Protocol):
    """What a picture shows."""

    def take(self, estimate: MoodEstimate) -> None:
        """Take an estimate in."""
        ...

    def picture(self, where: str, notice: str) -> RenderableType:
        """Return the picture of what was taken in."""
        ...


class Trail:
    """The last estimates of one stream."""

    def __init__(self) -> None:
        self._history: deque[MoodEstimate] = deque(maxlen=TRAIL)

    def take(self, estimate: MoodEstimate) -> None:
        """Take an estimate in; those of another epoch are of the past."""
        if self._history and self._history[-1].epoch != estimate.epoch:
            self._history.clear()
        self._history.append(estimate)

    def picture(self, where: str, notice: str) -> RenderableType:
        """Return the plane with the mood and its way, and the numbers."""
        return render(self._history, where, notice)


def view_for(where: str = "", *, many: bool = False) -> Picture:
    """Return the view that the terminal behind stdout can show.

    Parameters
    ----------
    where : str
        Its bottom line.
    many : bool
        Whether there are many streams: each is a tile, or a line.
    """
    console = Console(file=unbuffered(sys.stdout), highlight=False)
    if console.is_dumb_terminal or Layout.fit(console.width, console.height) is None:
        return LineView(where, console, named=many)
    return LiveView(where, console, shown=Tiles() if many else Trail())


class LiveView:
    """A picture that stays in its place while a stream goes on; a context manager.

    Parameters
    ----------
    where : str
        See `render`.
    shown : Shown, optional
        What is shown; by default the trail of one stream.
    console : rich.console.Console, optional
        By default the terminal behind stdout, written to without a buffer.
    clock : Clock, optional
        Tells when the next picture may be drawn.
    """

    def __init__(
        self,
        where: str = "",
        console: Console | None = None,
        *,
        clock: Clock | None = None,
        shown: Shown | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._where = where
        self._notice = ""
        self._shown = shown or Trail()
        self._drawn_at = float("-inf")
        self._live = Live(
            self._shown.picture(where, ""),
            console=console or Console(file=unbuffered(sys.stdout), highlight=False),
            auto_refresh=False,
            vertical_overflow="crop",
            redirect_stdout=False,
            redirect_stderr=False,  # `say` does it, for our own lines
        )

    def __enter__(self) -> "LiveView":
        self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._draw()
        self._live.stop()

    def update(self, estimate: MoodEstimate) -> None:
        """Show an estimate; of many that come at once, the last is drawn."""
        self._shown.take(estimate)
        if self._clock.monotonic() - self._drawn_at >= REFRESH_S:
            self._draw()

    def note(self, notice: str) -> None:
        """Show a notice until the next one; an empty one takes it away."""
        if notice != self._notice:
            self._notice = notice
            self._draw()

    def say(self, line: str) -> bool:
        """Show a line above the picture, unless stderr goes elsewhere."""
        if sys.stderr is None or not sys.stderr.isatty():
            return False
        self._live.console.print(line, markup=False, soft_wrap=True)
        return True

    def _draw(self) -> None:
        self._drawn_at = self._clock.monotonic()
        self._live.update(self._shown.picture(self._where, self._notice), refresh=True)


class LineView:
    """A line every five seconds, where a picture has no room; a context manager.

    Parameters
    ----------
    where, console, clock
        As in `LiveView`.
    named : bool
        Whether there are many streams: each has its line, which begins with its name.
    """

    def __init__(
        self, where: str, console: Console, *, clock: Clock | None = None, named: bool = False
    ) -> None:
        self._where = where
        self._console = console
        self._clock = clock or SystemClock()
        self._named = named
        self._shown_at: dict[str, float] = {}

    def __enter__(self) -> "LineView":
        self._print(self._where)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the lines as they are."""

    def update(self, estimate: MoodEstimate) -> None:
        """Show an estimate if its turn has come."""
        now = self._clock.monotonic()
        if now - self._shown_at.get(estimate.stream, float("-inf")) >= LINE_EVERY_S:
            self._shown_at[estimate.stream] = now
            name = f"{estimate.stream}: " if self._named else ""
            self._print(name + in_one_line(estimate))

    def note(self, notice: str) -> None:
        """Show a notice."""
        if notice:
            self._print(notice)

    def say(self, line: str) -> bool:
        """Lines need no place above the picture."""
        return False

    def _print(self, line: str) -> None:
        safe = "".join(char if char.isprintable() else "?" for char in line)
        self._console.print(safe, markup=False, soft_wrap=True)
