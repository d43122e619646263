"""A picture as a file: PNG, SVG, or a page of HTML that needs nothing else."""

import html
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streammer.errors import OutputError, UsageError
from streammer.outputs.parts import Part
from streammer.recording.curves import Curves
from streammer.recording.figure import clock_time
from streammer.recording.panels import QUADRANTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PICTURE_SUFFIXES", "check_picture", "facts", "save_picture", "write_whole"]

PICTURE_SUFFIXES = (".png", ".svg", ".html")

_NO_MATPLOTLIB = "pictures need matplotlib, which is not installed: pip install 'streammer[plot]'"

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 80rem; padding: 0 1rem;
  background: #fff; color: #222 }}
svg {{ max-width: 100%; height: auto }}
th {{ text-align: left; padding-right: 2rem; font-weight: normal; color: #555 }}
</style>
<h1>{title}</h1>
<figure role="img" aria-label="{summary}">
{svg}
</figure>
<table>
{rows}
</table>
</html>
"""


def check_picture(path: Path) -> None:
    """Refuse, before the work, a picture that could not be made.

    Raises
    ------
    UsageError
        If the suffix is not known, or matplotlib is not installed.
    """
    if path.suffix not in PICTURE_SUFFIXES:
        raise UsageError(
            f"{path} ends in {path.suffix or 'no suffix'!r}: "
            f"one of {', '.join(PICTURE_SUFFIXES)} is expected"
        )
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError(_NO_MATPLOTLIB) from error


def facts(curves: Curves) -> dict[str, str]:
    """Return what a picture shows, in words: duration, means, quadrants, states."""
    rows = {
        "stream": curves.stream,
        "duration": clock_time(float(curves.seconds[-1])),
        "estimates": str(len(curves.seconds)),
    }
    for name in ("valence", "arousal"):
        x = curves.values[name][np.isfinite(curves.values[name])]
        if x.size:
            low, high = np.min(x), np.max(x)
            rows[f"{name}, mean"] = f"{np.mean(x):+.2f} ({low:+.2f} to {high:+.2f})"
    n = len(curves.seconds)
    for quadrant, (_, words) in QUADRANTS.items():
        share = sum(each == quadrant for each in curves.quadrants) / n
        if share:
            rows[words] = f"{share:.0%}"
    for state in dict.fromkeys(curves.states):
        rows[f"state {state}"] = f"{sum(each == state for each in curves.states) / n:.0%}"
    return rows


def save_picture(figure: "Figure", path: Path, title: str, rows: Mapping[str, str]) -> None:
    """Write a picture beside its place, and rename it when it is whole.

    Raises
    ------
    OutputError
        If it cannot be written; what stood there is as before.
    """
    import matplotlib

    data = io.BytesIO()
    vector = path.suffix != ".png"
    # Words stay words, which a reader finds; nothing in it depends on when it was made.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "streammer"}):
        if vector:
            figure.savefig(data, format="svg", metadata={"Date": None, "Title": title})
        else:
            figure.savefig(data, format="png", dpi=150, metadata={"Title": title})
    content = data.getvalue()
    if path.suffix == ".html":
        content = _page(content.decode(), title, rows).encode()
    write_whole(path, content)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place, and rename it when it is whole.

    Raises
    ------
    OutputError
        If it cannot be written; what stood there is as before.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise OSError("it is a folder, a file is expected")
        part = Part(target)
        try:
            part.path.write_bytes(content)
            part.become(target)
        finally:
            part.close()
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}): make room or choose another "
            "place with -o"
        ) from error


def _page(svg: str, title: str, rows: Mapping[str, str]) -> str:
    cells = "\n".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in rows.items()
    )
    summary = "; ".join(f"{name} {value}" for name, value in rows.items())
    return _PAGE.format(
        title=html.escape(title),
        summary=html.escape(summary),
        svg=svg[svg.index("<svg") :],
        rows=cells,
    )
