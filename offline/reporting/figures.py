"""Figures of the report, made with matplotlib: small, labelled, readable in print."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np

from offline.files import write_with

matplotlib.use("Agg")
import matplotlib.pyplot as plt

__all__ = ["calibration", "curves", "learning", "plane", "skills"]

DPI = 80
EDGE = -0.35
"""Left edge of the skills: far below nothing is to be told apart."""

COLOURS = {"corrected": "#1b6ca8", "original": "#c4622d"}


def _save(figure: plt.Figure, path: Path) -> None:
    # no creation date and no version inside: the same runs give the same bytes
    write_with(
        path,
        lambda part: figure.savefig(
            part, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None}
        ),
    )
    plt.close(figure)


def skills(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    """Skill with its interval per system, one panel an axis.

    Parameters
    ----------
    rows : sequence of mappings
        ``label``, ``mode``, and per axis ``(value, low, high)`` or None.
    """
    rows = sorted(rows, key=_rank)
    figure, panels = plt.subplots(1, 2, figsize=(10, 0.6 + 0.2 * len(rows)), sharey=True)
    for panel, axis in zip(panels, ("arousal", "valence"), strict=True):
        for at, row in enumerate(rows):
            skill = row.get(axis)
            if skill is None:
                continue
            value, low, high = skill  # type: ignore[misc]
            colour = COLOURS.get(str(row["mode"]), "#555")
            if value < EDGE:
                panel.plot([EDGE], [at], "<", color=colour, ms=5, clip_on=False)
                continue
            panel.plot([max(low, EDGE), high], [at, at], color=colour, lw=2)
            panel.plot([value], [at], "o", color=colour, ms=4)
        panel.axvline(0, color="#222", lw=0.8)
        panel.set_xlim(EDGE, None)
        panel.set_title(f"{axis}: skill over the constant, per song", fontsize=9)
        panel.tick_params(labelsize=8)
        panel.grid(axis="both", alpha=0.25)
    panels[0].set_yticks(range(len(rows)), [str(r["label"]) for r in rows], fontsize=8)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    _save(figure, path)


def _rank(row: Mapping[str, object]) -> tuple[bool, float]:
    """Those that give arousal first, best first; then the valence of the others."""
    arousal, valence = row.get("arousal"), row.get("valence")
    skill = arousal if arousal is not None else valence
    return arousal is None, -float(skill[0]) if skill is not None else 0.0  # type: ignore[index]


def plane(y: np.ndarray, p: np.ndarray, title: str, path: Path) -> None:
    """Song means in the plane: labelled and predicted, and each axis against its label.

    Parameters
    ----------
    y, p : np.ndarray [shape=(n, 2)]
        Valence, arousal.
    """
    figure, panels = plt.subplots(1, 3, figsize=(11, 3.6))
    panels[0].scatter(y[:, 0], y[:, 1], s=5, alpha=0.35, color="#888", label="labelled")
    panels[0].scatter(
        p[:, 0], p[:, 1], s=5, alpha=0.5, color=COLOURS["corrected"], label="predicted"
    )
    panels[0].set(xlabel="valence", ylabel="arousal", title=title)
    panels[0].legend(fontsize=7)
    for panel, axis, name in zip(panels[1:], (1, 0), ("arousal", "valence"), strict=True):
        panel.scatter(y[:, axis], p[:, axis], s=5, alpha=0.4, color=COLOURS["corrected"])
        panel.plot([-1, 1], [-1, 1], color="#222", lw=0.8)
        panel.set(xlabel=f"labelled {name}", ylabel=f"predicted {name}")
    for panel in panels:
        panel.set_xlim(-1, 1)
        panel.set_ylim(-1, 1)
        panel.tick_params(labelsize=7)
        panel.grid(alpha=0.3)
        panel.title.set_fontsize(9)
    figure.tight_layout()
    _save(figure, path)


def curves(
    songs: Sequence[tuple[str, np.ndarray, np.ndarray, Mapping[str, np.ndarray]]], path: Path
) -> None:
    """Predicted against labelled curves of chosen songs.

    Parameters
    ----------
    songs : sequence of (title, t_s [n], y [n, 2], system -> p [n, 2])
    """
    figure, panels = plt.subplots(
        2, len(songs), figsize=(3.4 * len(songs), 4.6), sharey=True, squeeze=False, sharex="col"
    )
    names = sorted({name for *_, systems in songs for name in systems})
    colour = {name: f"C{k}" for k, name in enumerate(names)}
    for column, (title, t_s, y, systems) in enumerate(songs):
        for row, (axis, name) in enumerate(((1, "arousal"), (0, "valence"))):
            panel = panels[row][column]
            panel.plot(t_s, y[:, axis], color="#222", lw=2, label="label")
            for system, p in systems.items():
                if np.isfinite(p[:, axis]).any():
                    panel.plot(t_s, p[:, axis], lw=1, label=system, color=colour[system])
            panel.set_ylim(-1, 1)
            panel.grid(alpha=0.3)
            panel.tick_params(labelsize=7)
            if column == 0:
                panel.set_ylabel(name, fontsize=8)
        panels[0][column].set_title(title, fontsize=8)
        panels[1][column].set_xlabel("song time [s]", fontsize=8)
    seen: dict[str, object] = {}
    for line in panels.ravel():
        for handle, label in zip(*line.get_legend_handles_labels(), strict=True):
            seen.setdefault(label, handle)
    figure.legend(list(seen.values()), list(seen), fontsize=7, ncol=6, loc="lower center",
                  bbox_to_anchor=(0.5, -0.06))  # fmt: skip
    _save(figure, path)


def learning(histories: Mapping[str, tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Draw the validation loss over epochs, one line a system, each relative to its first epoch.

    Parameters
    ----------
    histories : mapping
        System -> (epochs, validation loss).
    """
    modes = [m for m in COLOURS if any(f"({m})" in name for name in histories)]
    figure, panels = plt.subplots(
        1, max(len(modes), 1), figsize=(5.5 * max(len(modes), 1), 4), sharey=True, squeeze=False
    )
    lowest = min((float(min(loss / loss[0])) for _, loss in histories.values()), default=0.5)
    styles = [(f"C{k % 10}", ("-", "--", ":")[k // 10 % 3]) for k in range(30)]
    for panel, mode in zip(panels[0], modes, strict=False):
        shown = {n: h for n, h in histories.items() if f"({mode})" in n}
        for (name, (epochs, loss)), (colour, line) in zip(shown.items(), styles, strict=False):
            label = name.removesuffix(f" ({mode})")
            panel.plot(epochs + 1, loss / loss[0], line, lw=1.2, label=label, color=colour)
        panel.set(xlabel="epoch", xscale="log", title=mode)
        panel.set_ylim(max(lowest - 0.05, 0), 1.25)
        panel.tick_params(labelsize=8)
        panel.title.set_fontsize(9)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=6.5, ncol=4, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    panels[0][0].set_ylabel("validation loss / that of the first epoch")
    _save(figure, path)


def calibration(
    panels_of: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], path: Path
) -> None:
    """Share of labels within z sigma against the Gaussian share.

    Parameters
    ----------
    panels_of : mapping
        Axis -> (labels, predictions, sigma), flat arrays.
    """
    from math import erf, sqrt

    figure, panel = plt.subplots(figsize=(4.2, 4))
    z = np.linspace(0.1, 3, 30)
    wanted = [erf(v / sqrt(2)) for v in z]
    panel.plot([0, 1], [0, 1], color="#222", lw=0.8)
    for axis, (y, p, sigma) in panels_of.items():
        share = [float(np.mean(np.abs(y - p) <= v * sigma)) for v in z]
        panel.plot(wanted, share, marker=".", ms=4, label=axis)
    panel.set(xlabel="share a Gaussian would have inside", ylabel="share of labels inside")
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)
    _save(figure, path)
