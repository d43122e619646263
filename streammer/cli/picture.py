"""The picture of a stream: a plane with the mood and its way, and a panel with the numbers.

`render` is a pure function of the estimates; the picture fits itself to its terminal. Nothing is
said by colour alone, and where the terminal takes nothing else, it keeps to ASCII.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.style import Style

from streammer.cli.canvas import ASCII, BOLD, DIM, NOW, SPREAD, STATE_STYLES, UNICODE, Canvas
from streammer.cli.words import clock_time, in_one_line, mood_words, state_words
from streammer.estimate import MoodEstimate

__all__ = ["MIN_COLUMNS", "MIN_ROWS", "TRAIL", "Layout", "Screen", "render"]

MIN_COLUMNS = 80
MIN_ROWS = 24
"""The smallest terminal that holds the picture; in a smaller one, the numbers stand alone."""

TRAIL = 40
"""Estimates kept for the trail: 20 s."""

_MAX_COLUMNS, _MAX_ROWS = 240, 70
_AROUND_PLANE = 6
_PANEL_WIDTH = 42
_MAX_BAR = 61


@dataclass(frozen=True)
class Layout:
    """Where things stand in a terminal of a given size.

    Attributes
    ----------
    width, height : int
        Cells of the picture: one less than the terminal, so that it neither wraps nor scrolls.
    columns, rows : int
        Cells of the plane, both odd, so that it has a middle.
    panel : int
        Column at which the numbers begin.
    bar : int
        Cells of the axis under a number.
    """

    width: int
    height: int
    columns: int
    rows: int
    panel: int
    bar: int

    @classmethod
    def fit(cls, terminal_columns: int, terminal_rows: int) -> "Layout | None":
        """Return the layout for a terminal, or None if that is too small."""
        if terminal_columns < MIN_COLUMNS or terminal_rows < MIN_ROWS:
            return None
        width = min(terminal_columns, _MAX_COLUMNS) - 1
        height = min(terminal_rows, _MAX_ROWS) - 1
        rows = (height - _AROUND_PLANE - 1) // 2 * 2 + 1
        # A cell is twice as high as it is wide; up to half as wide again, the plane is still one.
        columns = (min(width - _PANEL_WIDTH, 3 * rows) - 1) // 2 * 2 + 1
        panel = columns + 5
        return cls(width, height, columns, rows, panel, min(_MAX_BAR, width - panel - 8))


@dataclass(frozen=True)
class Screen:
    """One picture; it draws itself for the console that shows it."""

    history: tuple[MoodEstimate, ...]
    where: str = ""
    notice: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines, in what the console's encoding can say."""
        layout = Layout.fit(options.max_width, options.size.height)
        glyphs = ASCII if options.ascii_only else UNICODE
        mood = self.history[-1] if self.history else None
        if layout is None:
            width, height = max(1, options.max_width - 1), max(1, options.size.height - 1)
            canvas = Canvas(glyphs, width, height)
            for row, text in enumerate(_few_words(mood, self.notice, self.where)):
                canvas.put(row, 0, text)
        else:
            canvas = Canvas(glyphs, layout.width, layout.height)
            _draw_plane(canvas, layout, self.history)
            if mood is not None:
                _draw_panel(canvas, layout, mood, past=bool(self.notice))
            canvas.put(layout.height - 2, 1, self.notice, BOLD)
            canvas.put(layout.height - 1, 1, self.where[: layout.width - 16], DIM)
            canvas.put(layout.height - 1, layout.width - 12, "Ctrl-C ends", DIM)
        yield from canvas.segments()


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
        A rich renderable, one line and one column smaller than the console that shows it.
    """
    return Screen(tuple(history)[-TRAIL:], where, notice)


def _few_words(mood: MoodEstimate | None, notice: str, where: str) -> Iterator[str]:
    """Yield what a small terminal has room for, the most important first."""
    if mood is not None:
        yield from in_one_line(mood).split(", ")
    if notice:
        yield notice
    yield where


def _draw_plane(canvas: Canvas, layout: Layout, history: Sequence[MoodEstimate]) -> None:
    """Draw the plane of valence (to the right) and arousal (upwards), and the way the mood took."""
    g, top, left = canvas.glyphs, 2, 2
    bottom, right = top + layout.rows - 1, left + layout.columns - 1
    middle, centre = (top + bottom) // 2, (left + right) // 2
    canvas.put(0, centre - 4, "energetic", DIM)
    canvas.put(bottom + 2, centre - 2, "calm", DIM)
    for column in range(left, right + 1):
        for row in (top - 1, middle, bottom + 1):
            canvas.put(row, column, g.horizontal, DIM)
    for row in range(top, bottom + 1):
        for column in (left - 1, centre, right + 1):
            canvas.put(row, column, g.vertical, DIM)
    places = ((top - 1, left - 1), (top - 1, right + 1), (bottom + 1, left - 1))
    for corner, (row, column) in zip(g.corners, (*places, (bottom + 1, right + 1)), strict=True):
        canvas.put(row, column, corner, DIM)
    canvas.put(middle, centre, g.cross, DIM)
    for name, row, column in (
        ("Q2 tense", top, left + 1),
        ("excited Q1", top, right - 10),
        ("Q3 sad", bottom, left + 1),
        ("content Q4", bottom, right - 10),
        ("negative", middle + 1, left + 1),
        ("positive", middle + 1, right - 8),
    ):
        canvas.put(row, column, name, DIM)
    _draw_way(canvas, layout, history)


def _draw_way(canvas: Canvas, layout: Layout, history: Sequence[MoodEstimate]) -> None:
    """Draw the moods of the last 20 s, and the last one with its uncertainty."""
    g = canvas.glyphs

    def cell(valence: float, arousal: float) -> tuple[int, int]:
        column = 2 + round((valence + 1.0) / 2.0 * (layout.columns - 1))
        return 2 + round((1.0 - arousal) / 2.0 * (layout.rows - 1)), column

    points = [
        (m.valence, m.arousal) for m in history if m.valence is not None and m.arousal is not None
    ]
    for age, point in zip(range(len(points) - 1, 0, -1), points, strict=False):
        mark = g.trail[min(3, 3 - age * 4 // TRAIL)] if age < TRAIL else g.trail[0]
        canvas.put(*cell(*point), mark, SPREAD)
    m = history[-1] if history else None
    if m is None or m.valence is None or m.arousal is None:
        return
    row, column = cell(m.valence, m.arousal)
    _, first = cell(max(-1.0, m.valence - (m.sigma_valence or 0.0)), m.arousal)
    _, last = cell(min(1.0, m.valence + (m.sigma_valence or 0.0)), m.arousal)
    canvas.put(row, first, g.spread_horizontal * (last - first + 1), SPREAD)
    first, _ = cell(m.valence, min(1.0, m.arousal + (m.sigma_arousal or 0.0)))
    last, _ = cell(m.valence, max(-1.0, m.arousal - (m.sigma_arousal or 0.0)))
    for between in range(first, last + 1):
        canvas.put(between, column, g.spread_vertical, SPREAD)
    canvas.put(row, column, g.now, NOW)


def _draw_panel(canvas: Canvas, layout: Layout, m: MoodEstimate, *, past: bool) -> None:
    """Write what the plane cannot show."""
    panel, width = layout.panel, layout.width
    canvas.put(1, panel, m.stream[: layout.bar], BOLD)
    canvas.put(1, width - 10, clock_time(m.t_audio_s).rjust(9), BOLD)
    _draw_axis(canvas, layout, 3, "valence", m.valence, m.sigma_valence)
    _draw_axis(canvas, layout, 6, "arousal", m.arousal, m.sigma_arousal)
    state = f"{m.state} (last estimate)" if past else f"{m.state}: {state_words(m)}"
    rows: list[tuple[str, str, Style]] = [
        ("mood", mood_words(m), BOLD),
        ("state", state, DIM if past else STATE_STYLES[m.state]),
    ]
    for row, (name, text, style) in enumerate(rows, start=9):
        canvas.put(row, panel, name, DIM)
        canvas.put(row, panel + 9, text, style)
    canvas.put(12, panel, "level", DIM)
    canvas.put(12, panel + 9, f"{m.level_dbfs:6.1f} dBFS")
    filled = round(min(1.0, max(0.0, (m.level_dbfs + 60.0) / 60.0)) * 10)
    canvas.put(12, panel + 22, canvas.glyphs.filled * filled, STATE_STYLES["live"])
    canvas.put(12, panel + 22 + filled, canvas.glyphs.empty * (10 - filled), DIM)
    facts = [("lag", f"{m.lag_ms:6.1f} ms"), ("lost", f"{m.lost_samples:6d} samples")]
    for name, value in (("positive", m.p_positive), ("energetic", m.p_energetic)):
        if value is not None:
            facts.append((name, f"{value * 100.0:6.0f} %"))
    facts.append(("model", m.model))
    for row, (name, text) in enumerate(facts, start=13):
        canvas.put(row, panel, name, DIM)
        canvas.put(row, panel + 9 + (name == "energetic"), text[: width - panel - 10])


def _draw_axis(
    canvas: Canvas, layout: Layout, row: int, name: str, value: float | None, sigma: float | None
) -> None:
    """Write a value with its uncertainty, and a bar from -1 to 1 that shows both."""
    g, panel, width = canvas.glyphs, layout.panel, layout.bar
    canvas.put(row, panel, name, DIM)
    if value is None:
        canvas.put(row, panel + 9, "not given by this model")
        return
    spread = "" if sigma is None else f" {g.plus_minus} {sigma:.2f}"
    canvas.put(row, panel + 9, f"{value:+.2f}{spread}", BOLD)

    def cell(x: float) -> int:
        return panel + 3 + round((min(1.0, max(-1.0, x)) + 1.0) / 2.0 * (width - 1))

    bar = row + 1
    canvas.put(bar, panel, "-1", DIM)
    canvas.put(bar, panel + 3, g.horizontal * width, DIM)
    canvas.put(bar, panel + 4 + width, "+1", DIM)
    canvas.put(bar, cell(0.0), g.cross, DIM)
    if sigma is not None:
        first, last = cell(value - sigma), cell(value + sigma)
        canvas.put(bar, first, g.spread_horizontal * (last - first + 1), SPREAD)
    canvas.put(bar, cell(value), g.now, NOW)
