"""Whether sigma tells how far a mood may be off: coverage, ranks and CRPS, from arrays alone."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import spearmanr

from offline.training.live.calibration import crps

__all__ = ["best_constant_sigma", "calibration"]

AXES = ("valence", "arousal")


def best_constant_sigma(error: np.ndarray) -> float:
    """Return the one sigma whose Gaussians have the least CRPS over errors, in hindsight."""
    scale = float(np.sqrt(np.mean(error**2)))
    if scale == 0:
        return 0.0
    found = minimize_scalar(
        lambda s: float(crps(error, np.asarray(s)).mean()),
        bounds=(scale / 100, scale * 10), method="bounded",
        options={"xatol": scale * 1e-6},
    )  # fmt: skip
    return float(found.x)


def calibration(y: np.ndarray, mood: np.ndarray) -> dict[str, float]:
    """Score sigma on songs.

    Parameters
    ----------
    y : np.ndarray [shape=(songs, steps, 2)]
    mood : np.ndarray [shape=(songs, steps, 4 or more)]
        Valence, arousal and their sigmas.

    Returns
    -------
    dict
        Per axis: ``inside1``, ``inside2``, the shares of labels within one and two sigma, over all
        songs and, with ``_calm`` and ``_energetic``, over those whose mean PREDICTED arousal is
        below or above 0 (halves by label would hold the errors that made them); ``rank``, the rank
        correlation of a song's sigma and error; ``crps`` of the published Gaussian, and
        ``crps_constant``, that of the same means with the one sigma that is best in hindsight.
        Empty for an axis without sigma.
    """
    out: dict[str, float] = {}
    up = mood[..., 1].mean(1) > 0
    for k, axis in enumerate(AXES):
        p, sigma = mood[..., k], mood[..., 2 + k]
        if not (np.isfinite(p).all() and np.isfinite(sigma).all()):
            continue
        error = np.abs(p - y[..., k])
        for n in (1, 2):
            inside = (error <= n * sigma).mean(1)
            out[f"inside{n}_{axis}"] = float(inside.mean())
            for half, rows in (("calm", ~up), ("energetic", up)):
                if rows.any():
                    out[f"inside{n}_{axis}_{half}"] = float(inside[rows].mean())
        if np.ptp(sigma.mean(1)) > 0:
            out[f"rank_{axis}"] = float(spearmanr(error.mean(1), sigma.mean(1))[0])
        out[f"crps_{axis}"] = float(crps(p - y[..., k], sigma).mean())
        flat = best_constant_sigma(p - y[..., k])
        out[f"crps_constant_{axis}"] = float(
            crps(p - y[..., k], np.asarray(max(flat, 1e-9))).mean()
        )
    return out
