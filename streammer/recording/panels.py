"""The parts of a picture: curves with sigma, states, quadrants, the plane, the spectrogram.

Colours are those of Okabe and Ito, told apart with every kind of colour vision; whatever has a
colour has a hatch, a place or a word as well.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from streammer.bus.features import Features
from streammer.recording.curves import Curves, spans_of
from streammer.web.messages import Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "COLOURS",
    "QUADRANTS",
    "STATES",
    "curve",
    "marks",
    "plane",
    "quadrants",
    "spectrogram",
    "states",
]

COLOURS = {"valence": "#0072B2", "arousal": "#D55E00"}

QUADRANTS = {
    "Q1": ("#E69F00", "Q1 happy, excited"),
    "Q2": ("#D55E00", "Q2 tense, angry"),
    "Q3": ("#0072B2", "Q3 sad, gloomy"),
    "Q4": ("#56B4E9", "Q4 calm, content"),
}

STATES = {"silent": "..", "degraded": "xx", "warming": "//", "clipping": "++"}
"""Hatches of the states that are not `live`."""

_GREY = "#777777"


def curve(axes: "Axes", curves: Curves, name: str) -> None:
    """Draw valence or arousal over time, with a band of one sigma."""
    x, sigma = curves.values[name], curves.values[f"sigma_{name}"]
    colour = COLOURS[name]
    axes.fill_between(
        curves.seconds, x - sigma, x + sigma, color=colour, alpha=0.2, linewidth=0, label="±1 sigma"
    )
    axes.plot(curves.seconds, x, color=colour, linewidth=1.3, label=name)
    axes.axhline(0.0, color=_GREY, linewidth=0.6)
    axes.set_ylim(-1.0, 1.0)
    axes.set_ylabel(name)


def states(axes: "Axes", curves: Curves) -> dict[str, Any]:
    """Shade where the state is not `live`; return a handle for each state that occurs."""
    handles: dict[str, Any] = {}
    for begin, end, state in spans_of(curves.seconds, curves.states):
        if state in STATES:
            handles[state] = axes.axvspan(
                begin, end, facecolor="#EEEEEE", edgecolor="#AAAAAA", hatch=STATES[state],
                linewidth=0.0, zorder=0,
            )  # fmt: skip
    return handles


def marks(axes: "Axes", found: Sequence[tuple[float, Mark]], *, named: bool) -> None:
    """Draw marks as lines, with their words if they are to be named."""
    for second, mark in found:
        axes.axvline(second, color="black", linestyle=":", linewidth=1.0)
        if named:
            axes.text(
                second, 0.97, f" {mark.label or 'mark'}", fontsize=8, va="top", rotation=90,
                transform=axes.get_xaxis_transform(), parse_math=False,
            )  # fmt: skip


def quadrants(axes: "Axes", curves: Curves) -> None:
    """Draw the quadrant as it was published, as a ribbon with words."""
    whole = max(float(curves.seconds[-1] - curves.seconds[0]), 1e-9)
    for begin, end, quadrant in spans_of(curves.seconds, curves.quadrants):
        if quadrant:
            axes.axvspan(begin, end, color=QUADRANTS[quadrant][0], linewidth=0)
            if (end - begin) / whole > 0.04:
                axes.text(
                    (begin + end) / 2.0, 0.5, quadrant, ha="center", va="center", fontsize=8,
                    transform=axes.get_xaxis_transform(),
                )  # fmt: skip
    axes.set_yticks([])
    axes.set_ylabel("mood", rotation=0, ha="right", va="center")


def plane(axes: "Axes", curves: Curves) -> Any:
    """Draw the path in the plane, its time as a colour; return what a colour bar is made of."""
    x, y = curves.values["valence"], curves.values["arousal"]
    axes.axhline(0.0, color=_GREY, linewidth=0.6)
    axes.axvline(0.0, color=_GREY, linewidth=0.6)
    axes.plot(x, y, color="#BBBBBB", linewidth=0.8, zorder=1)
    points = axes.scatter(x, y, c=curves.seconds, cmap="cividis", s=10, zorder=2)
    there = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    for place, marker, word in ((0, "o", "begin"), (-1, "s", "end")):
        if there.size:
            k = there[place]
            axes.plot(x[k], y[k], marker, color="black", markersize=6, zorder=3, label=word)
    limit = 1.0 if np.nanmax(np.abs([x, y]), initial=0.0) > 0.65 else 0.65
    for quadrant, (u, v) in {"Q1": (1, 1), "Q2": (-1, 1), "Q3": (-1, -1), "Q4": (1, -1)}.items():
        axes.text(
            0.94 * limit * u, 0.94 * limit * v, QUADRANTS[quadrant][1], fontsize=8, color="#555555",
            ha="right" if u > 0 else "left", va="top" if v > 0 else "bottom",
        )  # fmt: skip
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), xlabel="valence", ylabel="arousal")
    axes.set_aspect("equal")
    return points


def spectrogram(axes: "Axes", steps: Sequence[Features]) -> None:
    """Draw what the model got of a song, each step where it was."""
    top = max(step.top_db for step in steps)
    low = top - 80.0
    columns = [
        np.frombuffer(step.db, np.uint8).reshape(step.frames, step.bins)
        * ((step.top_db - step.floor_db) / 255.0)
        + step.floor_db
        for step in steps
    ]
    picture = np.clip(np.concatenate(columns), low, top).T
    end = steps[-1].t_audio_s
    length = end - steps[0].t_audio_s
    step_s = length / (len(steps) - 1) if len(steps) > 1 else end
    axes.imshow(
        picture, origin="lower", aspect="auto", cmap="cividis", interpolation="nearest",
        extent=(steps[0].t_audio_s - step_s, end, 0, picture.shape[0]), vmin=low, vmax=top,
    )  # fmt: skip
    axes.set_ylabel(f"{steps[0].kind} band")
