"""Draw the live view, as it moves during the bundled track, into docs/images/view.svg.

    python docs/tools/view_picture.py [OUT.svg [FRAMES]]

The pictures are those of the real view on real estimates; a row that stays the same from one
picture to the next is drawn once.
"""

import sys
from html import escape
from pathlib import Path

from rich.console import Console
from rich.segment import Segment
from rich.terminal_theme import MONOKAI as THEME

from streammer import listen
from streammer.cli.picture import render

__all__ = ["draw", "main", "pictures"]

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "images" / "view.svg"
FRAMES, FRAME_S = 40, 0.4
COLUMNS, ROWS = 80, 24
WIDTH, HEIGHT = COLUMNS - 1, ROWS - 1  # as the view leaves them
CELL, LINE = 8.4, 18.0
WHERE = "published on tcp://127.0.0.1:5580"


def pictures(source, count):
    """Return `count` pictures of the view, each a list of rows of segments."""
    moods = list(listen(source, pace="fast"))
    console = Console(
        width=COLUMNS, height=ROWS, color_system="truecolor", force_terminal=True,
        legacy_windows=False,
    )  # fmt: skip
    shown = []
    for k in range(count):
        last = (k + 1) * len(moods) // count
        rows = console.render_lines(render(moods[:last], WHERE), pad=True)
        shown.append([list(Segment.simplify(row)) for row in rows[:HEIGHT]])
    return shown


def runs(row):
    """Yield each run of cells of one style: its text, and the attributes of its place and look."""
    column = 0
    for segment in row:
        text, style = segment.text.strip(" "), segment.style
        if text:
            lead = len(segment.text) - len(segment.text.lstrip(" "))
            colour = THEME.foreground_color
            if style and style.color:
                colour = style.color.get_truecolor(THEME)
            look = f'x="{(column + lead) * CELL:.0f}" fill="#{bytes(colour).hex()}"'
            look += f' textLength="{len(text) * CELL:.0f}"'
            look += ' opacity=".6"' if style and style.dim else ""
            look += ' font-weight="bold"' if style and style.bold else ""
            yield escape(text), look
        column += len(segment.text)


def draw(shown):
    """Return a moving picture as SVG."""
    total, body = len(shown) * FRAME_S, []
    for y in range(HEIGHT):
        rows = [list(runs(picture[y])) for picture in shown]
        for run in dict.fromkeys(run for row in rows for run in row):
            text, look = run
            seen = [run in row for row in rows]
            steps = [k for k in range(len(seen)) if k == 0 or seen[k] != seen[k - 1]]
            times = ";".join(f"{k / len(seen):.3g}" for k in steps)
            values = ";".join("inline" if seen[k] else "none" for k in steps)
            move = "" if all(seen) else (
                f'<animate attributeName="display" dur="{total:g}s" calcMode="discrete"'
                f' repeatCount="indefinite" keyTimes="{times}" values="{values}"/>'
            )  # fmt: skip
            hidden = "" if seen[-1] else ' display="none"'  # what stands where nothing moves
            body.append(f'<text y="{(y + 1) * LINE:.0f}" {look}{hidden}>{text}{move}</text>')
    width, height = WIDTH * CELL + 16, HEIGHT * LINE + 20
    background = bytes(THEME.background_color).hex()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -4 {width:g} {height:g}"'
        ' font-family="DejaVu Sans Mono,Menlo,Consolas,monospace" font-size="14"'
        ' xml:space="preserve" role="img"><title>streammer: the live view</title>'
        f'<rect x="-8" y="-4" width="{width:g}" height="{height:g}" rx="8" fill="#{background}"/>\n'
        + "\n".join(body)
        + "</svg>\n"
    )


def main(out=OUT, frames=FRAMES):
    """Write the picture."""
    Path(out).write_text(draw(pictures(ROOT / "examples" / "demo.ogg", int(frames))), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
