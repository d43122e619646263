"""A grid of cells that pictures are drawn on, and what they are drawn with."""

from dataclasses import dataclass

from rich.console import RenderResult
from rich.segment import Segment
from rich.style import Style

from streammer.estimate import State

__all__ = [
    "ASCII",
    "BOLD",
    "DIM",
    "NOW",
    "SPREAD",
    "STATE_STYLES",
    "UNICODE",
    "Canvas",
    "Glyphs",
]

STATE_STYLES: dict[State, Style] = {
    "ended": Style(dim=True),
    "degraded": Style(color="red", bold=True),
    "silent": Style(color="blue", bold=True),
    "warming": Style(color="cyan", bold=True),
    "clipping": Style(color="yellow", bold=True),
    "live": Style(color="green", bold=True),
}
DIM = Style(dim=True)
BOLD = Style(bold=True)
NOW = Style(color="bright_yellow", bold=True)
SPREAD = Style(color="yellow")
_NONE = Style.null()


@dataclass(frozen=True)
class Glyphs:
    """What pictures are drawn with."""

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


UNICODE = Glyphs("─", "│", "┼", "├", "┤", "┌┐└┘", "●", "··∙•", "━", "┃", "█", "░", "±")
ASCII = Glyphs("-", "|", "+", "|", "|", "++++", "@", "..oo", "=", "!", "#", ".", "+-")


class Canvas:
    """A grid of cells with a style each; what falls outside is not drawn."""

    def __init__(self, glyphs: Glyphs, width: int, height: int) -> None:
        self.glyphs = glyphs
        self._width, self._height = width, height
        self._cells = [[(" ", _NONE)] * width for _ in range(height)]

    def put(self, row: int, column: int, text: str, style: Style = _NONE) -> None:
        """Write `text`, printable and narrow, from a cell on."""
        for offset, char in enumerate(text):
            if 0 <= row < self._height and 0 <= column + offset < self._width:
                self._cells[row][column + offset] = (self._shown(char), style)

    def segments(self) -> RenderResult:
        """Yield the grid line by line."""
        for row in self._cells:
            run, style = "", _NONE
            for char, cell_style in row:
                if cell_style is not style and run:
                    yield Segment(run, style)
                    run = ""
                run, style = run + char, cell_style
            yield Segment(run, style)
            yield Segment.line()

    def _shown(self, char: str) -> str:
        # A name from the wire may hold anything: control sequences, wide characters.
        narrow = char.isprintable() and (char.isascii() or ord(char) < 0x300 or char in _DRAWN)
        return char if narrow and (char.isascii() or self.glyphs is UNICODE) else "?"


_DRAWN = set("".join(vars(UNICODE).values()))
