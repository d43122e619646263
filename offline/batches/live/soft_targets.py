"""The tagger's features and tags as targets of a network, brought to one scale.

The features have heavy tails and 1,506 channels that mostly say the same: their signed square root
is standardised and projected on the directions of most variance, each weighted by a root of it.
All of this is fitted on training folds. Between its windows targets are interpolated; before the
first, 3 s into a clip, there are none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from offline.features.teacher import TagTable

__all__ = ["SoftTargets", "at_steps", "fit_soft_targets"]

FIRST = 6
"""Steps of sound that the first window of a recording needs."""
_ROWS, _LEAST = 5000, 0.02


@dataclass(frozen=True)
class SoftTargets:
    """A map from tables to targets, fitted on training clips.

    Attributes
    ----------
    mean, spread : np.ndarray [shape=(channels,)]
    project : np.ndarray [shape=(channels, components)]
    tag_mean, tag_spread : np.ndarray [shape=(tags,)]
    """

    mean: np.ndarray
    spread: np.ndarray
    project: np.ndarray
    tag_mean: np.ndarray
    tag_spread: np.ndarray

    @property
    def size(self) -> int:
        """How many targets there are."""
        return self.project.shape[1] + len(self.tag_mean)

    def __call__(self, table: TagTable) -> np.ndarray:
        """Return the targets of a table's rows [shape=(n, size)], float32."""
        features = (_root(table.pooled) - self.mean) / self.spread @ self.project
        tags = (table.logits - self.tag_mean) / self.tag_spread
        return np.concatenate((features, tags), 1).astype(np.float32)


def _root(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float32)
    return np.sign(x) * np.sqrt(np.abs(x))


def fit_soft_targets(tables: Sequence[TagTable], components: int) -> SoftTargets:
    """Fit the map on the tables of training clips.

    Parameters
    ----------
    tables : sequence of TagTable
    components : int
        At most as many as there are rows or channels are taken.
    """
    x = _root(np.concatenate([t.pooled for t in tables]))
    tags = np.concatenate([t.logits for t in tables])
    mean, spread = x.mean(0), x.std(0) + 1e-4
    x = (x - mean) / spread
    some = np.random.default_rng(0).permutation(len(x))[:_ROWS]
    _, sizes, directions = np.linalg.svd(x[some], full_matrices=False)
    sizes, directions = sizes[:components], directions[:components].T
    share = np.sqrt(np.maximum((sizes / max(sizes[0], 1e-12)) ** 2, _LEAST))
    project = directions * share / np.maximum((x @ directions).std(0), 1e-6)
    return SoftTargets(mean, spread, project, tags.mean(0), tags.std(0) + 1e-4)


def at_steps(
    table: TagTable, targets: np.ndarray, steps: int, start: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Targets at the end of each step of a clip, and where there are any.

    Parameters
    ----------
    table : TagTable
        Of the recording.
    targets : np.ndarray [shape=(len(table.steps), size)]
    steps, start : int
        Of the clip, which begins `start` steps into its recording. A window that reaches back
        beyond the clip's start covers sound that the network was not given, so it gives no target.

    Returns
    -------
    targets : np.ndarray [shape=(steps, size)], float32
        Linear between windows, the last one's after it; 0 where there are none.
    known : np.ndarray [shape=(steps,)], float32
    """
    out = np.zeros((steps, targets.shape[1]), np.float32)
    known = np.zeros(steps, np.float32)
    if not len(table.steps):
        return out, known
    at = start + np.arange(FIRST, steps + 1)
    right = np.searchsorted(table.steps, at).clip(0, len(table.steps) - 1)
    left = np.where(table.steps[right] > at, right - 1, right).clip(0)
    apart = np.maximum(table.steps[right] - table.steps[left], 1)
    share = ((at - table.steps[left]) / apart).clip(0, 1)[:, None]
    out[FIRST - 1 :] = targets[left] * (1 - share) + targets[right] * share
    known[FIRST - 1 :] = 1
    return out, known
