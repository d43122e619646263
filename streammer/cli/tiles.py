"""The picture of many streams: a tile for each, or a line where tiles have no room."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

from streammer.cli.canvas import ASCII, BOLD, DIM, NOW, STATE_STYLES, UNICODE, Canvas
from streammer.cli.words import clock_time, mood_words
from streammer.estimate import MoodEstimate

__all__ = ["Tiles", "TilesScreen"]

TILE_COLUMNS, TILE_ROWS = 26, 6
"""Least cells of a tile, its frame included."""

_MAX_COLUMNS = 40
_SHOWN_MAX = 1024


class Tiles:
    """The last estimate of every stream, by name."""

    def __init__(self) -> None:
        self._last: dict[str, MoodEstimate] = {}

    def take(self, estimate: MoodEstimate) -> None:
        """Take an estimate in."""
        if estimate.stream in self._last or len(self._last) < _SHOWN_MAX:
            self._last[estimate.stream] = estimate

    def picture(self, where: str, notice: str) -> RenderableType:
        """Return the picture of all."""
        return TilesScreen(tuple(self._last[name] for name in sorted(self._last)), where, notice)


@dataclass(frozen=True)
class TilesScreen:
    """One picture of many streams; it fits itself to the console that shows it.

    Attributes
    ----------
    moods : tuple of MoodEstimate
        The last of each stream, in the order in which they are shown.
    where, notice : str
        The bottom line, and the one above it.
    """

    moods: tuple[MoodEstimate, ...]
    where: str = ""
    notice: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines, in what the console's encoding can say."""
        width, height = max(1, options.max_width - 1), max(3, options.size.height - 1)
        canvas = Canvas(ASCII if options.ascii_only else UNICODE, width, height)
        room = height - 2
        across = max(1, min(width // TILE_COLUMNS, max(1, len(self.moods))))
        if len(self.moods) <= across * (room // TILE_ROWS):
            columns = min(_MAX_COLUMNS, width // across)
            for k, mood in enumerate(self.moods):
                _draw_tile(canvas, mood, k // across * TILE_ROWS, k % across * columns, columns)
        else:
            _draw_lines(canvas, self.moods, room, width)
        canvas.put(height - 2, 1, self.notice, BOLD)
        canvas.put(height - 1, 1, self.where[: width - 16], DIM)
        canvas.put(height - 1, width - 12, "Ctrl-C ends", DIM)
        yield from canvas.segments()


def _draw_tile(canvas: Canvas, m: MoodEstimate, top: int, left: int, columns: int) -> None:
    g, right = canvas.glyphs, left + columns - 2
    for row, ends in ((top, g.corners[:2]), (top + TILE_ROWS - 1, g.corners[2:])):
        canvas.put(row, left, ends[0] + g.horizontal * (right - left - 1) + ends[1], DIM)
    for row in range(top + 1, top + TILE_ROWS - 1):
        canvas.put(row, left, g.vertical, DIM)
        canvas.put(row, right, g.vertical, DIM)
    room = right - left - 3
    canvas.put(top, left + 2, f" {m.stream[: room - 10]} ", BOLD)
    time = f" {clock_time(m.t_audio_s)} "
    canvas.put(top, right - 1 - len(time), time, DIM)
    canvas.put(top + 1, left + 2, mood_words(m)[:room], BOLD)
    for row, (name, value) in enumerate((("valence", m.valence), ("arousal", m.arousal)), top + 2):
        canvas.put(row, left + 2, name, DIM)
        if value is None:
            canvas.put(row, left + 10, "not given")
            continue
        canvas.put(row, left + 10, f"{value:+.2f}")
        bar = room - 14
        canvas.put(row, left + 16, g.horizontal * bar, DIM)
        at = round((min(1.0, max(-1.0, value)) + 1.0) / 2.0 * (bar - 1))
        canvas.put(row, left + 16 + at, g.now, NOW)
    canvas.put(top + 4, left + 2, m.state, STATE_STYLES[m.state])
    canvas.put(top + 4, left + 11, f"{m.level_dbfs:6.1f} dBFS"[:room])


def _draw_lines(canvas: Canvas, moods: Sequence[MoodEstimate], rows: int, width: int) -> None:
    """Write a line a stream; of those that have no room, their number and states."""
    shown = moods if len(moods) <= rows else moods[: rows - 1]
    names = max(8, min(24, max(len(m.stream) for m in shown)))
    for row, m in enumerate(shown):
        canvas.put(row, 1, m.stream[:names], BOLD)
        canvas.put(row, names + 3, m.state, STATE_STYLES[m.state])
        canvas.put(row, names + 13, _in_few_words(m)[: width - names - 13])
    if len(shown) < len(moods):
        rest = moods[len(shown) :]
        states: Mapping[str, int] = {s: sum(m.state == s for m in rest) for s in STATE_STYLES}
        words = ", ".join(f"{n} {state}" for state, n in states.items() if n)
        canvas.put(rows - 1, 1, f"and {len(rest)} more: {words}", DIM)


def _in_few_words(m: MoodEstimate) -> str:
    values = "".join("   -- " if x is None else f"{x:+.2f} " for x in (m.valence, m.arousal))
    return f"{values}{m.level_dbfs:6.1f} dBFS  {mood_words(m)}"
