"""The section of figures: what is drawn from which runs."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from offline.datasets import Dataset
from offline.evaluation.live.rows import SIGMA
from offline.evaluation.metrics import coverage
from offline.reporting.document import Document
from offline.reporting.systems import System
from offline.runs import Run

__all__ = ["add_figures"]


def _means(system: System) -> tuple[np.ndarray, np.ndarray]:
    y = np.array([a.mean(axis=0) for f in system.predictions for a in f.y])
    p = np.array([a.mean(axis=0) for f in system.predictions for a in f.p])
    return y, p


def add_figures(
    doc: Document, dynamic: list[System], static: list[System], dataset: Dataset, out: Path
) -> None:
    """Draw what the systems allow, beside the report, and add the section."""
    from offline.reporting import figures

    folder = out / "report"
    doc.heading("Figures")
    doc.code("python -m offline report --deam PATH")
    rows: list[dict[str, Any]] = []
    for system in dynamic:
        row: dict[str, Any] = {"label": system.label, "mode": system.recipe.mode}
        for axis, s in system.scores().items():
            row[axis] = (s.skill_song.value, s.skill_song.low, s.skill_song.high)
        rows.append(row)
    if rows:
        figures.skills(rows, folder / "skills.png")
        doc.figure(
            "report/skills.png",
            "Skill of the dynamic systems with 95 % intervals; arrows lie beyond the left edge.",
        )
    both = [s for s in dynamic if len(s.recipe.outputs) == 2]
    if both:
        best = min(both, key=lambda s: sum(x.rmse_song.value for x in s.scores().values()))
        y, p = _means(best)
        figures.plane(y, p, best.label, folder / "plane.png")
        doc.figure("report/plane.png", f"Song means of {best.label}: labelled and predicted.")
    chosen = _chosen_curves(dynamic, dataset)
    if chosen:
        figures.curves(chosen, folder / "curves.png")
        doc.figure("report/curves.png", "Labelled and predicted curves of held-out songs.")
    histories = {s.label: h for s in dynamic if (h := _history(s.runs[0])) is not None}
    if histories:
        figures.learning(histories, folder / "learning.png")
        doc.figure(
            "report/learning.png", "Learning curves of the first fold: validation loss by epoch."
        )
    held = _sigma(dynamic)
    if held:
        figures.calibration(held, folder / "calibration.png")
        inside = "; ".join(
            f"{axis}: {coverage(y, p, s):.2f} within 1 sigma, {coverage(y, p, s, 2.0):.2f} within 2"
            for axis, (y, p, s) in held.items()
        )
        doc.figure(
            "report/calibration.png", "Calibration of the live model's sigma, held-out songs."
        )
        doc.text(f"{inside} (a Gaussian: .68 and .95).")
    else:
        doc.text(
            "Calibration of sigma: none of the published systems gives an uncertainty; the live "
            "model's is on its card."
        )


def _sigma(systems: list[System]) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Labels, predictions and sigma of the live model's folds together, per axis."""
    found = []
    for system in systems:
        for run in system.runs:
            path = run.path / SIGMA
            if path.exists():
                with np.load(path) as held:
                    found.append((held["y"], held["p"], held["sigma"]))
    if not found:
        return {}
    y, p, s = (np.concatenate(part) for part in zip(*found, strict=True))
    return {axis: (y[:, k], p[:, k], s[:, k]) for axis, k in (("arousal", 1), ("valence", 0))}


def _history(run: Run) -> tuple[np.ndarray, np.ndarray] | None:
    path = run.path / "curves" / "metrics.csv"
    if not path.exists():
        return None
    with path.open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r.get("val_loss")]
    if len(rows) < 2:
        return None
    return (
        np.array([float(r["epoch"]) for r in rows]),
        np.array([float(r["val_loss"]) for r in rows]),
    )


def _chosen_curves(systems: Sequence[System], dataset: Dataset, n: int = 3) -> list:
    """Predict all labels of a few held-out songs, on their longest clip, with a few systems."""
    from offline.batches.clips import label_clip
    from offline.datasets.audio import duration_s

    order = ("crnn-gru3", "crnn-res", "window-m2", "stacked-crnn", "chroma-lstm")
    shown = [s for s in systems if s.recipe.mode == "corrected" and s.recipe.name in order]
    if not shown:
        return []
    run = shown[0].runs[0]
    tested = set(run.split.test)
    held = [s for s in dataset if s.uid in tested and s.clips]
    longest = {s.uid: max(s.clips, key=lambda c: duration_s(c.path)) for s in held}
    held.sort(key=lambda s: (-duration_s(longest[s.uid].path), int(s.id)))
    out = []
    for song in held[:n]:
        curve = dataset.labels(song.id)
        if curve is None:
            continue
        clip = longest[song.uid]
        end = clip.offset_s + duration_s(clip.path)
        inside = (curve.t_s >= clip.offset_s) & (curve.t_s <= end + 1e-3)
        t_s = curve.t_s[inside]
        y = np.stack([curve.valence[inside], curve.arousal[inside]], axis=1)
        lines = {}
        for system in shown:
            own = system.runs[0]
            if song.uid not in own.split.test:
                continue
            x = own.cache.get(clip.path, own.recipe.spec, mmap=True)
            labelled = label_clip(dataset, song, x, clip.offset_s, own.recipe)
            if labelled is None:
                continue
            good = np.flatnonzero(np.isfinite(labelled.y).all(axis=1))
            made = own.recipe.kind.make(own.recipe)
            p = made.predict_clip(made.load(own), labelled, good, own.fitted["sizes"])
            line = np.full((len(t_s), 2), np.nan)
            line[np.searchsorted(t_s, np.round(labelled.t_s[good] * 2) / 2 - 1e-3)] = p
            lines[system.recipe.name] = line
        out.append((f"song {song.id}", t_s, y, lines))
    return out
