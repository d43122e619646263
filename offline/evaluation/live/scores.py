"""Figures of the table of aims, from predictions and labels alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from offline.batches.live.data import SPAN, LiveData
from offline.evaluation.live.predict import Steps, run_batch, run_clips, run_stream

__all__ = [
    "FROM", "calibration", "constant_of", "half_clips", "half_scores", "labels_of", "mood_scores",
    "n_seeds", "over_seeds", "reaction", "score_fold", "scored_clips",
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
    return np.stack([data.clips[i].labels[FROM:20] for i in clips])


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


def calibration(y: np.ndarray, mood: np.ndarray) -> dict[str, float]:
    """Shares inside 1 and 2 sigma; rank correlation of a song's sigma and error."""
    out = {}
    for k, axis in enumerate(AXES):
        error, sigma = np.abs(mood[..., k] - y[..., k]), mood[..., 2 + k]
        out[f"inside1_{axis}"] = float((error <= sigma).mean())
        out[f"inside2_{axis}"] = float((error <= 2 * sigma).mean())
        out[f"rank_{axis}"] = float(spearmanr(error.mean(1), sigma.mean(1))[0])
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

    An area under the curve is left out where all labels of its clips are the same.
    """
    hot = half[:, 1] > 0.5
    every = np.ones(len(half), bool)
    out = {
        name: float(roc_auc_score(half[rows, k], p[rows, k]))
        for name, rows, k in (
            ("auc_energetic", every, 1),
            ("auc_positive", every, 0),
            ("auc_positive_energetic_half", hot, 0),
            ("auc_positive_calm_half", ~hot, 0),
        )
        if len(set(half[rows, k].tolist())) == 2
    }
    return out | {"quadrant_accuracy": float(((p > 0.5) == (half > 0.5)).all(1).mean())}


def reaction(
    model: Steps,
    data: LiveData,
    clips: Sequence[int],
    *,
    least: float = 0.4,
    most: int = 300,
    curves: dict[str, np.ndarray] | None = None,
) -> dict[str, float]:
    """Seconds to 63 % and 90 % of the mean change on joins of two songs, per axis.

    Joins of songs whose labels differ by `least` or more; each curve is turned so that it rises,
    the mean over the joins goes from the last two seconds before to the last three after. The
    mean curves, from 0 before to 1 after, are left in `curves` when it is given.
    """
    labels = labels_of(data, clips).mean(1)
    rng = np.random.default_rng(0)
    out = {}
    for k, axis in enumerate(AXES):
        pairs = [(a, b) for a in range(len(clips)) for b in range(len(clips))
                 if abs(labels[a, k] - labels[b, k]) >= least]  # fmt: skip
        if not pairs:
            continue
        chosen = [pairs[j] for j in rng.permutation(len(pairs))[:most]]
        moods = []
        for at in range(0, len(chosen), 64):
            mel, chroma = (
                np.stack([np.concatenate([x[clips[a]][:20].numpy(), x[clips[b]][:20].numpy()])
                          for a, b in chosen[at : at + 64]])
                for x in (data.mel, data.chroma)
            )  # fmt: skip
            moods.append(run_batch(model, mel, chroma)[..., k])
        sign = np.sign([labels[b, k] - labels[a, k] for a, b in chosen])
        mean = (np.concatenate(moods) * sign[:, None]).mean(0)
        before, after = mean[16:20].mean(), mean[34:40].mean()
        risen = (mean[19:] - before) / (after - before)
        if curves is not None:
            curves[f"join_{axis}"] = (mean - before) / (after - before)
        for share, name in ((0.632, "t63"), (0.9, "t90")):
            out[f"{name}_{axis}"] = _crossing(risen, share)
    return out


def _crossing(risen: np.ndarray, share: float) -> float:
    """Seconds after the join at which a curve first reaches a share, between steps linearly."""
    k = int(np.argmax(risen >= share))
    if risen[k] < share:
        return float("nan")
    if k == 0:
        return 0.0
    part = (share - risen[k - 1]) / (risen[k] - risen[k - 1])
    return 0.5 * (k - 1 + float(part))


def score_fold(
    model: Steps, data: LiveData, fold: int, constant: np.ndarray, *, joins: bool = True
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """All figures of a model on a fold that was held out, and its raw predictions."""
    clips = scored_clips(data, fold)
    y = labels_of(data, clips)
    fresh = run_clips(model, data, clips, 20)
    stream = run_stream(model, data, clips, 20)
    fresh_scores = mood_scores(y, fresh[:, FROM:, :2], constant)
    scores = {f"fresh_{k}": v for k, v in fresh_scores.items()}
    scores |= mood_scores(y, stream[:, FROM:, :2], constant)
    scores |= calibration(y, stream[:, FROM:])
    for k, axis in enumerate(AXES):
        at_cut = [np.sqrt(np.mean((m[:, FROM, k] - y[:, 0, k]) ** 2)) for m in (stream, fresh)]
        scores[f"after_cut_{axis}"] = float(at_cut[0] - at_cut[1])
    scores["movement"] = float(np.abs(np.diff(stream[:, FROM:, :2], axis=1)).mean())
    raw = {"y": y, "fresh": fresh, "stream": stream}
    half_planes, steps = half_clips(data, fold)
    if half_planes:
        moods = run_clips(model, data, half_planes, steps)
        half = np.array([data.clips[i].quadrant for i in half_planes])
        scores |= half_scores(half, moods[:, FROM:, 4:6].mean(1))
        raw |= {"half": half, "quadrant": moods}
    if joins:
        scores |= reaction(model, data, clips, curves=raw)
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
