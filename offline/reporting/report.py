"""`report`: what finished, in one document for people; nothing in it is filled in by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from offline.datasets import Dataset, load_dataset
from offline.datasets.check import check_dataset
from offline.evaluation.evaluate import score_predictions
from offline.evaluation.live.rows import SIGMA, adopt_live
from offline.evaluation.metrics import Scores, bootstrap_paired, coverage
from offline.files import write_text
from offline.recipes.recipe import Recipe
from offline.reporting.document import Document
from offline.reporting.literature import TOPICS
from offline.reporting.overview import STILL, commands, dead, deviation, interval, overview
from offline.runs import Predictions, Run, open_run
from streammer.errors import InputError

__all__ = ["System", "collect", "write_report"]

AXES = ("arousal", "valence")


@dataclass(frozen=True)
class System:
    """One recipe in one mode with one kind of labels, its finished folds together.

    Attributes
    ----------
    runs : list of Run
        In the order of the folds.
    predictions : list of Predictions
        Test songs of each fold.
    test58 : Predictions or None
        The first fold's on the 58 songs.
    kept : dict
        Scores, once they were asked for.
    """

    runs: list[Run]
    predictions: list[Predictions]
    test58: Predictions | None
    kept: dict[str, Scores] = field(default_factory=dict, compare=False)

    @property
    def recipe(self) -> Recipe:
        """Recipe of the first fold."""
        return self.runs[0].recipe

    @property
    def label(self) -> str:
        """Name and mode."""
        return f"{self.recipe.name} ({self.recipe.mode})"

    def scores(self) -> dict[str, Scores]:
        """Scores over all folds' songs, each with its own fold's constant."""
        if not self.kept:  # a thousand draws over all songs: once is enough
            self.kept.update(score_predictions(self.predictions, self.recipe.outputs))
        return self.kept


def collect(runs: Path) -> list[System]:
    """Finished runs of a folder, folds joined.

    Raises
    ------
    InputError
        There is none.
    """
    found: dict[tuple[str, ...], list[tuple[Run, Path]]] = {}
    for scores in sorted(runs.glob("*/predictions-test.npz")):
        run = open_run(scores.parent)
        r = run.recipe
        key = (r.data.labels, r.name, r.mode, r.data.split)
        found.setdefault(key, []).append((run, scores.parent))
    if not found:
        raise InputError(f"{runs}: no finished run; start with `reproduce`")
    systems = []
    for held in found.values():
        held.sort(key=lambda item: item[0].recipe.data.fold)
        extra = held[0][1] / "predictions-test58.npz"
        systems.append(
            System(
                [run for run, _ in held],
                [Predictions.read(path / "predictions-test.npz") for _, path in held],
                Predictions.read(extra) if extra.exists() else None,
            )
        )
    return systems


def write_report(deam: Path, runs: Path, cache: Path, out: Path, live: Path | None = None) -> Path:
    """Write ``report.md``, ``report.html`` and ``report/*.png``; returns the first.

    Parameters
    ----------
    deam : Path
        Folder of the data set.
    runs : Path
        Folder of runs as `reproduce` leaves them.
    cache : Path
        Folder of cached features and of cross-validated baselines.
    out : Path
    live : Path, optional
        Folder of the live model's run, whose folds' artefacts are scored beside the others.
    """
    dataset = load_dataset(deam)
    if live is not None:
        strides = {s.recipe.evaluation.stride for s in collect(runs)}
        adopt_live(live, dataset, deam, cache, runs, max(strides))
    systems = collect(runs)
    own = [s for s in systems if s.recipe.data.split not in ("artist", "song")]
    systems = [s for s in systems if s not in own]
    dynamic = [s for s in systems if s.recipe.data.labels == "dynamic"]
    static = [s for s in systems if s.recipe.data.labels == "static"]
    doc = Document("The published DEAM systems, one protocol")
    _opening(doc, dataset, deam)
    if dynamic:
        _dynamic(doc, dynamic, dataset, out)
        _test58(doc, dynamic)
    if static:
        _static(doc, static)
    if own:
        _own(doc, own)
    _baseline(doc, dataset, static, cache)
    _figures(doc, dynamic, static, dataset, out)
    _faults(doc, systems)
    _literature(doc, dataset)
    write_text(out / "report.html", doc.html())
    path = out / "report.md"
    write_text(path, doc.markdown())
    return path


def _opening(doc: Document, dataset: Dataset, deam: Path) -> None:
    doc.text(
        "Every figure below was computed by the command under its heading from runs on the data "
        "named here. RMSE is on [-1, 1]. 'Per song' is the mean of each song's RMSE, 'pooled' "
        "takes all frames as one; skill is 1 - RMSE / RMSE of the constant (the mean of the "
        "training labels of the same fold), with a 95 % interval from a bootstrap over songs. The "
        "oracle knows each song's own mean: what is below it follows change inside a song."
    )
    doc.heading("Data")
    doc.code("python -m offline data check PATH")
    lines = check_dataset(deam)
    doc.bullets([line.removeprefix("- ").replace(f"{deam}: ", "") for line in lines])


def _dynamic(doc: Document, systems: list[System], dataset: Dataset, out: Path) -> None:
    stride = systems[0].recipe.evaluation.stride
    doc.heading("Dynamic systems, artist-disjoint folds")
    doc.code(commands(systems))
    doc.text(
        "Without these options every system runs as published, at full width. Here the processor "
        "time was short: widths, images and budgets are the commands' and stand in every row, with "
        "the epochs that they allowed (seconds are of one core). What a narrow net says after a "
        "few epochs is a floor of what its system can do, not its rank."
    )
    doc.text(
        "Songs with id <= 2000. Scored are the labels from 5 s after the start of a clip on, when "
        f"every window is full, every {0.5 * stride:g} s. Every song is predicted by the one model "
        "that has heard neither it nor its artist."
    )
    doc.heading("At a glance", 3)
    doc.text(
        "RMSE per song, in brackets the skill over the constant beside it; a star says that its "
        "interval excludes 0."
    )
    doc.table(*overview(systems))
    if still := dead(systems):
        doc.text(
            f"The same of every song, whatever it hears (spread under {STILL:g}), say "
            f"{'; '.join(still)}. A spectral net whose ReLU output died says 0, which is -1 on "
            "this scale; a window net whose maps died says what its last bias is."
        )
    ranked: dict[str, list[tuple[float, System, Scores]]] = {}
    for axis in AXES:
        rows = []
        for system in systems:
            scores = system.scores()
            if axis in scores:
                ranked.setdefault(axis, []).append(
                    (scores[axis].rmse_song.value, system, scores[axis])
                )
        ranked.setdefault(axis, []).sort(key=lambda item: item[0])
        for _, system, s in ranked[axis]:
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
        _paired(doc, ranked[axis], axis)


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


def _test58(doc: Document, systems: list[System]) -> None:
    held = [s for s in systems if s.test58 is not None]
    if not held:
        return
    full = held[0].runs[0].layout == "deam"
    doc.heading("The 58 songs of MediaEval 2015")
    doc.code("python -m offline evaluate RUN --on test58")
    doc.text(
        "The model of the first fold; none of the 58 songs or their artists trained it. "
        + (
            "Full songs, as published."
            if full
            else "Seconds 30-40 alone: the published protocol (full songs) needs full DEAM audio."
        )
    )
    rows = []
    for system in held:
        scores = score_predictions(system.test58, system.recipe.outputs)
        for axis in AXES:
            if axis in scores:
                s = scores[axis]
                rows.append(
                    [system.recipe.name, system.recipe.mode, axis, f"{s.rmse_song.value:.3f}",
                     f"{s.constant_song:.3f}", f"{s.oracle_song:.3f}", interval(s.skill_song),
                     f"{s.r_pooled if np.isfinite(s.r_pooled) else 0:.2f}", s.n_songs]
                )  # fmt: skip
    rows.sort(key=lambda r: (r[2], r[3]))
    doc.table(["system", "mode", "axis", "RMSE per song", "constant", "oracle",
               "skill per song [95 %]", "r", "songs"], rows)  # fmt: skip
    shown = [r for r in rows if not str(r[6]).split("[")[1].startswith("-")]
    doc.text(
        f"{len(shown)} of {len(rows)} rows have an interval above zero; one with r = 0.00 says the "
        "same of every song, and is only a luckier constant."
        if shown
        else "No row has an interval above zero: on these 58 songs nothing here beats the constant "
        "with confidence."
    )


def _static(doc: Document, systems: list[System]) -> None:
    doc.heading("Static systems, on the mended song labels")
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


def _own(doc: Document, systems: list[System]) -> None:
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


def _baseline(doc: Document, dataset: Dataset, static: list[System], cache: Path) -> None:
    """Cross-validate the classical baselines that were run; scores are kept in the cache."""
    from offline.training.classical import baseline_scores, find_table

    doc.heading("Classical baseline on song descriptors")
    doc.code("python -m offline report --deam PATH")
    table = find_table(dataset.root)
    names = {s.recipe.network.name for s in static if s.recipe.family == "classical"}
    if table is None or not names:
        why = "no table of song descriptors" if table is None else "no classical recipe was run"
        doc.text(f"Not computed: {why}.")
        return
    doc.text(
        "Static labels of all songs with the exchanged columns mended; R2 over all out-of-fold "
        "predictions of a 10-fold cross-validation, by song or by artist. An SVR on the 130 "
        "openSMILE means is known to reach A .63 / V .33 (song-disjoint) and .62 / .30 "
        "(artist-disjoint). The SVR's three constants were looked for once on the song-disjoint "
        "folds."
    )
    rows = [
        [s["name"], f"by {s['by']}", f"{s['arousal']:.3f}", f"{s['valence']:.3f}", s["n"]]
        for s in baseline_scores(dataset, table, cache, sorted(names))
    ]
    doc.table(["regressor", "10 folds", "A R2", "V R2", "songs"], rows)


def _means(system: System) -> tuple[np.ndarray, np.ndarray]:
    y = np.array([a.mean(axis=0) for f in system.predictions for a in f.y])
    p = np.array([a.mean(axis=0) for f in system.predictions for a in f.p])
    return y, p


def _figures(
    doc: Document, dynamic: list[System], static: list[System], dataset: Dataset, out: Path
) -> None:
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
    import csv

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
    from offline.batches.clips import _piece
    from offline.datasets.audio import duration_s
    from offline.training.loop import load_weights
    from offline.training.networks import build_network, predict

    order = ("crnn-gru3", "crnn-res", "window-m2", "stacked-crnn", "chroma-lstm")
    shown = [s for s in systems if s.recipe.mode == "mended" and s.recipe.name in order]
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
            piece = _piece(dataset, song, x, clip.offset_s, own.recipe)
            if piece is None:
                continue
            good = np.flatnonzero(np.isfinite(piece.y).all(axis=1))
            net = load_weights(
                build_network(own.recipe), own.path / "checkpoints" / own.fitted["best"]
            )
            p = predict(net, piece, good, own.recipe, own.fitted["sizes"][1])
            line = np.full((len(t_s), 2), np.nan)
            line[np.searchsorted(t_s, np.round(piece.t_s[good] * 2) / 2 - 1e-3)] = p
            lines[system.recipe.name] = line
        out.append((f"song {song.id}", t_s, y, lines))
    return out


def _faults(doc: Document, systems: list[System]) -> None:
    doc.heading("What the faithful modes keep")
    seen: dict[str, list[str]] = {}
    for system in systems:
        recipe = system.recipe
        note = "; ".join(recipe.faults) or "one mode only"
        extra = " The second channel is the mono signal, repeated in the graph."
        text = f"{recipe.about.rstrip('.')}. Faults: {note}." + (
            extra if recipe.family == "spectral" else ""
        )
        seen.setdefault(
            recipe.name, [text + (f" {recipe.definition}" if recipe.definition else "")]
        )
    doc.bullets([f"{name}: {text[0]}" for name, text in sorted(seen.items())])
    doc.text(
        "Test songs never choose anything in either mode: early stopping uses the validation fold, "
        "also where the original used its test set. Mended spectral nets hear the logarithm, have "
        "batch normalisation and linear outputs, and are trained by Adam on shuffled windows of "
        "all songs.",
        "The window nets start from the weights that Keras draws, in both modes, as the original "
        "did: from torch's own, window-m2 dies. Adam's first step moves every unit of its dense "
        "layer by several times its range, the steps that undo it push all maps of the second "
        "convolution below zero, and the net says one constant from then on; "
        "tests/training/test_images.py holds it to live. Mended ones also take a third of the "
        "rate. Faithful ones keep Adam's default, the original's: there Keras's weights may die "
        "too, and whether they do is a matter of the draw.",
    )


def _literature(doc: Document, dataset: Dataset) -> None:
    doc.heading("What the literature's figures mean")
    for topic, (title, function) in TOPICS.items():
        doc.heading(title, 3)
        doc.code(f"python -m offline data explain {topic} PATH")
        doc.bullets(function(dataset))
