"""All figures of a model on a held-out fold: it is stepped, and what comes out is scored."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from offline.batches.live.data import SPAN, LiveData
from offline.evaluation.live.moods import (
    auc_scores,
    cluster_scores,
    published_quadrants,
    quadrant_labels,
    quadrant_scores,
    sign_agreement,
)  # fmt: skip
from offline.evaluation.live.predict import Steps, run_clips, run_stream
from offline.evaluation.live.reaction import movement, reaction
from offline.evaluation.live.sigma import calibration
from streammer.inference.artefact import OUTPUTS

__all__ = [
    "FROM", "all_outputs", "constant_of", "half_clips", "half_scores", "labels_of", "mood_scores",
    "n_seeds", "over_folds", "over_seeds", "score_clusters", "score_fold", "score_halves",
    "score_songs", "scored_clips",
]  # fmt: skip

FROM = 5
"""First step scored: label times of 3 s after the start of a clip and later."""
AXES = ("valence", "arousal")


def constant_of(data: LiveData, folds: Sequence[int]) -> np.ndarray:
    """Mean valence and arousal of all labels of folds: the constant prediction."""
    labels = np.concatenate([data.clips[i].labels for i in data.first_clips(tuple(folds))])
    return np.nanmean(labels, 0)


def scored_clips(data: LiveData, fold: int) -> list[int]:
    """Return the clips of a fold that have a label at every scored step, one a song."""
    return [
        i for i in data.first_clips((fold,))
        if len(data.mel[i]) >= SPAN and np.isfinite(data.clips[i].labels[FROM:SPAN]).all()
    ]  # fmt: skip


def labels_of(data: LiveData, clips: Sequence[int]) -> np.ndarray:
    """Labels of the scored steps [shape=(clips, steps, 2)]."""
    return np.stack([data.clips[i].labels[FROM:SPAN] for i in clips])


def mood_scores(y: np.ndarray, p: np.ndarray, constant: np.ndarray) -> dict[str, float]:
    """RMSE, skill, and correlation of song means of ``[songs, steps, 2]``."""
    out = {}
    for k, axis in enumerate(AXES):
        error = float(np.sqrt(np.mean((p[..., k] - y[..., k]) ** 2)))
        flat = float(np.sqrt(np.mean((constant[k] - y[..., k]) ** 2)))
        out[f"rmse_{axis}"], out[f"constant_{axis}"] = error, flat
        out[f"skill_{axis}"] = 1 - error / flat
        mean, predicted = y[..., k].mean(1), p[..., k].mean(1)
        out[f"r_{axis}"] = (
            float(np.corrcoef(mean, predicted)[0, 1]) if predicted.std() > 1e-9 else 0.0
        )
    return out


def half_clips(data: LiveData, fold: int) -> tuple[list[int], int]:
    """Return the clips of a fold with half-plane labels, and how many steps of each are scored.

    Clips of 20 s where there are any (4Q has them), else of 10 s.
    """
    known = data.where("quadrant", (fold,))
    long = [i for i in known if len(data.mel[i]) >= 2 * SPAN]
    return (long, 2 * SPAN) if long else ([i for i in known if len(data.mel[i]) >= SPAN], SPAN)


def half_scores(half: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Score probabilities ``[clips, 2]`` (positive, energetic) against half-plane labels.

    ``quadrant_label_accuracy`` is that of the quadrant that `label` gives a file: of the means,
    without hysteresis.
    """
    mood = np.full((len(p), 6), np.nan)
    mood[:, 4:6] = p
    hit = ((p > 0.5) == (half > 0.5)).all(1)
    return {**auc_scores(half, mood), "quadrant_label_accuracy": float(hit.mean())}


def all_outputs(model: Steps, moods: np.ndarray) -> np.ndarray:
    """Moods ``[..., outputs]`` of a model in the columns of all six, NaN for those it has not."""
    names = getattr(model, "outputs", OUTPUTS)
    if tuple(names) == tuple(OUTPUTS):
        return moods
    out = np.full((*moods.shape[:-1], len(OUTPUTS)), np.nan, moods.dtype)
    for k, name in enumerate(names):
        out[..., OUTPUTS.index(name)] = moods[..., k]
    return out


