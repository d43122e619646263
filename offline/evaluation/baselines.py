"""Cross-validation of the classical regressors on song descriptors."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict

from offline.datasets import Dataset, Song
from offline.datasets.folds import components
from offline.evaluation.metrics import r2
from offline.features.cache import FeatureCache
from offline.files import write_json
from offline.training.classical import VERSION, descriptors, make_regressor

__all__ = ["baseline_scores", "cross_validate"]


def cross_validate(
    x: np.ndarray, songs: Sequence[Song], name: str, *, by: str = "song", n_folds: int = 10,
    seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """Out-of-fold predictions of static valence and arousal.

    Parameters
    ----------
    by : {'song', 'artist'}
        Folds of songs (shuffled), or of whole artists.

    Returns
    -------
    np.ndarray [shape=(n, 2)], float64
    """
    y = np.array([(s.valence, s.arousal) for s in songs])
    if by == "artist":
        names = components(songs)
        keys = {name: i for i, name in enumerate(dict.fromkeys(names))}
        groups = np.array([keys[name] for name in names])
        folds: Any = GroupKFold(n_folds, shuffle=True, random_state=seed)
    else:
        groups, folds = None, KFold(n_folds, shuffle=True, random_state=seed)
    return np.stack(
        [
            cross_val_predict(make_regressor(name, seed), x, y[:, axis], groups=groups, cv=folds)
            for axis in (0, 1)
        ],
        axis=1,
    )


def baseline_scores(
    dataset: Dataset, table: Path, cache: Path, names: Sequence[str] = ("svr", "boosting", "blend")
) -> list[dict[str, Any]]:
    """R2 of the regressors in 10-fold cross-validation, by song and by artist.

    Kept in `cache` under the hash of the table and labels: a report is written again in no time.
    """
    x, songs = descriptors(
        dataset, [s for s in dataset if s.has_static], FeatureCache(cache), table
    )
    y = np.array([(s.valence, s.arousal) for s in songs])
    out = []
    for name in names:
        for by in ("song", "artist"):
            key = hashlib.sha256(x.tobytes() + y.tobytes() + f"{VERSION} {name} {by}".encode())
            path = cache / "classical" / f"{key.hexdigest()[:20]}.json"
            if path.exists():
                out.append(json.loads(path.read_text(encoding="utf-8")))
                continue
            p = cross_validate(x, songs, name, by=by)
            row = {
                "name": name,
                "by": by,
                "valence": r2(y[:, 0], p[:, 0]),
                "arousal": r2(y[:, 1], p[:, 1]),
                "n": len(songs),
            }
            write_json(path, row)
            out.append(row)
    return out
