"""The tagger's tables of all clips, and what a network's training folds make of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from offline.batches.live.data import LiveData
from offline.batches.live.soft_targets import SoftTargets, at_steps, fit_soft_targets
from offline.datasets.musicnn import find_weights
from offline.features.cache import FeatureCache
from offline.features.teacher import TagTable, Teacher
from offline.progress import say
from offline.recipes.mood import TeacherPart

__all__ = ["Tables", "Taught", "fit_teaching", "load_tables"]

MISSING = (
    "no tagger's weights in {root}: trained without a teacher, whose targets rank valence better; "
    "`python -m offline data get musicnn --to {root}` fetches them"
)
Tables = dict[tuple[int, int], TagTable]
"""By number of the clip and of its changed copy; 0 is the recording itself."""


class Taught:
    """Soft targets of clips under a map that was fitted on training folds.

    Parameters
    ----------
    soft : SoftTargets
    tables : Tables
    """

    def __init__(self, soft: SoftTargets, tables: Tables) -> None:
        self.size = soft.size
        self._rows = {key: (table, soft(table)) for key, table in tables.items()}

    def steps(self, clip: int, variant: int, n: int, start: int) -> tuple[np.ndarray, np.ndarray]:
        """Targets [shape=(n, size)] of a clip's steps and where there are any [shape=(n,)]."""
        found = self._rows.get((clip, variant))
        if found is None:
            return np.zeros((n, self.size), np.float32), np.zeros(n, np.float32)
        return at_steps(*found, n, start)


def load_tables(
    data: LiveData,
    root: Path,
    cache: FeatureCache,
    part: TeacherPart,
    *,
    workers: int = 1,
    device: str = "cpu",
    show: bool = False,
) -> Tables:
    """Tag every clip, or read what is kept; say where there are no weights to tag with.

    Returns
    -------
    Tables
        Empty without weights, and that is in the notes of the data.
    """
    weights = find_weights(root)
    if weights is None:
        note = MISSING.format(root=root)
        if note not in data.notes:
            data.notes.append(note)
        say(note)
        return {}
    teacher = Teacher(weights, cache, every=part.every, device=device)
    paths = [clip.path for clip in data.clips if clip.path is not None]
    missed = teacher.fill(paths, variants=part.variants, workers=workers, show=show)
    data.notes.extend(line for line in missed.lines() if line not in data.notes)
    return {
        (i, k): teacher.table(clip.path, k)
        for i, clip in enumerate(data.clips)
        if clip.path is not None and clip.path not in missed.reasons
        for k in range(part.variants + 1)
    }


def fit_teaching(
    data: LiveData, tables: Tables, folds: Sequence[int], components: int
) -> Taught | None:
    """Fit the targets' scale and directions on clips of training folds; None without tables."""
    known = [
        table
        for (i, _), table in tables.items()
        if data.clips[i].fold in folds and len(table.steps)
    ]
    if not known:
        return None
    return Taught(fit_soft_targets(known, components), tables)
