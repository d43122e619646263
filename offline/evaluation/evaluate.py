"""`evaluate`: a trained run -> predictions on the test songs and their scores.

This is the only place that reads the test side of a split.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from offline.datasets import Dataset
from offline.datasets.folds import is_test58
from offline.evaluation.ledger import config_hash, readings, record_reading
from offline.evaluation.metrics import Scores, score
from offline.files import write_json
from offline.recipes.recipe import Recipe
from offline.runs import Predictions, Run, open_run
from streammer.errors import InputError, UsageError

__all__ = [
    "evaluate", "evaluate_folder", "is_outer", "is_scored", "read_scores",
    "score_predictions", "summary",
]  # fmt: skip

AXES = ("valence", "arousal")


def evaluate(
    run: Run,
    dataset: Dataset,
    *,
    songs: Sequence[str] | None = None,
    name: str = "test",
    workers: int = 1,
    show: bool = True,
) -> dict[str, Any]:
    """Predict the test songs of a run and score them.

    Parameters
    ----------
    run : Run
    dataset : Dataset
    songs : sequence of str, optional
        Global ids in place of the split's test side; none may have trained the run.
    name : str
        Of the files written: ``predictions-<name>.npz``, ``scores-<name>.json``.

    Returns
    -------
    dict
        Axis -> scores, as written.

    Raises
    ------
    InputError
        The run is not trained yet, or no test song has audio and labels.
    """
    fitted = run.fitted
    if not fitted:
        raise InputError(f"{run.path}: not trained yet; run `train` again to finish it")
    uids = tuple(songs) if songs is not None else run.split.test
    trained = set(uids) & (set(run.split.train) | set(run.split.validation))
    if trained:
        raise InputError(
            f"{run.path}: {sorted(trained)[0]} was used in training; it cannot be tested on"
        )
    if songs is None and is_outer(run.recipe):
        record_reading(
            run.path.parent, run.recipe.data.fold, system=run.recipe.slug, run=run.path.name,
            config=config_hash(run.recipe.to_dict()), artefact=run.hash,
        )  # fmt: skip
    predictions = run.recipe.kind.make(run.recipe).predict(
        run, dataset, uids, workers=workers, show=show
    )
    predictions = replace(predictions, of=run.hash)
    predictions.write(run.path / f"predictions-{name}.npz")
    scores = score_predictions(predictions, run.recipe.outputs, run.recipe.evaluation.n_boot)
    body = {axis: _plain(asdict(s)) for axis, s in scores.items()}
    write_json(run.path / f"scores-{name}.json", {"of": run.hash, **body})
    return body


def score_predictions(
    predictions: Predictions | Sequence[Predictions], outputs: Sequence[str], n_boot: int = 1000
) -> dict[str, Scores]:
    """Score one set of predictions, or several folds as one with each fold's own constant."""
    folds = [predictions] if isinstance(predictions, Predictions) else list(predictions)
    scores = {}
    for column, axis in enumerate(AXES):
        if axis not in outputs:
            continue
        y = [a[:, column] for f in folds for a in f.y]
        p = [a[:, column] for f in folds for a in f.p]
        constant = [np.full(1, f.constant[column]) for f in folds for _ in f.y]
        scores[axis] = score(y, p, constant, n_boot=n_boot)
    return scores


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def summary(scores: dict[str, Any]) -> list[str]:
    """One line an axis: RMSE per song and pooled, the constant's, skill with its interval."""
    lines = []
    for axis, s in scores.items():
        skill = s["skill_song"]
        lines.append(
            f"{axis:8s} RMSE per song {s['rmse_song']['value']:.3f} (constant "
            f"{s['constant_song']:.3f}, oracle {s['oracle_song']:.3f}), pooled "
            f"{s['rmse_pooled']['value']:.3f} (constant {s['constant_pooled']:.3f}), skill "
            f"{skill['value']:+.3f} [{skill['low']:+.3f}, {skill['high']:+.3f}], "
            f"r {s['r_pooled'] or 0:.2f}, CCC {s['ccc_pooled'] or 0:.2f}, {s['n_songs']} songs"
        )
    return lines


def read_scores(path: Path) -> dict[str, Any]:
    """Scores as `evaluate` wrote them, by axis."""
    body = json.loads(path.read_text(encoding="utf-8"))
    return {axis: body[axis] for axis in AXES if axis in body}


def is_scored(run: Run, name: str = "test") -> bool:
    """Whether a run's scores are there, and of the weights that it has now."""
    path = run.path / f"scores-{name}.json"
    return path.exists() and json.loads(path.read_text(encoding="utf-8")).get("of") == run.hash


def evaluate_folder(folder: Path, on: str | None, out: Path | None, workers: int) -> list[str]:
    """Evaluate the run in a folder, and return the lines to print.

    Raises
    ------
    UsageError
        A page was asked for, which only the live model has.
    """
    if out is not None:
        raise UsageError("--out: only the live model has a page; expected a run of `train live`")
    run = open_run(folder)
    dataset, name = run.dataset(), on or "test"
    songs = [s.uid for s in dataset if is_test58(s)] if name == "test58" else None
    show = sys.stderr.isatty()
    lines = summary(evaluate(run, dataset, songs=songs, name=name, workers=workers, show=show))
    recipe = run.recipe
    if recipe.data.inner is not None:
        lines.append(
            f"selection: inner fold {recipe.data.inner} of outer fold {recipe.data.fold}, "
            "which was put away"
        )
    elif songs is None and is_outer(recipe):
        read = readings(run.path.parent, recipe.data.fold, recipe.slug)
        lines.append(f"outer fold {recipe.data.fold} was read {read}")
    return lines


def is_outer(recipe: Recipe) -> bool:
    """Whether the test side of a recipe's split is an outer fold."""
    return recipe.data.split in ("artist", "song") and recipe.data.inner is None
