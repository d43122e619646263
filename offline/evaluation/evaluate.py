"""`evaluate`: a trained run -> predictions on the test songs and their scores.

This is the only place that reads the test side of a split.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from offline.datasets import Dataset
from offline.evaluation.metrics import Scores, score
from offline.files import write_json
from offline.progress import progress_bar
from offline.runs import Predictions, Run
from streammer.errors import InputError

__all__ = ["evaluate", "read_scores", "score_predictions", "summary"]

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
    if run.recipe.family == "classical":
        from offline.training.classical import predict_classical

        predictions = predict_classical(run, dataset, uids)
    else:
        predictions = _predict(run, dataset, uids, fitted, workers, show)
    predictions.write(run.path / f"predictions-{name}.npz")
    scores = score_predictions(predictions, run.recipe.outputs, run.recipe.evaluation.n_boot)
    body = {axis: _plain(asdict(s)) for axis, s in scores.items()}
    write_json(run.path / f"scores-{name}.json", body)
    return body


def _predict(
    run: Run,
    dataset: Dataset,
    uids: Sequence[str],
    fitted: dict[str, Any],
    workers: int,
    show: bool,
) -> Predictions:
    from offline.batches.clips import build_clips, scored
    from offline.training.loop import load_weights
    from offline.training.networks import build_network, predict

    recipe = run.recipe
    clips = build_clips(
        dataset, uids, recipe, run.cache, first_clip_only=True, workers=workers, show=show
    )
    net = load_weights(build_network(recipe), run.path / "checkpoints" / fitted["best"])
    out = Predictions([], [], [], [], np.array(fitted["constant"]))
    with progress_bar(f"evaluate {recipe.name}", len(clips), show=show) as advance:
        for labelled in clips.items:
            at = np.flatnonzero(scored(labelled, recipe))
            advance()
            if not len(at):
                continue
            out.uids.append(labelled.uid)
            out.t_s.append(labelled.t_s[at])
            out.y.append(labelled.y[at])
            out.p.append(predict(net, labelled, at, recipe, fitted["sizes"][1]))
    if not out.uids:
        raise InputError(f"{dataset.root}: no test song has a scored label; check the folder")
    return out


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
    """Scores as `evaluate` wrote them."""
    return json.loads(path.read_text(encoding="utf-8"))
