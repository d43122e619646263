"""Gradient boosting on the same causal statistics: what stands beside every figure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from models.live.texture import Texture
from offline.batches.live.data import LiveData
from offline.batches.live.statistics import Rows, textures
from offline.evaluation.live.scores import (
    FROM,
    half_clips,
    half_scores,
    labels_of,
    mood_scores,
    scored_clips,
)

__all__ = ["Boosting", "fit_boosting", "score_boosting"]

_SETTINGS = {"max_iter": 80, "learning_rate": 0.08, "max_leaf_nodes": 10, "min_samples_leaf": 40,
             "l2_regularization": 5.0, "max_features": 0.2, "random_state": 0}  # fmt: skip

BINS = 255
"""Bins of a feature: as many as scikit-learn's histograms have."""


class Boosting(NamedTuple):
    """Fitted boosting.

    Attributes
    ----------
    edges : np.ndarray [shape=(BINS - 1, d)]
        Between the bins of each feature.
    moods : list of HistGradientBoostingRegressor
        Valence and arousal of binned features.
    half_planes : list of HistGradientBoostingClassifier
        Positive and energetic, of the features themselves.
    """

    edges: np.ndarray
    moods: list[HistGradientBoostingRegressor]
    half_planes: list[HistGradientBoostingClassifier]


def fit_boosting(moods: Rows, half_planes: Rows, fold: int | None) -> Boosting:
    """Fit boosting on the unchanged rows of all folds but one."""
    a, b = (rows.fold >= 0 if fold is None else (rows.fold >= 0) & (rows.fold != fold)
            for rows in (moods, half_planes))  # fmt: skip
    # Binned here: for weighted rows scikit-learn sorts every feature again for every one of its
    # edges, which takes a hundred times as long as the boosting itself.
    edges = np.quantile(moods.x[a], np.linspace(0, 1, BINS + 1)[1:-1], axis=0)
    x = _binned(edges, moods.x[a])
    mood = [
        HistGradientBoostingRegressor(**_SETTINGS).fit(x, moods.y[a, k], moods.weight[a])
        for k in (0, 1)
    ]
    half = [
        HistGradientBoostingClassifier(**_SETTINGS).fit(half_planes.x[b], half_planes.y[b, k] > 0)
        for k in (0, 1)
    ]
    return Boosting(edges, mood, half)


def _binned(edges: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the number of the bin of each feature of ``[rows, d]``."""
    columns = [np.searchsorted(e, c) for e, c in zip(edges.T, x.T, strict=True)]
    return np.stack(columns, 1).astype(np.float32)


def score_boosting(
    boosting: Boosting, data: LiveData, texture: Texture, fold: int, constant: np.ndarray
) -> dict[str, float]:
    """Figures of a held-out fold, each clip from a fresh start."""
    clips = scored_clips(data, fold)
    parts = [_fresh(data, texture, clips[k : k + 64], 20) for k in range(0, len(clips), 64)]
    x = np.concatenate(parts)[:, FROM:]
    p = predict_boosting(boosting, x)
    y = labels_of(data, clips)
    scores = mood_scores(y, p, constant)
    scores["movement"] = float(np.abs(np.diff(p, axis=1)).mean())
    long, steps = half_clips(data, fold)
    if long:
        z = np.concatenate(
            [_fresh(data, texture, long[k : k + 64], steps) for k in range(0, len(long), 64)]
        )
        taken = z[:, FROM::6]
        flat = taken.reshape(-1, taken.shape[2])
        predicted = [
            h.predict_proba(flat)[:, 1].reshape(taken.shape[:2]).mean(1)
            for h in boosting.half_planes
        ]
        half = np.array([data.clips[i].quadrant for i in long])
        scores |= half_scores(half, np.stack(predicted, 1))
    return scores


def predict_boosting(boosting: Boosting, x: np.ndarray) -> np.ndarray:
    """Moods ``[clips, steps, 2]`` of features ``[clips, steps, n]``."""
    flat = _binned(boosting.edges, x.reshape(-1, x.shape[2]))
    return np.stack([m.predict(flat).reshape(x.shape[:2]) for m in boosting.moods], 2)


def _fresh(data: LiveData, texture: Texture, clips: Sequence[int], steps: int) -> np.ndarray:
    import torch

    return textures(
        texture,
        torch.stack([data.mel[i][:steps] for i in clips]),
        torch.stack([data.chroma[i][:steps] for i in clips]),
    )
