"""The classical baseline: song descriptors -> SVR, gradient boosting, or the mean of both.

Descriptors are a table (130 openSMILE means for DEAM) or, without one, statistics of our own log
mel features of the audio.
"""

import hashlib
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, VotingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVR

from offline.datasets import Dataset, Song
from offline.datasets.tables import number, read_rows
from offline.features.cache import FeatureCache
from offline.files import write_with
from offline.runs import Predictions, Run, prior_of
from offline.training.system import System
from streammer.errors import InputError, UsageError
from streammer.frontend import FrontEndSpec

__all__ = [
    "VERSION",
    "Classical",
    "descriptors",
    "find_table",
    "make_regressor",
]

VERSION = 1
"""Of the regressors; part of the key of kept scores."""

FILE = "regressors.pkl"
SPEC = FrontEndSpec("mel", 22050, 1024, 441, 40, fmin=30.0, fmax=11000.0, log="ln", floor=1e-8)
TABLES = ("features/opensmile_means_130.csv", "deam/features/opensmile_means_130.csv")


def find_table(root: Path, name: str = "") -> Path | None:
    """Table of song descriptors under a data folder; None when there is none."""
    for candidate in (name,) if name else TABLES:
        if (root / candidate).is_file():
            return root / candidate
    return None


def descriptors(
    dataset: Dataset, songs: Sequence[Song], cache: FeatureCache, table: Path | None
) -> tuple[np.ndarray, list[Song]]:
    """Descriptors of the songs that have them.

    Returns
    -------
    x : np.ndarray [shape=(n, d)], float64
    kept : list of Song
        In the order of the rows; joined on the id, never on positions.
    """
    if table is not None:
        rows = read_rows(table, ["song_id"])
        names = [n for n in rows[0] if n != "song_id"]
        by_id = {
            str(int(number(r["song_id"], table, "song_id"))): [
                number(r.get(n), table, f"song {r['song_id']}, {n}") for n in names
            ]
            for r in rows
        }
        kept = [s for s in songs if s.id in by_id]
        x = np.array([by_id[s.id] for s in kept], float)
    else:
        kept, found = [], []
        for song in songs:
            if not song.clips:
                continue
            try:
                frames = cache.get(song.clips[0].path, SPEC)
            except InputError:
                continue
            rise = np.maximum(np.diff(frames, axis=0), 0).mean(0)
            found.append(np.concatenate([frames.mean(0), frames.std(0), rise]))
            kept.append(song)
        x = np.array(found, float)
    if not kept:
        raise InputError(f"{dataset.root}: no song has descriptors or audio")
    return np.nan_to_num(x), kept


class Scaled(RegressorMixin, BaseEstimator):
    """SVR with an RBF kernel on descriptors made Gaussian by rank, for skewed openSMILE means."""

    def __init__(self, C: float = 2.0, gamma: float = 0.003, epsilon: float = 0.2) -> None:
        self.C, self.gamma, self.epsilon = C, gamma, epsilon

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Scaled":
        """Fit on the training songs alone."""
        n = min(200, len(x))
        self.model_ = make_pipeline(
            QuantileTransformer(n_quantiles=n, output_distribution="normal", subsample=None),
            TransformedTargetRegressor(
                SVR(C=self.C, gamma=self.gamma, epsilon=self.epsilon), transformer=StandardScaler()
            ),
        ).fit(x, y)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict."""
        return self.model_.predict(x)


def make_regressor(name: str, seed: int = 0) -> Any:
    """Regressor of one axis.

    Parameters
    ----------
    name : {'svr', 'boosting', 'trees', 'blend'}
        ``svr``: RBF SVR on rank-Gaussian descriptors. ``boosting``: gradient boosting. ``trees``:
        extremely random trees. ``blend``: mean of the three.
    """
    boosting = GradientBoostingRegressor(
        n_estimators=300, learning_rate=0.04, max_depth=4, subsample=0.5, max_features=0.2,
        min_samples_leaf=8, random_state=seed,
    )  # fmt: skip
    trees = ExtraTreesRegressor(400, min_samples_leaf=3, max_features=0.4, random_state=seed)
    if name == "svr":
        return Scaled()
    if name == "boosting":
        return boosting
    if name == "trees":
        return trees
    if name == "blend":
        return VotingRegressor([("svr", Scaled()), ("boosting", boosting), ("trees", trees)])
    raise UsageError(f"regressor {name!r} is unknown; expected svr, boosting, trees or blend")


class Classical(System):
    """Regressors on descriptors of whole songs."""

    def fit(
        self, run: Run, dataset: Dataset, *, workers: int = 1, show: bool = True
    ) -> dict[str, Any]:
        """Fit both axes on training and validation songs (nothing is chosen on the latter)."""
        x, songs = self._rows(run, dataset, (*run.split.train, *run.split.validation))
        y = np.array([(s.valence, s.arousal) for s in songs], float)
        name, seed = self.recipe.network.name, self.recipe.training.seed
        fitted = pickle.dumps([make_regressor(name, seed).fit(x, y[:, k]) for k in (0, 1)])

        def save(part: Path) -> None:
            part.write_bytes(fitted)

        write_with(run.path / FILE, save)
        return {
            "n_train": len(songs),
            "n_features": x.shape[1],
            "constant": [float(v) for v in y.mean(axis=0)],
            "prior": prior_of(y, self.recipe.outputs),
            "hash": hashlib.sha256(fitted).hexdigest(),
        }

    def predict(
        self, run: Run, dataset: Dataset, uids: Sequence[str], *, workers: int = 1,
        show: bool = True,
    ) -> Predictions:  # fmt: skip
        """Predict the songs' static labels, one row a song."""
        x, songs = self._rows(run, dataset, uids)
        models = pickle.loads((run.path / FILE).read_bytes())
        p = np.stack([m.predict(x) for m in models], axis=1).clip(-1, 1).astype(np.float32)
        return Predictions(
            [s.uid for s in songs],
            [np.zeros(1)] * len(songs),
            [np.array([[s.valence, s.arousal]], np.float32) for s in songs],
            [row[None] for row in p],
            np.array(run.fitted["constant"]),
        )

    def features(self, dataset: Dataset) -> tuple[list[Path], list[FrontEndSpec]]:
        """Return the files that it takes features of, where there is no table of descriptors."""
        table = find_table(dataset.root, self.recipe.data.features)
        if table is not None:
            raise UsageError(f"{self.recipe.name}: reads {table}; there is nothing to compute")
        return [clip.path for song in dataset for clip in song.clips], [SPEC]

    def _rows(
        self, run: Run, dataset: Dataset, uids: Sequence[str]
    ) -> tuple[np.ndarray, list[Song]]:
        wanted = set(uids)
        songs = [s for s in dataset if s.uid in wanted and s.has_static]
        table = find_table(dataset.root, self.recipe.data.features)
        return descriptors(dataset, songs, run.cache, table)
