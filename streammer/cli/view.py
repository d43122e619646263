"""The live view of a stream in a terminal, shared by `listen` and `watch`.

`render` is a pure function of what was heard; `LiveView` puts its result on the terminal, at most
four times a second. It fits into 80 x 24, says nothing by colour alone, and keeps to ASCII where
the terminal takes nothing else.
"""

import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style

from streammer.clock import Clock, SystemClock
from streammer.estimate import MoodEstimate, Quadrant, State

__all__ = ["LiveView", "Screen", "render"]

WIDTH, HEIGHT = 79, 23
"""Cells of the view; one less than 80 x 24, so that no terminal wraps or scrolls."""

TRAIL = 40
"""Estimates kept for the trail: 20 s."""

REFRESH_S = 0.25
"""Shortest time between two pictures."""

_PLANE_COLUMNS, _PLANE_ROWS = 37, 17
_PANEL = _PLANE_COLUMNS + 5
_BAR = 29

_QUADRANTS: dict[Quadrant, str] = {
    "Q1": "Q1 happy, excited",
    "Q2": "Q2 tense, angry",
    "Q3": "Q3 sad, gloomy",
    "Q4": "Q4 calm, content",
}
_STATES: dict[State, str] = {
    "ended": "has ended",
    "degraded": "no sound arrives",
    "silent": "silence",
    "warming": "listening in",
    "clipping": "too loud, clipping",
    "live": "hearing music",
}
_STATE_STYLES: dict[State, Style] = {
    "ended": Style(dim=True),
    "degraded": Style(color="red", bold=True),
    "silent": Style(color="blue", bold=True),
    "warming": Style(color="cyan", bold=True),
    "clipping": Style(color="yellow", bold=True),
    "live": Style(color="green", bold=True),
}
_DIM = Style(dim=True)
_BOLD = Style(bold=True)
_NOW = Style(color="bright_yellow", bold=True)
_SPREAD = Style(color="yellow")
_NONE = Style.null()


@dataclass(frozen=True)
class _Glyphs:
    """What the picture is drawn with."""

    horizontal: str
    vertical: str
    cross: str
    left: str
    right: str
    corners: str
    now: str
    trail: str  # oldest first
    spread_horizontal: str
    spread_vertical: str
    filled: str
    empty: str
    plus_minus: str


_UNICODE = _Glyphs("─", "│", "┼", "├", "┤", "┌┐└┘", "●", "··∙•", "━", "┃", "█", "░", "±")
_ASCII = _Glyphs("-", "|", "+", "|", "|", "++++", "@", "..oo", "=", "!", "#", ".", "+-")


@dataclass(frozen=True)
class Screen:
    """One picture; it draws itself for the console that shows it."""

    history: tuple[MoodEstimate, ...]
    where: str = ""
    notice: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines, in what the console's encoding can say."""
        canvas = _Canvas(_ASCII if options.ascii_only else _UNICODE)
        mood = self.history[-1] if self.history else None
        _draw_plane(canvas, self.history)
        if mood is not None:
            _draw_panel(canvas, mood, past=bool(self.notice))
        canvas.put(HEIGHT - 2, 1, self.notice, _BOLD)
        canvas.put(HEIGHT - 1, 1, self.where[: WIDTH - 16], _DIM)
        canvas.put(HEIGHT - 1, WIDTH - 12, "Ctrl-C ends", _DIM)
        yield from canvas.segments(min(options.max_width, WIDTH))


def render(history: Sequence[MoodEstimate], where: str = "", notice: str = "") -> Screen:
    """Return the picture of a stream.

    Parameters
    ----------
    history : sequence of MoodEstimate
        Oldest first; the last one is what is shown in numbers, the last `TRAIL` make the trail.
    where : str
        Where the estimates come from or go to; the bottom line.
    notice : str
        That nothing arrives any more, and why; the last mood is then shown as one of the past.

    Returns
    -------
    Screen
        A rich renderable of `HEIGHT` lines, at most `WIDTH` cells wide, whatever it shows.
    """
    return Screen(tuple(history)[-TRAIL:], where, notice)


