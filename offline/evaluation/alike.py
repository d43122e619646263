"""Compare like with like: a figure beside the constants of the very same form and songs.

RMSE per song (the mean over songs of a song's) and pooled (over all frames) differ by a fifth on
DEAM, and a constant that knows the test songs' own mean beats one that knows the training songs':
on the 58 songs of MediaEval 2015, per song, by a fifth in arousal. A row that mixes the forms
shows skill where there is none.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from offline.evaluation.metrics import Songs, pearson, rmse

__all__ = ["Alike", "alike", "hindsight_constant"]


class Alike(NamedTuple):
    """Figures of one form on the same songs.

    Attributes
    ----------
    rmse, constant, hindsight : float
        Of the predictions; of the training songs' mean; of the constant that is best on these
        songs, which nobody knows beforehand.
    r : float
        Pearson's r: of song means where the form is per song, of all frames where it is pooled;
        NaN where it is undefined.
    """

    rmse: float
    constant: float
    hindsight: float
    r: float


def _error(y: Songs, p: Songs, pooled: bool) -> float:
    if pooled:
        return rmse(np.concatenate(list(y)), np.concatenate(list(p)))
    return float(np.mean([rmse(a, b) for a, b in zip(y, p, strict=True)]))


def hindsight_constant(y: Songs, *, pooled: bool = False) -> float:
    """Return the one value with the least RMSE on these songs, per song or pooled.

    Pooled it is the mean of all frames. Per song there is no closed form: the sum of the songs'
    RMSE is convex in the constant, and its one minimum is searched.
    """
    if pooled:
        return float(np.concatenate(list(y)).mean())
    low, high = (float(f(np.concatenate(list(y)))) for f in (np.min, np.max))
    if low == high:
        return low
    found = minimize_scalar(
        lambda c: _error(y, [np.full(len(a), c) for a in y], pooled=False),
        bounds=(low, high), method="bounded", options={"xatol": 1e-7},
    )  # fmt: skip
    return float(found.x)


def alike(y: Songs, p: Songs, constant: float, *, pooled: bool = False) -> Alike:
    """Compare predictions of one axis with constants, all per song or all pooled.

    Parameters
    ----------
    y, p : sequence of np.ndarray [shape=(n_s,)]
        Labels and predictions, one array a song.
    constant : float
        Mean of the TRAINING labels.
    """
    best = hindsight_constant(y, pooled=pooled)
    of_constants = [_error(y, [np.full(len(a), c) for a in y], pooled) for c in (constant, best)]
    if pooled:
        r = pearson(np.concatenate(list(y)), np.concatenate(list(p)))
    else:
        r = pearson(*(np.array([a.mean() for a in songs]) for songs in (y, p)))
    return Alike(_error(y, p, pooled), of_constants[0], of_constants[1], r)
