"""Metrics of valence and arousal, in the forms that papers confuse.

Conventions: ``y`` labels, ``p`` predictions, one array per song; *per song* is the plain mean
over songs of a song's figure, *pooled* takes all frames of all songs as one. Undefined
correlations (a constant label or prediction) count as 0 and are counted. The bootstrap draws
songs, never frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "Interval",
    "PerSong",
    "Scores",
    "bootstrap",
    "bootstrap_paired",
    "ccc",
    "classification",
    "coverage",
    "kendall_tau_b",
    "pearson",
    "per_song",
    "r2",
    "rmse",
    "score",
    "skill",
]

Songs = Sequence[np.ndarray]


def rmse(y: np.ndarray, p: np.ndarray) -> float:
    """Root mean square error of two arrays of equal shape."""
    y, p = _pair(y, p)
    return float(np.sqrt(np.mean((p - y) ** 2)))


def r2(y: np.ndarray, p: np.ndarray) -> float:
    """Coefficient of determination about the mean of the TEST labels; NaN for constant labels."""
    y, p = _pair(y, p)
    total = np.sum((y - y.mean()) ** 2)
    return float(1 - np.sum((p - y) ** 2) / total) if total > 0 else float("nan")


def pearson(y: np.ndarray, p: np.ndarray) -> float:
    """Pearson correlation; NaN when either side is constant or shorter than two."""
    y, p = _pair(y, p)
    if len(y) < 2:
        return float("nan")
    if _is_constant(y) or _is_constant(p):
        return float("nan")
    dy, dp = y - y.mean(), p - p.mean()
    return float((dy @ dp) / np.sqrt((dy @ dy) * (dp @ dp)))


def ccc(y: np.ndarray, p: np.ndarray) -> float:
    """Concordance correlation, population moments; NaN when both are the same constant."""
    y, p = _pair(y, p)
    bottom = y.var() + p.var() + (p.mean() - y.mean()) ** 2
    if bottom == 0:
        return float("nan")
    return float(2 * np.mean((y - y.mean()) * (p - p.mean())) / bottom)


def kendall_tau_b(y: np.ndarray, p: np.ndarray) -> float:
    """Kendall's tau-b, ties corrected: (C - D) / sqrt((n0 - n1)(n0 - n2)); NaN if undefined.

    Quadratic in the number of frames: songs have at most some thousand.
    """
    y, p = _pair(y, p)
    n = len(y)
    if n < 2:
        return float("nan")
    upper = np.triu_indices(n, 1)
    dy = np.sign(y[:, None] - y[None, :])[upper]
    dp = np.sign(p[:, None] - p[None, :])[upper]
    bottom = float(np.count_nonzero(dy)) * float(np.count_nonzero(dp))
    return float((dy @ dp) / np.sqrt(bottom)) if bottom > 0 else float("nan")


def skill(error: float, constant_error: float) -> float:
    """1 - RMSE / RMSE of the constant, both of one form; NaN when the constant is perfect."""
    return float(1 - error / constant_error) if constant_error > 0 else float("nan")


@dataclass(frozen=True)
class PerSong:
    """A figure per song: its mean and spread over songs, and how many were undefined."""

    mean: float
    sd: float
    n: int
    undefined: int = 0


def per_song(metric: Callable[[np.ndarray, np.ndarray], float], y: Songs, p: Songs) -> PerSong:
    """Mean over songs of a song's figure; undefined ones count as 0 and are counted."""
    values = np.array([metric(a, b) for a, b in zip(y, p, strict=True)], float)
    bad = ~np.isfinite(values)
    values = np.where(bad, 0.0, values)
    return PerSong(float(values.mean()), float(values.std()), len(values), int(bad.sum()))


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Scores:
    """Everything about one axis of one system on one set of songs.

    Attributes
    ----------
    n_songs, n_frames : int
    rmse_song, rmse_pooled, constant_song, constant_pooled, oracle_song : float
        Errors of the system, of the training mean, of the song's own mean.
    skill_song, skill_pooled : Interval
    r_song, tau_song, ccc_song : PerSong
    rmse_song_sd : float
        Spread over songs.
    r_pooled, ccc_pooled, r2_pooled, mse_skill : float
    """

    n_songs: int
    n_frames: int
    rmse_song: Interval
    rmse_song_sd: float
    rmse_pooled: Interval
    constant_song: float
    constant_pooled: float
    oracle_song: float
    oracle_pooled: float
    skill_song: Interval
    skill_pooled: Interval
    r_song: PerSong
    tau_song: PerSong
    ccc_song: PerSong
    r_pooled: float
    ccc_pooled: float
    r2_pooled: float
    mse_skill: float