class LiveView:
    """A picture that stays in its place while a stream goes on; a context manager.

    Parameters
    ----------
    where : str
        See `render`.
    console : rich.console.Console, optional
        By default the terminal behind stdout.
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
            console=console or Console(file=sys.stdout, highlight=False),
            auto_refresh=False,
            vertical_overflow="crop",
            redirect_stdout=False,
            # Complaints stand above the picture, unless they go elsewhere.
            redirect_stderr=sys.stderr is not None and sys.stderr.isatty(),
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

    def _draw(self) -> None:
        self._drawn_at = self._clock.monotonic()
        self._live.update(render(self._history, self._where, self._notice), refresh=True)


class _Canvas:
    """A grid of cells with a style each; what falls outside is not drawn."""

    def __init__(self, glyphs: _Glyphs) -> None:
        self.glyphs = glyphs
        self._cells = [[(" ", _NONE)] * WIDTH for _ in range(HEIGHT)]

    def put(self, row: int, column: int, text: str, style: Style = _NONE) -> None:
        """Write `text`, printable and narrow, from a cell on."""
        for offset, char in enumerate(text):
            if 0 <= row < HEIGHT and 0 <= column + offset < WIDTH:
                self._cells[row][column + offset] = (self._shown(char), style)

    def segments(self, width: int) -> RenderResult:
        """Yield the grid line by line."""
        for row in self._cells:
            run, style = "", _NONE
            for char, cell_style in row[:width]:
                if cell_style is not style and run:
                    yield Segment(run, style)
                    run = ""
                run, style = run + char, cell_style
            yield Segment(run, style)
            yield Segment.line()

    def _shown(self, char: str) -> str:
        # A name from the wire may hold anything: control sequences, wide characters.
        narrow = char.isprintable() and (char.isascii() or ord(char) < 0x300 or char in _DRAWN)
        return char if narrow and (char.isascii() or self.glyphs is _UNICODE) else "?"


_DRAWN = set("".join(vars(_UNICODE).values()))


def _draw_plane(canvas: _Canvas, history: Sequence[MoodEstimate]) -> None:
    """Draw the plane of valence (to the right) and arousal (upwards), and the way the mood took."""
    g, top, left = canvas.glyphs, 2, 2
    bottom, right = top + _PLANE_ROWS - 1, left + _PLANE_COLUMNS - 1
    middle, centre = (top + bottom) // 2, (left + right) // 2
    canvas.put(0, centre - 4, "energetic", _DIM)
    canvas.put(bottom + 2, centre - 2, "calm", _DIM)
    for column in range(left, right + 1):
        for row in (top - 1, middle, bottom + 1):
            canvas.put(row, column, g.horizontal, _DIM)
    for row in range(top, bottom + 1):
        for column in (left - 1, centre, right + 1):
            canvas.put(row, column, g.vertical, _DIM)
    for corner, (row, column) in zip(
        g.corners,
        (
            (top - 1, left - 1),
            (top - 1, right + 1),
            (bottom + 1, left - 1),
            (bottom + 1, right + 1),
        ),
        strict=True,
    ):
        canvas.put(row, column, corner, _DIM)
    canvas.put(middle, centre, g.cross, _DIM)
    for name, row, column in (
        ("Q2 tense", top, left + 1),
        ("excited Q1", top, right - 10),
        ("Q3 sad", bottom, left + 1),
        ("content Q4", bottom, right - 10),
        ("negative", middle + 1, left + 1),
        ("positive", middle + 1, right - 8),
    ):
        canvas.put(row, column, name, _DIM)

    def cell(valence: float, arousal: float) -> tuple[int, int]:
        column = left + round((valence + 1.0) / 2.0 * (_PLANE_COLUMNS - 1))
        return top + round((1.0 - arousal) / 2.0 * (_PLANE_ROWS - 1)), column

    points = [m for m in history if m.valence is not None and m.arousal is not None]
    for age, m in zip(range(len(points) - 1, 0, -1), points, strict=False):
        assert m.valence is not None
        assert m.arousal is not None
        mark = g.trail[min(3, 3 - age * 4 // TRAIL)] if age < TRAIL else g.trail[0]
        canvas.put(*cell(m.valence, m.arousal), mark, _SPREAD)
    if points and points[-1] is history[-1]:
        m = points[-1]
        assert m.valence is not None
        assert m.arousal is not None
        row, column = cell(m.valence, m.arousal)
        _, first = cell(max(-1.0, m.valence - (m.sigma_valence or 0.0)), m.arousal)
        _, last = cell(min(1.0, m.valence + (m.sigma_valence or 0.0)), m.arousal)
        canvas.put(row, first, g.spread_horizontal * (last - first + 1), _SPREAD)
        first, _ = cell(m.valence, min(1.0, m.arousal + (m.sigma_arousal or 0.0)))
        last, _ = cell(m.valence, max(-1.0, m.arousal - (m.sigma_arousal or 0.0)))
        for between in range(first, last + 1):
            canvas.put(between, column, g.spread_vertical, _SPREAD)
        canvas.put(row, column, g.now, _NOW)


def _draw_panel(canvas: _Canvas, m: MoodEstimate, *, past: bool) -> None:
    """Write what the plane cannot show."""
    canvas.put(1, _PANEL, m.stream[:_BAR], _BOLD)
    canvas.put(1, WIDTH - 10, _clock_time(m.t_audio_s).rjust(9), _BOLD)
    _draw_axis(canvas, 3, "valence", m.valence, m.sigma_valence)
    _draw_axis(canvas, 6, "arousal", m.arousal, m.sigma_arousal)
    state = f"{m.state} (last heard)" if past else f"{m.state}: {_STATES[m.state]}"
    rows: list[tuple[str, str, Style]] = [
        ("mood", "unknown" if m.quadrant is None else _QUADRANTS[m.quadrant], _BOLD),
        ("state", state, _DIM if past else _STATE_STYLES[m.state]),
    ]
    for row, (name, text, style) in enumerate(rows, start=9):
        canvas.put(row, _PANEL, name, _DIM)
        canvas.put(row, _PANEL + 9, text, style)
    canvas.put(12, _PANEL, "level", _DIM)
    canvas.put(12, _PANEL + 9, f"{m.level_dbfs:6.1f} dBFS")
    filled = round(min(1.0, max(0.0, (m.level_dbfs + 60.0) / 60.0)) * 10)
    canvas.put(12, _PANEL + 22, canvas.glyphs.filled * filled, _STATE_STYLES["live"])
    canvas.put(12, _PANEL + 22 + filled, canvas.glyphs.empty * (10 - filled), _DIM)
    facts = [("lag", f"{m.lag_ms:6.1f} ms"), ("lost", f"{m.lost_samples:6d} samples")]
    for name, value in (("positive", m.p_positive), ("energetic", m.p_energetic)):
        if value is not None:
            facts.append((name, f"{value * 100.0:6.0f} %"))
    facts.append(("model", m.model))
    for row, (name, text) in enumerate(facts, start=13):
        canvas.put(row, _PANEL, name, _DIM)
        canvas.put(row, _PANEL + 9 + (name == "energetic"), text[: WIDTH - _PANEL - 10])


def _draw_axis(
    canvas: _Canvas, row: int, name: str, value: float | None, sigma: float | None
) -> None:
    """Write a value with its uncertainty, and a bar from -1 to 1 that shows both."""
    g = canvas.glyphs
    canvas.put(row, _PANEL, name, _DIM)
    if value is None:
        canvas.put(row, _PANEL + 9, "not given by this model")
        return
    spread = "" if sigma is None else f" {g.plus_minus} {sigma:.2f}"
    canvas.put(row, _PANEL + 9, f"{value:+.2f}{spread}", _BOLD)

    def cell(x: float) -> int:
        return _PANEL + 3 + round((min(1.0, max(-1.0, x)) + 1.0) / 2.0 * (_BAR - 1))

    bar = row + 1
    canvas.put(bar, _PANEL, "-1", _DIM)
    canvas.put(bar, _PANEL + 3, g.horizontal * _BAR, _DIM)
    canvas.put(bar, _PANEL + 4 + _BAR, "+1", _DIM)
    canvas.put(bar, cell(0.0), g.cross, _DIM)
    if sigma is not None:
        first, last = cell(value - sigma), cell(value + sigma)
        canvas.put(bar, first, g.spread_horizontal * (last - first + 1), _SPREAD)
    canvas.put(bar, cell(value), g.now, _NOW)


def _clock_time(seconds: float) -> str:
    """Return h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
