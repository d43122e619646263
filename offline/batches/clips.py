"""Songs cut into the input of a network: features and labels, aligned by song time.

A label at time t of a clip that starts at song time o belongs to the window that ends with frame
(t - o) * frames per second: windows look back. Everything is joined on ids and times, nothing on
positions.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from offline.datasets.song import Dataset, Song
from offline.features.cache import FeatureCache, Missed
from offline.features.images import kept_images
from offline.recipes.recipe import Recipe
from streammer.errors import InputError

__all__ = ["LabelledClip", "LabelledClips", "build_clips", "label_clip", "scored", "sequence_sizes"]


@dataclass(frozen=True)
class LabelledClip:
    """One clip of one song with its labels.

    Attributes
    ----------
    uid : str
    x : np.ndarray [shape=(frames, bins)], float32
        Possibly memory-mapped.
    ends : np.ndarray [shape=(n,)], int64
        Window systems: last frame (exclusive) of each labelled window. Sequence systems: of each
        step. Whole songs: the end of the clip.
    t_s : np.ndarray [shape=(n,)]
        Song time of the labels [s].
    y : np.ndarray [shape=(n, 2)], float32
        Valence, arousal on [-1, 1]; NaN in sequences where there is no label.
    trained : np.ndarray [shape=(n, 2)], float32
        What training aims at: as y, or smoothed.
    images : np.ndarray or None
        Spectral systems: the image of each window, see `offline.features.images`.
    """

    uid: str
    x: np.ndarray
    offset_s: float
    ends: np.ndarray
    t_s: np.ndarray
    y: np.ndarray
    trained: np.ndarray
    images: np.ndarray | None = None


@dataclass
class LabelledClips:
    """Pieces of one side of a split, with what could not be used."""

    items: list[LabelledClip]
    missed: Missed
    without: dict[str, int]

    def __len__(self) -> int:
        return len(self.items)

    def labels(self) -> np.ndarray:
        """All labels that exist [shape=(n, 2)]."""
        y = np.concatenate([p.y for p in self.items]) if self.items else np.empty((0, 2))
        return y[np.isfinite(y).all(axis=1)]

    def data_hash(self) -> str:
        """Hash of ids, times, labels and sizes: what a run was trained on."""
        digest = hashlib.sha256()
        for p in self.items:
            digest.update(f"{p.uid} {p.offset_s} {p.x.shape}".encode())
            digest.update(np.ascontiguousarray(p.ends).tobytes())
            digest.update(np.ascontiguousarray(p.y).tobytes())
        return digest.hexdigest()[:16]


def build_clips(
    dataset: Dataset,
    uids: Iterable[str],
    recipe: Recipe,
    cache: FeatureCache,
    *,
    first_clip_only: bool = False,
    workers: int = 1,
    show: bool = False,
) -> LabelledClips:
    """Cut songs for a recipe.

    Parameters
    ----------
    dataset : Dataset
    uids : iterable of str
        Songs of one side of the split.
    first_clip_only : bool
        Evaluation takes each song's best clip once; training takes all.
    workers : int
        Processes that compute missing features.

    Raises
    ------
    InputError
        Nothing usable came out.
    """
    spec, wanted = recipe.spec, set(uids)
    songs = [s for s in dataset if s.uid in wanted]
    chosen = [(s, c) for s in songs for c in (s.clips[:1] if first_clip_only else s.clips)]
    missed = cache.fill([c.path for _, c in chosen], spec, workers=workers, show=show)
    without: dict[str, int] = {"no audio": sum(not s.clips for s in songs)}
    items: list[LabelledClip] = []
    for song, clip in chosen:
        if clip.path in missed.reasons:
            without["unreadable audio"] = without.get("unreadable audio", 0) + 1
            continue
        x = cache.get(clip.path, spec, mmap=True)
        labelled = label_clip(dataset, song, x, clip.offset_s, recipe)
        if labelled is None:
            without["no labels in the clip"] = without.get("no labels in the clip", 0) + 1
        else:
            items.append(replace(labelled, images=kept_images(cache, clip.path, x, recipe)))
    if not items:
        raise InputError(
            f"{dataset.root}: no song of {len(songs)} has audio and labels for {recipe.name}; "
            "check the folder with `data check`"
        )
    return LabelledClips(items, missed, {k: n for k, n in without.items() if n})


def label_clip(
    dataset: Dataset, song: Song, x: np.ndarray, offset_s: float, recipe: Recipe
) -> LabelledClip | None:
    """Join the features of one clip with its labels; None where it has no label to use."""
    step = recipe.frames_per_step
    n_steps = len(x) // step
    if recipe.data.labels == "static":
        y = np.array([[song.valence, song.arousal]], np.float32)
        ends = np.array([n_steps * step], np.int64)
        if not np.isfinite(y).all() or not n_steps:
            return None
        return LabelledClip(song.uid, x, offset_s, ends, np.array([offset_s]), y, y)
    curve = dataset.labels(song.id)
    if curve is None or not n_steps:
        return None
    ends = np.arange(1, n_steps + 1, dtype=np.int64) * step
    t_s = offset_s + np.arange(1, n_steps + 1) * 0.5
    # a clip's start need not lie on the grid of the labels: take the nearest label
    grid = np.round(t_s * 2) / 2
    y = curve.at(grid)
    trained = _smoothed(curve.at, grid, recipe.data.smooth_labels)
    if recipe.data.window_s:
        need = round(recipe.data.window_s / 0.5) * step
        good = np.isfinite(y).all(axis=1) & np.isfinite(trained).all(axis=1) & (ends >= need)
        ends, t_s, y, trained = ends[good], t_s[good], y[good], trained[good]
    if not np.isfinite(y).all(axis=1).any():
        return None
    return LabelledClip(song.uid, x, offset_s, ends, t_s, y, trained)


def _smoothed(at, grid: np.ndarray, n: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    if n <= 1:
        return at(grid)
    stack = np.stack([at(grid - 0.5 * k) for k in range(n)])
    good = np.isfinite(stack)
    total = np.where(good, stack, 0).sum(0)
    return np.where(good.any(0), total / np.maximum(good.sum(0), 1), np.nan).astype(np.float32)


def scored(labelled: LabelledClip, recipe: Recipe) -> np.ndarray:
    """Which labels of a clip are scored [shape=(n,)], bool."""
    if recipe.data.labels == "static":
        return np.ones(len(labelled.ends), bool)
    good = np.isfinite(labelled.y).all(axis=1)
    good &= labelled.t_s >= labelled.offset_s + recipe.evaluation.from_s - 1e-6
    at = np.round((labelled.t_s - labelled.offset_s - recipe.evaluation.from_s) * 2).astype(int)
    return good & (at % recipe.evaluation.stride == 0)


def sequence_sizes(clips: Sequence[LabelledClip], recipe: Recipe) -> tuple[int, int]:
    """Frames of a training sequence and of a whole song, from recipe or the shortest clip."""
    step = recipe.frames_per_step
    shortest = min(len(p.x) // step for p in clips)
    asked = round(recipe.data.sequence_s * 2) or shortest
    song = round(recipe.data.song_s * 2) or shortest
    return min(asked, shortest) * step, song * step
