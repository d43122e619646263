"""Fitting the kernel ridge on rows of statistics: linear algebra.

A held-out fold gives no row, no centre and no scale. Sigma is learned from errors on folds that
the inner fits are held out from.
"""

import numpy as np
import torch

from models.live.mood import KernelMood, log_variance_features
from models.live.texture import Texture
from offline.batches.live.statistics import Rows
from offline.recipes.live import KernelPart

__all__ = ["fit_kernel", "group_weights"]

_GROUPS = (
    ("bands", 40), ("spread", 40), ("rise", 40), ("cepstra", 57), ("contrast", 20), ("shape", 6),
    ("key", 8), ("ordered", 7), ("turned", 12), ("chords", 12), ("mean_chords", 12), ("rhythm", 36),
)  # fmt: skip


def group_weights(part: KernelPart) -> np.ndarray:
    """Weight of every feature [shape=(n_features,)]."""
    return np.concatenate([np.full(n, part.weights.get(name, 1.0)) for name, n in _GROUPS])


def fit_kernel(
    moods: Rows,
    half_planes: Rows,
    texture: Texture,
    part: KernelPart,
    held_out: int | None,
    prior_sd: np.ndarray,
    seed: int = 0,
) -> KernelMood:
    """Fit on all folds but one.

    Parameters
    ----------
    moods, half_planes : Rows
    held_out : int or None
        Fold that gives nothing.
    prior_sd : np.ndarray [shape=(2,)]
        Spread of the training labels: sigma where nothing is known.
    """
    rng = np.random.default_rng(seed)
    a, b = (rows.without(held_out) for rows in (moods, half_planes))
    known = a.landmark
    shift, sd = a.x[known].mean(0), a.x[known].std(0) + 1e-6
    weights = group_weights(part)
    scale = weights / np.sqrt((weights**2).sum()) / sd
    limit = part.limit * weights / np.sqrt((weights**2).sum())
    level = lambda x: np.clip((x - shift) * scale, -limit, limit)  # noqa: E731
    project = _principal(level(a.x[known]), part.directions)
    z_of = lambda x: level(x) @ project  # noqa: E731
    c = np.concatenate(
        [
            _drawn(z_of(rows.x[rows.landmark]), n, rng)
            for rows, n in ((a, part.songs), (b, part.clips))
        ]
    )
    inner = _kernel(c, c, part.gamma)
    k_mood, k_half = (_kernel(z_of(rows.x), c, part.gamma) for rows in (a, b))
    mean = np.average(a.y[a.fold >= 0], axis=0, weights=a.weight[a.fold >= 0])
    target = np.where(a.fold[:, None] >= 0, a.y - mean, -mean)
    mood, outside = _ridge(k_mood, target, a, inner, part.ridge)
    half, outside_half = _ridge(k_half, b.y, b, inner, part.ridge_half)
    steep = _logit_scale(outside_half[b.fold >= 0], b.y[b.fold >= 0] > 0)
    log_variance = _log_variance(
        a, outside, target, mean, prior_sd, z_of(a.x)[:, : part.log_variance_directions], part
    )
    music_head = _music(np.concatenate((k_mood, k_half)), Rows.joined([a, b]), inner, part.ridge)
    heads = np.concatenate((mood, half * steep, music_head), 1)
    offset = np.concatenate((mean, np.log(prior_sd), np.zeros(3)))
    to = lambda x: torch.from_numpy(np.ascontiguousarray(x)).float()  # noqa: E731
    return KernelMood(
        texture, to(c), to(shift), to(scale), to(limit), to(project), part.gamma, to(heads),
        to(log_variance), to(offset),
    ).eval()  # fmt: skip


