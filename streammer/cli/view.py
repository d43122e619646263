"""The view of a stream in a terminal, shared by `listen` and `watch`.

A terminal that can move its cursor and has room gets a picture that stays in its place, at most
four times a second; any other gets a line every five seconds.
"""

import sys
from collections import deque
from types import TracebackType

from rich.console import Console
from rich.live import Live

from streammer.cli.outputs import Picture
from streammer.cli.picture import TRAIL, Layout, render
from streammer.cli.words import in_one_line
from streammer.clock import Clock, SystemClock
from streammer.estimate import MoodEstimate
from streammer.system.unbuffered import unbuffered

__all__ = ["LINE_EVERY_S", "REFRESH_S", "LineView", "LiveView", "view_for"]

REFRESH_S = 0.25
"""Shortest time between two pictures."""

LINE_EVERY_S = 5.0
"""Time between two lines where there is no picture [s]."""


def view_for(where: str = "") -> Picture:
    """Return the view that the terminal behind stdout can show; `where` is its bottom line."""
    console = Console(file=unbuffered(sys.stdout), highlight=False)
    if console.is_dumb_terminal or Layout.fit(console.width, console.height) is None:
        return LineView(where, console)
    return LiveView(where, console)


class LiveView:
    """A picture that stays in its place while a stream goes on; a context manager.

    Parameters
    ----------
    where : str
        See `render`.
    console : rich.console.Console, optional
        By default the terminal behind stdout, written to without a buffer.
    clock : Clock, optional
        Tells when the next picture may be drawn.
    """

    def __init__(
        self, where: str = "", console: Console | None = None, *, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._where = where
        self._notice = ""
        self._history: deque[MoodEstimate] = deque(maxlen=TRAIL)
        self._drawn_at = float("-inf")
        self._live = Live(
            render((), where),
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
        if self._history and self._history[-1].epoch != estimate.epoch:
            self._history.clear()
        self._history.append(estimate)
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
        self._live.update(render(self._history, self._where, self._notice), refresh=True)


class LineView:
    """A line every five seconds, where a picture has no room; a context manager.

    Parameters
    ----------
    where, console, clock
        As in `LiveView`.
    """

    def __init__(self, where: str, console: Console, *, clock: Clock | None = None) -> None:
        self._where = where
        self._console = console
        self._clock = clock or SystemClock()
        self._shown_at = float("-inf")

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
        if now - self._shown_at >= LINE_EVERY_S:
            self._shown_at = now
            self._print(in_one_line(estimate))

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
