"""Tables of the report: a section each, from the scores of the systems."""

from pathlib import Path

import numpy as np

from offline.datasets import Dataset
from offline.evaluation.alike import alike
from offline.evaluation.evaluate import score_predictions
from offline.evaluation.metrics import Scores, bootstrap_paired
from offline.prose import paragraphs
from offline.reporting.document import Document
from offline.reporting.overview import (
    STILL,
    commands,
    dead,
    deviation,
    interval,
    is_reduced,
    overview,
)
from offline.reporting.systems import AXES, System

__all__ = ["baseline_table", "dynamic_table", "own_table", "static_table", "test58_table"]


def dynamic_table(doc: Document, systems: list[System]) -> None:
    """Add the systems that follow labels over time: at a glance, then an axis at a time."""
    stride = systems[0].recipe.evaluation.stride
    doc.heading("Dynamic systems, artist-disjoint folds")
    doc.code(commands(systems))
    if any(is_reduced(s) for s in systems):
        doc.text(*paragraphs("Reduced runs"))
    doc.text(*paragraphs("Dynamic systems", every_s=f"{0.5 * stride:g}"))
    doc.heading("At a glance", 3)
    doc.text(*paragraphs("At a glance"))
    doc.table(*overview(systems))
    if still := dead(systems):
        doc.text(*paragraphs("Constant predictions", spread=f"{STILL:g}", systems="; ".join(still)))
    for axis in AXES:
        ranked = [(s.scores()[axis].rmse_song.value, s, s.scores()[axis])
                  for s in systems if axis in s.scores()]  # fmt: skip
        ranked.sort(key=lambda item: item[0])
        _axis_table(doc, ranked, axis)
        _paired(doc, ranked, axis)


def _axis_table(doc: Document, ranked: list[tuple[float, System, Scores]], axis: str) -> None:
    """Add one row a system, the best first."""
    rows = []
    for _, system, s in ranked:
        rows.append(
            [
                system.recipe.name,
                system.recipe.mode,
                f"{s.rmse_song.value:.3f}",
                f"{s.constant_song:.3f}",
                f"{s.oracle_song:.3f}",
                interval(s.skill_song),
                f"{s.rmse_pooled.value:.3f}",
                f"{s.constant_pooled:.3f}",
                f"{s.r_pooled if np.isfinite(s.r_pooled) else 0:.2f}",
                f"{s.ccc_pooled:.2f}",
                f"{s.r2_pooled:.2f}",
                f"{s.r_song.mean:.2f} ({s.r_song.undefined})",
                f"{s.tau_song.mean:.2f}",
                s.n_songs,
                system.recipe.published or "none",
                deviation(system),
            ]
        )
    doc.heading(axis.capitalize(), 3)
    doc.table(
        ["system", "mode", "RMSE per song", "constant", "oracle", "skill per song [95 %]",
         "RMSE pooled", "constant", "r", "CCC", "R2", "r per song (undefined)",
         "tau-b per song", "songs", "published", "deviation from the published protocol"],
        rows,
    )  # fmt: skip


def _paired(doc: Document, ranked: list[tuple[float, System, Scores]], axis: str) -> None:
    """Compare the best system with the others on the songs that both predicted."""
    if len(ranked) < 2:
        return
    best = ranked[0][1]
    lines = []
    for _, other, _ in ranked[1:6]:
        y, p, q = _joined(best, other, axis)
        if len(y) < 5:
            continue
        gap = bootstrap_paired(y, p, q)
        sure = "better" if gap.high < 0 else "no difference shown"
        lines.append(
            f"{best.label} - {other.label}: {gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] "
            f"RMSE per song on {len(y)} songs: {sure}"
        )
    doc.text("Paired differences of the best with the next five, bootstrap over songs:")
    doc.bullets(lines)


def _joined(a: System, b: System, axis: str) -> tuple[list, list, list]:
    column = ("valence", "arousal").index(axis)
    of = [
        {
            u: (t, y, p)
            for f in s.predictions
            for u, t, y, p in zip(f.uids, f.t_s, f.y, f.p, strict=True)
        }
        for s in (a, b)
    ]
    y, p, q = [], [], []
    for uid in of[0]:
        if uid not in of[1]:
            continue
        times, at, bt = np.intersect1d(
            np.round(of[0][uid][0], 2), np.round(of[1][uid][0], 2), return_indices=True
        )
        if len(times):
            y.append(of[0][uid][1][at, column].astype(float))
            p.append(of[0][uid][2][at, column].astype(float))
            q.append(of[1][uid][2][bt, column].astype(float))
    return y, p, q