def score(
    y: Songs, p: Songs, constant: float | Songs, *, n_boot: int = 1000, seed: int = 0
) -> Scores:
    """Score one axis.

    Parameters
    ----------
    y, p : sequence of np.ndarray [shape=(n_s,)]
        Labels and predictions, one array a song.
    constant : float or sequence of np.ndarray
        Mean of the TRAINING labels; over folds, one array a song.
    n_boot, seed : int
        Bootstrap draws over songs.
    """
    y = [np.asarray(a, float) for a in y]
    p = [np.asarray(a, float) for a in p]
    flat = (
        [np.full(len(a), float(constant)) for a in y]
        if isinstance(constant, (int, float))
        else [
            np.broadcast_to(np.asarray(c, float), a.shape) for a, c in zip(y, constant, strict=True)
        ]
    )
    oracle = [np.full(len(a), a.mean()) for a in y]
    all_y, all_p = np.concatenate(y), np.concatenate(p)
    per = _Sums.of(y, p), _Sums.of(y, flat)
    draws = _draws(len(y), n_boot, seed)
    e_song, e_pool = per[0].song(draws), per[0].pooled(draws)
    c_song, c_pool = per[1].song(draws), per[1].pooled(draws)
    v_song, v_pool = per[0].song(), per[0].pooled()
    k_song, k_pool = per[1].song(), per[1].pooled()
    mse_const = float(np.mean((np.concatenate(flat) - all_y) ** 2))
    return Scores(
        n_songs=len(y),
        n_frames=len(all_y),
        rmse_song=_interval(v_song, e_song),
        rmse_song_sd=float(np.sqrt(per[0].mse).std()),
        rmse_pooled=_interval(v_pool, e_pool),
        constant_song=k_song,
        constant_pooled=k_pool,
        oracle_song=_Sums.of(y, oracle).song(),
        oracle_pooled=_Sums.of(y, oracle).pooled(),
        skill_song=_interval(skill(v_song, k_song), 1 - e_song / np.maximum(c_song, 1e-12)),
        skill_pooled=_interval(skill(v_pool, k_pool), 1 - e_pool / np.maximum(c_pool, 1e-12)),
        r_song=per_song(pearson, y, p),
        tau_song=per_song(kendall_tau_b, y, p),
        ccc_song=per_song(ccc, y, p),
        r_pooled=pearson(all_y, all_p),
        ccc_pooled=ccc(all_y, all_p),
        r2_pooled=r2(all_y, all_p),
        mse_skill=1 - float(np.mean((all_p - all_y) ** 2)) / mse_const if mse_const > 0 else np.nan,
    )


@dataclass(frozen=True)
class _Sums:
    """Per song: mean square error and number of frames; enough for both forms of RMSE."""

    mse: np.ndarray
    n: np.ndarray

    @classmethod
    def of(cls, y: Songs, p: Songs) -> "_Sums":
        mse = [float(np.mean((b - a) ** 2)) for a, b in zip(y, p, strict=True)]
        return cls(np.array(mse), np.array([len(a) for a in y], float))

    def song(self, draws: np.ndarray | None = None) -> float | np.ndarray:
        root = np.sqrt(self.mse)
        return float(root.mean()) if draws is None else root[draws].mean(axis=1)

    def pooled(self, draws: np.ndarray | None = None) -> float | np.ndarray:
        if draws is None:
            return float(np.sqrt(np.average(self.mse, weights=self.n)))
        return np.sqrt((self.mse * self.n)[draws].sum(axis=1) / self.n[draws].sum(axis=1))


def _draws(n: int, n_boot: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, n, (n_boot, n))


def _interval(value: float, draws: np.ndarray, level: float = 0.95) -> Interval:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high))


def bootstrap(
    figure: Callable[[list[np.ndarray], list[np.ndarray]], float],
    y: Songs,
    p: Songs,
    *,
    n_boot: int = 1000,
    seed: int = 0,
) -> Interval:
    """95 % interval of any figure by drawing SONGS with replacement."""
    draws = _draws(len(y), n_boot, seed)
    values = [figure([y[i] for i in d], [p[i] for i in d]) for d in draws]
    return _interval(figure(list(y), list(p)), np.array(values))


def bootstrap_paired(
    y: Songs, p: Songs, q: Songs, *, pooled: bool = False, n_boot: int = 1000, seed: int = 0
) -> Interval:
    """Difference of RMSE of two systems on the SAME songs, p minus q: below 0, p is better."""
    a, b = _Sums.of(y, p), _Sums.of(y, q)
    draws = _draws(len(y), n_boot, seed)
    form = "pooled" if pooled else "song"
    f, g = getattr(a, form), getattr(b, form)
    return _interval(f() - g(), f(draws) - g(draws))


def coverage(y: np.ndarray, p: np.ndarray, sigma: np.ndarray, z: float = 1.0) -> float:
    """Share of labels within z sigma of the prediction (Gaussian: .683 for 1, .954 for 2)."""
    y, p = _pair(y, p)
    return float(np.mean(np.abs(y - p) <= z * np.asarray(sigma, float).ravel()))


def classification(y: Sequence[str], p: Sequence[str]) -> dict[str, float]:
    """Accuracy, macro-F1, weighted-F1, and the accuracy of the most frequent class.

    Micro-F1 is not printed: for single labels it equals the accuracy.
    """
    a, b = np.asarray(y), np.asarray(p)
    f1, weight = [], []
    for label in sorted(set(a.tolist()) | set(b.tolist())):
        hit = float(np.sum((a == label) & (b == label)))
        both = float(np.sum(a == label) + np.sum(b == label))
        f1.append(2 * hit / both if both else 0.0)
        weight.append(float(np.sum(a == label)))
    _, counts = np.unique(a, return_counts=True)
    return {
        "accuracy": float(np.mean(a == b)),
        "macro_f1": float(np.mean(f1)),
        "weighted_f1": float(np.average(f1, weights=weight)),
        "majority_accuracy": float(counts.max() / len(a)),
    }


def _is_constant(x: np.ndarray) -> bool:
    # A spread below the rounding of float32 predictions is none.
    return bool(np.ptp(x) <= 1e-9 * max(1.0, float(np.abs(x).max())))


def _pair(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, p = np.asarray(y, float).ravel(), np.asarray(p, float).ravel()
    if y.shape != p.shape or not len(y):
        raise ValueError(f"labels have {y.shape}, predictions {p.shape}; expected equal and > 0")
    return y, p
