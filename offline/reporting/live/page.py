"""Figures and page of the live model, from the predictions that `evaluate` kept."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from offline.batches.live.data import LiveData
from offline.evaluation.live.moods import (
    QUADRANTS,
    published_quadrants,
    quadrant_labels,
    quadrant_scores,
)
from offline.evaluation.live.scores import FROM, n_seeds, scored_clips
from offline.files import write_text
from offline.prose import DOCS, PROTOCOL, prose_of, sections
from offline.reporting.live.table import table_markdown

__all__ = ["write_page"]

AXES = ("valence", "arousal")


def write_page(run: Path, body: dict[str, Any], data: LiveData, out: Path) -> Path:
    """Write ``live.md`` and its figures into `out`; returns the page.

    Parameters
    ----------
    run : Path
        With ``raw/`` as `evaluate` wrote it.
    body : dict
        Of ``scores.json``.
    """
    folder = out / "live"
    folder.mkdir(parents=True, exist_ok=True)
    raws = {p.stem: dict(np.load(p)) for p in sorted((run / "raw").glob("fold*-seed0.npz"))}
    y = np.concatenate([r["y"] for r in raws.values()])
    stream = np.concatenate([r["stream"][:, FROM:] for r in raws.values()])
    fresh = np.concatenate([r["fresh"] for r in raws.values()])
    _scatter(y, stream, folder / "scatter.png")
    _plane(y, stream, folder / "plane.png")
    _calibration(y, stream, folder / "calibration.png")
    _context(y, fresh, folder / "context.png")
    if all("half" in r for r in raws.values()):
        half = np.concatenate([r["half"] for r in raws.values()])
        moods = np.concatenate([r["quadrant"] for r in raws.values()])
        _confusion(half, moods, folder / "quadrants.png")
    _reaction(raws, folder / "reaction.png")
    if (run / "raw" / "demo.npz").exists():
        _demo(dict(np.load(run / "raw" / "demo.npz")), folder / "demo.png")
    failures = _failures(data, raws, y, stream)
    text = _TEXT.format(
        seeds=n_seeds(body),
        table=table_markdown(body),
        failures=failures,
        protocol=_protocol(body),
        findings=_findings(body),
        sounds=_sounds(body),
        demo=_demo_text(body),
    )
    page = out / "live.md"
    write_text(page, text)
    return page


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)


def _scatter(y: np.ndarray, mood: np.ndarray, path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(8, 4))
    for k, (axis, name) in enumerate(zip(axes, AXES, strict=True)):
        axis.plot([-1, 1], [-1, 1], color="0.7", lw=1)
        axis.scatter(y[..., k].mean(1), mood[..., k].mean(1), s=4, alpha=0.5)
        axis.set(xlabel=f"labelled {name}", ylabel="predicted", xlim=(-1, 1), ylim=(-1, 1))
    _save(figure, path)


def _plane(y: np.ndarray, mood: np.ndarray, path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(8, 4))
    for axis, values, name in zip(axes, (y, mood), ("labels", "predictions"), strict=True):
        mean = values[..., :2].mean(1)
        axis.axhline(0, color="0.8", lw=1)
        axis.axvline(0, color="0.8", lw=1)
        axis.scatter(mean[:, 0], mean[:, 1], s=4, alpha=0.5)
        axis.set(title=name, xlabel="valence", ylabel="arousal", xlim=(-1, 1), ylim=(-1, 1))
    _save(figure, path)


def _calibration(y: np.ndarray, mood: np.ndarray, path: Path) -> None:
    from scipy.stats import norm

    figure, axis = plt.subplots(figsize=(4.2, 4))
    z = np.linspace(0.05, 3, 60)
    ideal = 2 * norm.cdf(z) - 1
    axis.plot(ideal, ideal, color="0.7", lw=1, label="ideal")
    for k, name in enumerate(AXES):
        size = np.abs(y[..., k] - mood[..., k]) / mood[..., 2 + k]
        axis.plot(ideal, [(size <= s).mean() for s in z], label=name)
    axis.set(xlabel="share expected inside", ylabel="share inside")
    axis.legend()
    _save(figure, path)


def _context(y: np.ndarray, fresh: np.ndarray, path: Path) -> None:
    figure, axis = plt.subplots(figsize=(5.5, 3.5))
    seconds = 0.5 * np.arange(1, fresh.shape[1] + 1)
    mean = y.mean(1)
    for k, name in enumerate(AXES):
        axis.plot(seconds, np.sqrt(((fresh[..., k] - mean[:, None, k]) ** 2).mean(0)), label=name)
    axis.set(xlabel="seconds of input", ylabel="RMSE against the song's mean label")
    axis.legend()
    _save(figure, path)


def _reaction(raws: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    figure, axis = plt.subplots(figsize=(5.5, 3.5))
    seconds = 0.5 * np.arange(-19, 21)
    for name in AXES:
        curves = [r[f"join_{name}"] for r in raws.values() if f"join_{name}" in r]
        if curves:
            axis.plot(seconds, np.mean(curves, 0), label=name)
    for share in (0.632, 0.9):
        axis.axhline(share, color="0.8", lw=1)
    axis.axvline(0, color="0.8", lw=1)
    axis.set(xlabel="seconds after the join", ylabel="share of the change", xlim=(-3, 10))
    axis.legend()
    _save(figure, path)


def _demo(curves: dict[str, np.ndarray], path: Path) -> None:
    figure, axes = plt.subplots(2, 5, figsize=(12, 4.6), sharex=True, sharey=True)
    for axis, (song, c) in zip(axes.flat, curves.items(), strict=False):
        t = 0.5 * np.arange(1, len(c) + 1)
        for k, (name, colour) in enumerate(zip(AXES, ("C0", "C1"), strict=True)):
            axis.plot(t, c[:, k], color=colour, lw=2.5, alpha=0.35)
            axis.plot(t, c[:, 2 + k], color=colour, lw=1, label=name)
        axis.set(title=f"DEAM {song}", ylim=(-0.9, 0.9))
    axes[0, 0].legend(fontsize=7)
    _save(figure, path)


def _confusion(half: np.ndarray, moods: np.ndarray, path: Path) -> None:
    counts = quadrant_scores(quadrant_labels(half), published_quadrants(moods, FROM))
    table = np.array([[int(counts[f"confusion_{a}_{b}"]) for b in QUADRANTS] for a in QUADRANTS])
    figure, axis = plt.subplots(figsize=(4, 3.6))
    axis.imshow(table / table.sum(1, keepdims=True), cmap="Blues", vmin=0, vmax=1)
    for a in range(4):
        for b in range(4):
            axis.text(b, a, str(table[a, b]), ha="center", va="center")
    axis.set(xticks=range(4), yticks=range(4), xticklabels=QUADRANTS, yticklabels=QUADRANTS,
             xlabel="published", ylabel="labelled")  # fmt: skip
    _save(figure, path)


def _failures(
    data: LiveData, raws: dict[str, dict[str, np.ndarray]], y: np.ndarray, mood: np.ndarray
) -> str:
    """Return the songs that are most wrong, in units of sigma."""
    names = []
    for name in raws:
        fold = int(name.removeprefix("fold").split("-")[0])
        clips = scored_clips(data, fold)
        names += [data.clips[i].song for i in clips]
    wrong = (np.abs(y - mood[..., :2]) / mood[..., 2:4]).mean((1, 2))
    lines = [
        "| song | labelled V / A | predicted V / A | sigma V / A |",
        "| --- | --- | --- | --- |",
    ]
    for k in np.argsort(wrong)[::-1][:8]:
        a, b = y[k].mean(0), mood[k].mean(0)
        lines.append(
            f"| {names[k]} | {a[0]:+.2f} / {a[1]:+.2f} | {b[0]:+.2f} / {b[1]:+.2f} | "
            f"{b[2]:.2f} / {b[3]:.2f} |"
        )
    return "\n".join(lines)


def _demo_text(body: dict[str, Any]) -> str:
    demo = body.get("demo", {})
    spans = [k.removeprefix("rmse_valence_") for k in demo if k.startswith("rmse_valence")]
    predicted = [
        f"{s.replace('_', '-')}: {demo[f'rmse_arousal_{s}']:.2f} / {demo[f'rmse_valence_{s}']:.2f}"
        for s in spans
    ]
    return (
        f" (RMSE arousal / valence by seconds of input: {', '.join(predicted)})"
        if predicted
        else ""
    )


def _protocol(body: dict[str, Any]) -> str:
    """Return what labels mean and how the model was chosen, with the ledger's counts."""
    lines = [f"- Outer fold {f} was read {n}." for f, n in body.get("readings", {}).items()]
    return "".join(
        f"## {title}\n\n{text}\n\n"
        for title, text in sections(PROTOCOL.read_text(encoding="utf-8")).items()
    ) + ("\n".join(lines) + "\n\n" if lines else "")


