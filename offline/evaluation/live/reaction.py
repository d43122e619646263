"""Reaction and movement: how soon a mood follows a change of song, how much it moves without."""

from collections.abc import Sequence

import numpy as np

from offline.batches.live.data import STEP_S, LiveData
from offline.evaluation.live.predict import Steps, run_batch

__all__ = ["crossing", "movement", "reaction"]

AXES = ("valence", "arousal")


def reaction(
    model: Steps,
    data: LiveData,
    clips: Sequence[int],
    labels: np.ndarray,
    *,
    least: float = 0.4,
    most: int = 300,
    curves: dict[str, np.ndarray] | None = None,
) -> dict[str, float]:
    """Seconds to 63 % and 90 % of the mean change on joins of two songs, per axis.

    Joins of songs whose mean labels (`labels` [shape=(clips, 2)]) differ by `least` or more; each
    curve is turned so that it rises, the mean over the joins goes from the last two seconds before
    to the last three after. The mean curves, from 0 before to 1 after, are left in `curves` when it
    is given. A share that is never reached is left out.
    """
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
            seconds = crossing(risen, share)
            if np.isfinite(seconds):
                out[f"{name}_{axis}"] = seconds
    return out


def movement(moods: np.ndarray) -> dict[str, float]:
    """Mean absolute change of valence and arousal from step to step, inside songs.

    Parameters
    ----------
    moods : np.ndarray [shape=(songs, steps, 2 or more)]
    """
    moved = np.abs(np.diff(moods[..., :2], axis=1)).mean((0, 1))
    out = {"movement": float(moved.mean())}
    return out | {f"movement_{axis}": float(m) for axis, m in zip(AXES, moved, strict=True)}


def crossing(risen: np.ndarray, share: float) -> float:
    """Seconds after a join at which a curve first reaches a share, between steps linearly.

    Parameters
    ----------
    risen : np.ndarray [shape=(steps,)]
        From the last step before the join on.

    Returns
    -------
    float
        NaN where it never does.
    """
    k = int(np.argmax(risen >= share))
    if risen[k] < share:
        return float("nan")
    if k == 0:
        return 0.0
    part = (share - risen[k - 1]) / (risen[k] - risen[k - 1])
    return STEP_S * (k - 1 + float(part))
