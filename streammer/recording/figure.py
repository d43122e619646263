"""A picture of a session or a song: what happened when, how sure, and where in the plane."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from streammer.bus.features import Features
from streammer.recording import panels
from streammer.recording.curves import Curves
from streammer.web.messages import Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["clock_time", "draw"]


def draw(
    curves: Curves, title: str, *, steps: Sequence[Features] = (), marks: Sequence[Mark] = ()
) -> "Figure":
    """Draw a stream.

    Parameters
    ----------
    curves : Curves
    title : str
    steps : sequence of Features
        Of a song; without them there is no spectrogram.
    marks : sequence of Mark
        Those of other streams and times are left out.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    curves = curves.thinned()
    figure = Figure(figsize=(13.0, 7.0 if steps else 5.6), layout="constrained")
    heights = [3.0, 3.0, 0.45] + ([2.0] if steps else [])
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights, width_ratios=[2.1, 1.0])
    first = figure.add_subplot(grid[0, 0])
    rows = [first]
    rows += [figure.add_subplot(grid[k, 0], sharex=first) for k in range(1, len(heights))]
    found = _within(curves, marks)
    shaded: dict[str, Any] = {}
    for axes, name in zip(rows, ("arousal", "valence"), strict=False):
        panels.curve(axes, curves, name)
        shaded = panels.states(axes, curves)
        panels.marks(axes, found, named=name == "arousal")
    if shaded:
        rows[1].legend(
            shaded.values(), shaded.keys(), loc="lower right", fontsize=8, ncols=len(shaded)
        )
    rows[0].legend(loc="lower right", fontsize=8, ncols=2)
    panels.quadrants(rows[2], curves)
    if steps:
        panels.spectrogram(rows[3], steps)
    _time_axis(rows, curves, dated=not steps)
    right = figure.add_subplot(grid[:, 1])
    points = panels.plane(right, curves)
    right.legend(loc="lower center", fontsize=8, ncols=2, bbox_to_anchor=(0.5, 0.06))
    bar = figure.colorbar(points, ax=right, location="bottom", label="time", shrink=0.9)
    bar.ax.xaxis.set_major_formatter(lambda second, _: clock_time(second))
    figure.suptitle(title, parse_math=False)
    return figure


def clock_time(second: float) -> str:
    """Return seconds as 1:05 or 2:01:05."""
    whole = round(second)
    hours, rest = divmod(abs(whole), 3600)
    sign = "-" if whole < 0 else ""
    if hours:
        return f"{sign}{hours}:{rest // 60:02}:{rest % 60:02}"
    return f"{sign}{rest // 60}:{rest % 60:02}"


def _time_axis(rows: "Sequence[Axes]", curves: Curves, *, dated: bool) -> None:
    for axes in rows[:-1]:
        axes.tick_params(labelbottom=False)
    last = rows[-1]
    last.xaxis.set_major_formatter(lambda second, _: clock_time(second))
    begun = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(curves.begun_at))
    last.set_xlabel(f"time since {begun}" if dated else "time in the song")
    if len(curves.seconds) > 1:
        last.set_xlim(min(0.0, curves.seconds[0]), curves.seconds[-1])


def _within(curves: Curves, marks: Sequence[Mark]) -> list[tuple[float, Mark]]:
    """Return the marks of this stream and time, each with its second."""
    offset = curves.begun_at - curves.seconds[0]
    found = [(mark.t - offset, mark) for mark in marks if mark.stream == curves.stream]
    return [each for each in found if 0.0 <= each[0] <= curves.seconds[-1] + 1.0]