def _findings(body: dict[str, Any]) -> str:
    """Return what people wrote about the artefact that was scored, with a blank line after."""
    sections = prose_of(DOCS / "live", body.get("shipped", {}).get("artefact_hash", ""))
    return "".join(f"## {title}\n\n{text}\n\n" for title, text in sections.items())


def _sounds(body: dict[str, Any]) -> str:
    lines = ["| sound | largest abs V | largest abs A | sigma V | sigma A |", "|" + " --- |" * 5]
    for name, s in body.get("shipped", {}).get("not_music", {}).items():
        lines.append(
            f"| {name} | {s['valence']:.2f} | {s['arousal']:.2f} | {s['sigma_valence']:.2f} | "
            f"{s['sigma_arousal']:.2f} |"
        )
    return "\n".join(lines)


_TEXT = """# The live model: what was measured

Written by the evaluation of the live model. Fold figures come from each fold's and seed's own
artefact, stepped as it is live; mean over five artist-disjoint folds, seeds scored: {seeds}, with
the spread over seeds where there are several. Boosting (on the same statistics) takes each clip
from a fresh start, the model a stream; its column is empty where boosting has no such figure. The
shipped artefact was fitted on every fold and is scored on the 58 songs alone.

## Aims

{table}

{protocol}{findings}## Sounds that are no music (shipped artefact; sigma in units of the prior's)

{sounds}

## Figures

Predicted against labelled song means (stream):

![scatter](live/scatter.png)

The plane, labels and predictions:

![plane](live/plane.png)

Calibration:

![calibration](live/calibration.png)

Accuracy against seconds of context, from a fresh start:

![context](live/context.png)

Step response on joins of two songs (labels at least .4 apart), mean over folds:

![reaction](live/reaction.png)

The ten full excerpts through the artefacts fitted without them: labels broad, predictions
thin{demo}:

![demo](live/demo.png)

Quadrants of 4Q:

![quadrants](live/quadrants.png)

## Failures

The songs that are most wrong, in units of sigma (stream, held-out fold):

{failures}
"""