def score_songs(
    model: Steps, data: LiveData, fold: int, constant: np.ndarray
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Score the songs of a fold with labels over time: as one stream, and each from a start."""
    clips = scored_clips(data, fold)
    y = labels_of(data, clips)
    fresh = all_outputs(model, run_clips(model, data, clips, SPAN))
    stream = all_outputs(model, run_stream(model, data, clips, SPAN))
    fresh_scores = mood_scores(y, fresh[:, FROM:, :2], constant)
    scores = {f"fresh_{k}": v for k, v in fresh_scores.items()}
    scores |= mood_scores(y, stream[:, FROM:, :2], constant)
    scores |= calibration(y, stream[:, FROM:])
    for k, axis in enumerate(AXES):
        at_cut = [np.sqrt(np.mean((m[:, FROM, k] - y[:, 0, k]) ** 2)) for m in (stream, fresh)]
        scores[f"after_cut_{axis}"] = float(at_cut[0] - at_cut[1])
    scores |= movement(stream[:, FROM:])
    scores |= {f"{k}_deam": v for k, v in sign_agreement(stream[:, FROM:]).items()}
    return scores, {"y": y, "fresh": fresh, "stream": stream}


def score_halves(
    model: Steps, data: LiveData, fold: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Score the clips of a fold with half-plane labels (4Q): what is published of them."""
    clips, steps = half_clips(data, fold)
    if not clips:
        return {}, {}
    moods = all_outputs(model, run_clips(model, data, clips, steps))
    half = np.array([data.clips[i].quadrant for i in clips])
    mean = moods[:, FROM:].mean(1)
    scores = auc_scores(half, mean)
    if np.isfinite(mean[:, 4:6]).all():
        scores |= half_scores(half, mean[:, 4:6])
    truth = quadrant_labels(half)
    scores |= quadrant_scores(truth, published_quadrants(moods, FROM))
    signs = moods.copy()
    signs[..., 4:6] = np.nan
    by_signs = quadrant_scores(truth, published_quadrants(signs, FROM))
    scores["quadrant_signs_accuracy"] = by_signs["quadrant_accuracy"]
    return scores | sign_agreement(moods[:, FROM:]), {"half": half, "quadrant": moods}


def score_clusters(
    model: Steps, data: LiveData, fold: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Score the clips of a fold with mood clusters (the MIREX-like set): ranks of means."""
    known = data.where("cluster", (fold,))
    steps = min((len(data.mel[i]) for i in known), default=0)
    if steps <= FROM:
        return {}, {}
    moods = all_outputs(model, run_clips(model, data, known, steps))
    cluster = np.array([data.clips[i].cluster for i in known])
    return cluster_scores(cluster, moods[:, FROM:].mean(1)), {"cluster": cluster, "clusters": moods}


def score_fold(
    model: Steps, data: LiveData, fold: int, constant: np.ndarray, *, joins: bool = True
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """All figures of a model on a fold that was held out, and its raw predictions."""
    scores, raw = score_songs(model, data, fold, constant)
    for part in (score_halves, score_clusters):
        found, arrays = part(model, data, fold)
        scores |= found
        raw |= arrays
    if joins:
        clips = scored_clips(data, fold)
        scores |= reaction(model, data, clips, labels_of(data, clips).mean(1), curves=raw)
    return scores, raw


def over_seeds(folds: Mapping[str, Mapping[str, float]], key: str) -> tuple[float, float]:
    """Mean over folds and seeds, and the spread over seeds of the mean over folds."""
    seeds = sorted({int(s["seed"]) for s in folds.values()})
    means = [
        float(np.nanmean([s[key] for s in folds.values() if int(s["seed"]) == seed and key in s]))
        for seed in seeds
    ]
    return float(np.mean(means)), float(np.std(means, ddof=1)) if len(means) > 1 else 0.0


def n_seeds(body: Mapping[str, Any]) -> int:
    """How many seeds the fold figures come from."""
    return len({int(s["seed"]) for s in body["folds"].values()})


def over_folds(folds: Mapping[str, Mapping[str, float]], key: str) -> dict[int, float]:
    """Mean over seeds of a figure, for each fold that has it."""
    numbers = sorted({int(s["fold"]) for s in folds.values() if key in s})
    return {
        fold: float(np.mean([s[key] for s in folds.values() if s["fold"] == fold and key in s]))
        for fold in numbers
    }
