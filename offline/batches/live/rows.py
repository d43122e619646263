"""Rows of the live network's batches: a crop of a clip, what is known of each step, how sure it is.

A weight of zero stands where a label is unknown; targets there are zero too.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from offline.batches.live.data import FRONT_ENDS, LiveClip, LiveData
from offline.batches.live.teaching import Taught
from offline.datasets.mirex import RANKS
from offline.features.cache import FeatureCache
from offline.features.variants import variant_features
from offline.recipes.mood import CLUSTERS, GENRES, MoodPlan

__all__ = ["STEPS", "Row", "Rows"]

STEPS = 19
"""Steps of a row: a clip of 10 s, begun anywhere in its first half second."""


@dataclass(frozen=True)
class Row:
    """One crop.

    Attributes
    ----------
    mel, chroma : Tensor [shape=(frames, bins)]
    targets : dict of str to np.ndarray [shape=(STEPS, n)]
    weights : dict of str to np.ndarray [shape=(STEPS,) or (STEPS, n)]
    """

    mel: Tensor
    chroma: Tensor
    targets: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]


class Rows:
    """Crops of clips for a network that is trained on some folds.

    Parameters
    ----------
    data : LiveData
    folds : tuple of int
        To train on; what the Deezer set's scale means here is fitted on them.
    plan : MoodPlan
    taught : Taught, optional
        The tagger's targets.
    cache : FeatureCache, optional
        Of changed copies; needed where the plan takes rows from them.
    """

    def __init__(
        self,
        data: LiveData,
        folds: tuple[int, ...],
        plan: MoodPlan,
        taught: Taught | None = None,
        cache: FeatureCache | None = None,
    ) -> None:
        self.data, self.plan, self.taught, self.cache = data, plan, taught, cache
        self.deezer = data.deezer_targets(folds)
        self.typical = _typical(data, folds)

    def row(self, i: int, rng: np.random.Generator) -> Row:
        """Draw a crop of a clip, of its recording or of a changed copy."""
        clip, part = self.data.clips[i], self.plan.teacher
        mel, chroma, variant = self.data.mel[i], self.data.chroma[i], 0
        copied = part.variants and rng.random() < self.plan.mix.variants
        if copied and clip.path is not None and self.cache is not None:
            variant = int(rng.integers(1, part.variants + 1))
            mel, chroma = self._copy(clip, variant, len(mel))
        mel, chroma, at = _cropped(mel, chroma, rng)
        targets, weights = known(clip, at)
        weights["mood"] = weights["mood"] * self._trust(clip, at)
        deezer = self.deezer[i]
        targets["deezer"] = np.tile(np.nan_to_num(deezer), (STEPS, 1))
        weights["deezer"] = np.full(STEPS, np.isfinite(deezer).all(), np.float32)
        if self.taught is not None:
            y, w = self.taught.steps(i, variant, len(clip.labels), clip.start)
            targets["teacher"], weights["teacher"] = _padded(y[at:]), _padded(w[at:])
        return Row(mel, chroma, targets, weights)

    def _copy(self, clip: LiveClip, variant: int, steps: int) -> tuple[Tensor, Tensor]:
        assert clip.path is not None
        assert self.cache is not None
        specs = list(FRONT_ENDS.values())
        out = []
        for x, per_step in zip(
            variant_features(self.cache, clip.path, variant, specs), (25, 5), strict=True
        ):
            own = x[clip.start * per_step : (clip.start + steps) * per_step]
            out.append(torch.from_numpy(np.array(own)).view(steps, per_step, -1))
        return out[0], out[1]

    def _trust(self, clip: LiveClip, at: int) -> np.ndarray:
        """Weights of labels [shape=(STEPS, 2)]: 1 at the typical deviation of raters, and unknown.

        A label is a mean over raters plus what the model cannot know; taking both for alike at
        the typical deviation, its weight is 2 / (1 + (deviation / typical)^2).
        """
        if clip.deviation is None or not self.plan.weights.noise:
            return np.ones((STEPS, 2), np.float32)
        ratio = _padded(clip.deviation[at : at + STEPS], np.nan) / self.typical
        weight = np.where(np.isfinite(ratio), 2 / (1 + ratio**2), 1.0)
        return (weight**self.plan.weights.noise).astype(np.float32)


def _typical(data: LiveData, folds: tuple[int, ...]) -> np.ndarray:
    """Median deviation of raters in training folds [shape=(2,)]; 1 where none is known."""
    found = [c.deviation for c in data.clips if c.deviation is not None and c.fold in folds]
    if not found:
        return np.ones(2, np.float32)
    every = np.concatenate(found)
    every = every[np.isfinite(every).all(1)]
    return np.median(every, 0) if len(every) else np.ones(2, np.float32)


def _cropped(mel: Tensor, chroma: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor, int]:
    """Frames of `STEPS` steps from anywhere in a clip, in tenths of a second, and the step."""
    spare = len(mel) - STEPS
    if spare < 0:  # a short clip, over and over
        times = -(-STEPS // len(mel))
        mel, chroma = mel.repeat(times, 1, 1)[:STEPS], chroma.repeat(times, 1, 1)[:STEPS]
        return mel.flatten(0, 1), chroma.flatten(0, 1), 0
    at = int(rng.integers(0, max(spare, 1)))
    tenth = int(rng.integers(0, 5)) if spare else 0
    wide = mel[at : at + STEPS + 1].flatten(0, 1), chroma[at : at + STEPS + 1].flatten(0, 1)
    return wide[0][5 * tenth :][: STEPS * 25], wide[1][tenth:][: STEPS * 5], at


def _padded(x: np.ndarray, fill: float = 0.0) -> np.ndarray:
    """Return the first `STEPS` rows of what may have fewer."""
    out = np.full((STEPS, *x.shape[1:]), fill, np.float32)
    out[: len(x)] = x[:STEPS]
    return out


def known(clip: LiveClip, at: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Targets and weights of a crop from step `at` of a clip, as far as the clip itself says."""
    labels = _padded(clip.labels[at : at + STEPS], np.nan)
    there = np.isfinite(labels).all(1, keepdims=True)
    sound = not clip.music
    cluster, ranks = np.zeros(CLUSTERS, np.float32), (0, 0)
    if clip.cluster is not None:
        cluster[clip.cluster] = 1
        ranks = RANKS[clip.cluster + 1]
    half = clip.quadrant or ((0.5, 0.5) if sound else (0.0, 0.0))
    genres = clip.genres if clip.genres is not None else np.zeros(len(GENRES))
    words = clip.words if clip.words is not None else np.zeros(2)
    every = {
        "half_planes": half, "genre": genres, "cluster": cluster, "ranks": ranks, "words": words,
    }  # fmt: skip
    flags = {
        "sound": sound, "half_planes": clip.quadrant is not None or sound,
        "genre": clip.genres is not None, "cluster": clip.cluster is not None,
        "words": clip.words is not None,
    }  # fmt: skip
    targets = {k: np.tile(np.asarray(x, np.float32), (STEPS, 1)) for k, x in every.items()}
    weights = {k: np.full(STEPS, float(x), np.float32) for k, x in flags.items()}
    targets["mood"] = np.where(there, labels, 0).astype(np.float32)
    weights["mood"] = np.repeat(there, 2, 1).astype(np.float32)
    return targets, weights