def test58_table(doc: Document, systems: list[System]) -> None:
    """Add the first folds' models on the 58 songs of MediaEval 2015, if any has audio."""
    held = [s for s in systems if s.test58 is not None]
    if not held:
        return
    full = held[0].runs[0].layout == "deam"
    doc.heading("The 58 songs of MediaEval 2015")
    doc.code("python -m offline evaluate RUN --on test58")
    doc.text(
        " ".join(paragraphs("The 58 songs") + paragraphs("Full songs" if full else "Ten seconds"))
    )
    rows = []
    for system in held:
        scores = score_predictions(system.test58, system.recipe.outputs)
        for axis in AXES:
            if axis in scores:
                column = ("valence", "arousal").index(axis)
                s, held58 = scores[axis], system.test58
                of = alike(
                    *([a[:, column] for a in songs] for songs in (held58.y, held58.p)),
                    float(held58.constant[column]),
                )
                rows.append(
                    [system.recipe.name, system.recipe.mode, axis, f"{of.rmse:.3f}",
                     f"{of.constant:.3f}", f"{of.hindsight:.3f}", f"{s.oracle_song:.3f}",
                     interval(s.skill_song), f"{of.r if np.isfinite(of.r) else 0:.2f}", s.n_songs]
                )  # fmt: skip
    rows.sort(key=lambda r: (r[2], r[3]))
    doc.table(["system", "mode", "axis", "RMSE per song", "constant", "best constant in hindsight",
               "oracle", "skill per song [95 %]", "r of song means", "songs"], rows)  # fmt: skip
    shown = [r for r in rows if not str(r[7]).split("[")[1].startswith("-")]
    doc.text(
        *paragraphs("Above zero", shown=len(shown), rows=len(rows))
        if shown
        else paragraphs("None above zero")
    )


def static_table(doc: Document, systems: list[System]) -> None:
    """Add the systems that give one value a song, with the original's loss beside."""
    doc.heading("Static systems, on the corrected song labels")
    doc.code(commands(systems))
    rows = []
    for system in systems:
        scores = system.scores()
        v, a = scores["valence"], scores["arousal"]
        # the loss of the original: MAE_V + MAE_A on 1..9
        y, p = (
            np.concatenate([x for f in system.predictions for x in getattr(f, k)]) for k in "yp"
        )
        c = np.concatenate([np.tile(f.constant, (len(f.y), 1)) for f in system.predictions])
        rows.append(
            [system.recipe.name, system.recipe.mode,
             f"{a.rmse_pooled.value:.3f} ({a.constant_pooled:.3f})", interval(a.skill_pooled),
             f"{a.r2_pooled:.2f}", f"{v.rmse_pooled.value:.3f} ({v.constant_pooled:.3f})",
             interval(v.skill_pooled), f"{v.r2_pooled:.2f}",
             f"{4 * np.abs(y - p).mean(0).sum():.2f} ({4 * np.abs(y - c).mean(0).sum():.2f})",
             v.n_songs, system.recipe.published or "none", deviation(system)]
        )  # fmt: skip
    rows.sort(key=lambda r: r[2])
    doc.table(["system", "mode", "A RMSE (constant)", "A skill [95 %]", "A R2",
               "V RMSE (constant)", "V skill [95 %]", "V R2",
               "MAE_V + MAE_A on 1..9 (constant)", "songs", "published", "deviation"],
              rows)  # fmt: skip


def own_table(doc: Document, systems: list[System]) -> None:
    """Add the runs on the splits of the original papers."""
    doc.heading("The original papers' own splits")
    rows = []
    for system in systems:
        for axis, s in system.scores().items():
            rows.append(
                [system.recipe.name, system.recipe.mode, system.recipe.data.labels,
                 system.runs[0].split.name, axis, f"{s.rmse_pooled.value:.3f}",
                 f"{s.constant_pooled:.3f}", f"{s.rmse_song.value:.3f}", f"{s.constant_song:.3f}",
                 interval(s.skill_pooled), system.recipe.published or "none"]
            )  # fmt: skip
    doc.table(["system", "mode", "labels", "split", "axis", "RMSE pooled", "constant",
               "RMSE per song", "constant", "skill pooled [95 %]", "published"], rows)  # fmt: skip


def baseline_table(doc: Document, dataset: Dataset, static: list[System], cache: Path) -> None:
    """Cross-validate the classical baselines that were run; scores are kept in the cache."""
    from offline.evaluation.baselines import baseline_scores
    from offline.training.classical import find_table

    doc.heading("Classical baseline on song descriptors")
    doc.code("python -m offline report --deam PATH")
    table = find_table(dataset.root)
    names = {s.recipe.network.name for s in static if s.recipe.kind.example == "song"}
    if table is None or not names:
        why = "no table of song descriptors" if table is None else "no classical recipe was run"
        doc.text(f"Not computed: {why}.")
        return
    doc.text(*paragraphs("Baselines"))
    rows = [
        [s["name"], f"by {s['by']}", f"{s['arousal']:.3f}", f"{s['valence']:.3f}", s["n"]]
        for s in baseline_scores(dataset, table, cache, sorted(names))
    ]
    doc.table(["regressor", "10 folds", "A R2", "V R2", "songs"], rows)
