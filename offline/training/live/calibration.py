"""The scale of sigma and of the logits, fitted on songs that the network was not trained on."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from models.live.mood_step import MoodStep
from offline.batches.live.data import SPAN, LiveData
from offline.batches.live.statistics import stack

__all__ = ["Calibration", "crps", "fit_calibration", "mean_calibration"]

FROM = 6
"""Steps of a clip that are not looked at: a start is less sure than what follows."""
_SIGMA, _LOGIT = (0.5, 2.0), (0.3, 3.0)


@dataclass(frozen=True)
class Calibration:
    """Factors of a network's outputs.

    Attributes
    ----------
    sigma : (float, float)
        Of the sigmas of valence and arousal.
    logit : (float, float)
        Of the logits of positive and energetic.
    """

    sigma: tuple[float, float] = (1.0, 1.0)
    logit: tuple[float, float] = (1.0, 1.0)


def crps(error: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of normal estimates.

    ``s (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))`` with ``z = error / s``: an error on the scale
    of the labels that is least where sigma is honest.

    References
    ----------
    T. Gneiting and A. Raftery, Strictly proper scoring rules, JASA 102 (2007), p. 367.
    """
    z = error / sigma
    return np.asarray(sigma * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi)))


def fit_calibration(module: MoodStep, data: LiveData, folds: tuple[int, ...]) -> Calibration:
    """Fit the factors of a module on folds that it was not trained on.

    Sigma's are those of least CRPS over DEAM's labels, the logits' those of least cross entropy
    over half-plane labels; 1 where the folds have none.
    """
    songs = [i for i in data.first_clips(folds) if len(data.mel[i]) >= SPAN]
    half = [i for i in data.where("quadrant", folds) if len(data.mel[i]) >= SPAN]
    sigma, logit = [1.0, 1.0], [1.0, 1.0]
    if songs:
        moods = _moods(module, data, songs)
        labels = np.stack([data.clips[i].labels[FROM:SPAN] for i in songs])
        known = np.isfinite(labels).all(2)
        for k in (0, 1):
            error = (moods[..., k] - labels[..., k])[known]
            scale = moods[..., 2 + k][known]
            sigma[k] = _best(lambda f, e=error, s=scale: float(crps(e, f * s).mean()), _SIGMA)
    if half:
        p = np.clip(_moods(module, data, half)[..., 4:], 1e-5, 1 - 1e-5)
        x = np.log(p / (1 - p))
        y = np.array([data.clips[i].quadrant for i in half])[:, None]
        for k in (0, 1):
            sign = (1 - 2 * y[..., k]) * x[..., k]
            logit[k] = _best(lambda f, s=sign: float(np.logaddexp(0, f * s).mean()), _LOGIT)
    return Calibration((sigma[0], sigma[1]), (logit[0], logit[1]))


def mean_calibration(found: list[Calibration]) -> Calibration:
    """Return the geometric mean of several, for a network that no song was held out of."""
    if not found:
        return Calibration()
    parts = [np.exp(np.log([getattr(c, k) for c in found]).mean(0)) for k in ("sigma", "logit")]
    (a, b), (c, d) = ([round(float(x), 6) for x in part] for part in parts)
    return Calibration((a, b), (c, d))


@torch.no_grad()
def _moods(module: MoodStep, data: LiveData, clips: list[int]) -> np.ndarray:
    """Return published outputs of clips from a fresh start [shape=(clips, steps, 6)]."""
    out = []
    for k in range(0, len(clips), 64):
        mel, chroma = stack(data, clips[k : k + 64], SPAN)
        state = module.zero_state(len(mel))
        mood, *_ = module.sequence(mel.flatten(1, 2), chroma.flatten(1, 2), *state)
        out.append(mood[:, FROM:].numpy())
    return np.concatenate(out).astype(float)


def _best(loss: object, bounds: tuple[float, float]) -> float:
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return round(float(found.x), 4)