def _log_variance(
    rows: Rows,
    outside: np.ndarray,
    target: np.ndarray,
    mean: np.ndarray,
    prior_sd: np.ndarray,
    z: np.ndarray,
    part: KernelPart,
) -> np.ndarray:
    """Weights of ln sigma over the prior's [shape=(6 + directions, 2)], from held-out errors."""
    music = rows.fold >= 0
    # E ln|e| of a Gaussian is ln sigma - .635; a floor keeps lucky rows from counting too much.
    error = np.log(np.sqrt((outside - target) ** 2 + 0.03**2)) + 0.55
    error = np.where(music[:, None], error - np.log(prior_sd), 0.0)
    # Sounds that are no music are few: for sigma, which they alone tell the prior, they count more.
    weight = np.where(music, rows.weight, 4 * rows.weight)
    predicted = torch.from_numpy(np.where(music[:, None], outside + mean, 0.0))
    x = log_variance_features(predicted, torch.from_numpy(z)).numpy()
    # The directions have a spread far under that of the mood's powers: one ridge after scaling.
    size = np.sqrt(np.average(x**2, axis=0, weights=weight))
    scaled, total = x / size, weight.sum()
    gram = (scaled.T * weight) @ scaled + part.ridge_sigma / 100 * total * np.eye(x.shape[1])
    gram[0, 0] -= part.ridge_sigma / 100 * total  # the constant is free
    heads = np.linalg.solve(gram, (scaled.T * weight) @ error) / size[:, None]
    sigma = np.exp(x[music] @ heads) * prior_sd
    heads[0] += np.log(np.quantile(np.abs(outside - target)[music] / sigma, 0.683, axis=0))
    return heads


def _principal(z: np.ndarray, directions: int) -> np.ndarray:
    """Columns along which rows differ most [shape=(features, directions)]."""
    _, _, axes = np.linalg.svd(z - z.mean(0), full_matrices=False)
    return np.ascontiguousarray(axes[:directions].T)


def _music(k: np.ndarray, rows: Rows, inner: np.ndarray, ridge: float) -> np.ndarray:
    """Head that is 1 for music and 0 for synthetic sounds; these count half as much in all."""
    music = rows.fold >= 0
    share = rows.weight[music].sum() / (2 * rows.weight[~music].sum()) if (~music).any() else 1.0
    weight = np.where(music, rows.weight, rows.weight * share)
    balanced = Rows(rows.x, rows.y, rows.fold, weight, rows.landmark)
    return _ridge(k, music[:, None].astype(float), balanced, inner, ridge)[0]


def _ridge(
    k: np.ndarray, y: np.ndarray, rows: Rows, inner: np.ndarray, ridge: float
) -> tuple[np.ndarray, np.ndarray]:
    """Head weights on all rows, and predictions of each fold by heads fitted without it."""
    size = ridge * inner + 1e-6 * np.eye(len(inner))
    folds = sorted(set(rows.fold.tolist()))
    grams, sums = {}, {}
    for f in folds:
        on = rows.fold == f
        weighted = k[on].T * rows.weight[on]
        grams[f], sums[f] = weighted @ k[on], weighted @ y[on]
    gram, total = sum(grams.values()), sum(sums.values())
    outside = np.zeros_like(y, dtype=float)
    for f in folds:
        if f >= 0:
            heads = np.linalg.solve(gram - grams[f] + size, total - sums[f])
            outside[rows.fold == f] = k[rows.fold == f] @ heads
    return np.linalg.solve(gram + size, total), outside


def _logit_scale(score: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Factor of each score that makes it a logit: one-dimensional likelihood, by search."""
    tried = np.geomspace(0.5, 12, 60)
    sign = np.where(label, 1.0, -1.0)
    loss = [[np.log1p(np.exp(-t * sign[:, j] * score[:, j])).mean() for t in tried] for j in (0, 1)]
    return tried[np.argmin(loss, axis=1)]


def _kernel(a: np.ndarray, b: np.ndarray, gamma: float) -> np.ndarray:
    apart = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    return np.exp(-gamma * np.maximum(apart, 0))


def _drawn(z: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return z[rng.permutation(len(z))[:n]]
