"""What the live model is trained on: clips with whatever is known of them, and their features.

The 58 songs of MediaEval 2015 are in no fold and no training.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from offline.datasets.deezer import unit_map
from offline.features.nonmusic import SR
from streammer.frontend import FrontEndSpec

__all__ = [
    "CHROMA", "FRONT_ENDS", "MEL", "SPAN", "SR", "STEP_S", "TEST58", "LiveClip", "LiveData",
]  # fmt: skip

STEP_S = 0.5
SPAN = 20
"""Steps of a clip that is trained on and scored: 10 s."""
MEL = FrontEndSpec("mel", SR, 1024, 441, 80, fmin=30.0, fmax=11000.0)
CHROMA = FrontEndSpec("chroma", SR, 8192, 2205, 12)
FRONT_ENDS = {"features.mel": MEL, "features.chroma": CHROMA}
TEST58 = -2
"""Fold of the 58 songs; synthetic sounds have -1 and always train."""


@dataclass(frozen=True)
class LiveClip:
    """One clip with whatever is known of it.

    Attributes
    ----------
    uid, song : str
        Of the clip; of the song (clips of one song are drawn in turn).
    fold : int
    labels : np.ndarray [shape=(steps, 2)], float32
        Valence and arousal at the end of each step; NaN where there is none.
    quadrant : tuple or None
        (positive, energetic), each 0 or 1.
    cluster : int or None
    genres : np.ndarray or None
    words : np.ndarray or None
        Mean valence and arousal of its mood words, [-1, 1].
    deezer : np.ndarray or None
        Valence and arousal of the Deezer set, centred and reduced; `LiveData.deezer_targets` takes
        them to [-1, 1].
    deviation : np.ndarray or None [shape=(steps, 2)], float32
        Standard deviation of the raters at the end of each step; NaN where it is not known.
    music : bool
    start : int
        Steps of its recording before the clip.
    """

    uid: str
    song: str
    fold: int
    labels: np.ndarray
    path: Path | None = None
    quadrant: tuple[float, float] | None = None
    cluster: int | None = None
    genres: np.ndarray | None = None
    words: np.ndarray | None = None
    deezer: np.ndarray | None = None
    deviation: np.ndarray | None = None
    music: bool = True
    start: int = 0

    @property
    def has_curve(self) -> bool:
        """Whether any step has a label."""
        return bool(np.isfinite(self.labels).all(1).any())


@dataclass
class LiveData:
    """Clips with their features, all in memory.

    Attributes
    ----------
    clips : list of LiveClip
    mel : list of Tensor [shape=(steps, 25, 80)]
    chroma : list of Tensor [shape=(steps, 5, 12)]
    notes : list of str
        What was left out, counted.
    half_planes_from : str
        Where the labels of positive and energetic come from.
    """

    clips: list[LiveClip] = field(default_factory=list)
    mel: list[Tensor] = field(default_factory=list)
    chroma: list[Tensor] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    half_planes_from: str = "4Q"

    def add(self, clip: LiveClip, mel: np.ndarray, chroma: np.ndarray) -> None:
        """Add a clip; whole steps only."""
        steps = len(clip.labels)
        self.clips.append(clip)
        self.mel.append(torch.from_numpy(np.ascontiguousarray(mel[: steps * 25])).view(-1, 25, 80))
        self.chroma.append(
            torch.from_numpy(np.ascontiguousarray(chroma[: steps * 5])).view(-1, 5, 12)
        )

    def without(self, fold: int) -> "LiveData":
        """Return all but the clips of a fold: what selection may see of an outer fold, nothing."""
        kept = [i for i, c in enumerate(self.clips) if c.fold not in (fold, TEST58)]
        return LiveData(
            [self.clips[i] for i in kept],
            [self.mel[i] for i in kept],
            [self.chroma[i] for i in kept],
            [*self.notes, f"selection: fold {fold} and the 58 songs of 2015 are put away"],
            self.half_planes_from,
        )

    def where(self, kind: str, folds: tuple[int, ...]) -> list[int]:
        """Clips of a kind in folds: ``curve``, ``quadrant``, ``cluster``, ``deezer``, ``sound``."""
        test = {
            "curve": lambda c: c.music and c.has_curve,
            "quadrant": lambda c: c.quadrant is not None,
            "cluster": lambda c: c.cluster is not None,
            "deezer": lambda c: c.deezer is not None,
            "sound": lambda c: not c.music,
        }[kind]
        return [i for i, c in enumerate(self.clips) if c.fold in folds and test(c)]

    def first_clips(self, folds: tuple[int, ...]) -> list[int]:
        """One labelled clip a song, the first: what is evaluated."""
        seen: dict[str, int] = {}
        for i in self.where("curve", folds):
            seen.setdefault(self.clips[i].song, i)
        return list(seen.values())

    def prior(self, folds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and spread of the labels of folds [shape=(2,)], one label series a song."""
        labels = np.concatenate([self.clips[i].labels for i in self.first_clips(tuple(folds))])
        return np.nanmean(labels, 0), np.nanstd(labels, 0)

    def song_means(self, folds: Sequence[int]) -> np.ndarray:
        """Mean valence and arousal of each song of folds with labels [shape=(songs, 2)]."""
        clips = self.first_clips(tuple(folds))
        return np.array([np.nanmean(self.clips[i].labels, 0) for i in clips])

    def deezer_targets(self, train: Sequence[int]) -> np.ndarray:
        """Labels of the Deezer set on [-1, 1], by a map that is fitted on training folds alone.

        Returns
        -------
        np.ndarray [shape=(clips, 2)], float32
            NaN where a clip has none; clipped to [-1, 1].
        """
        shift, scale = unit_map(self.song_means(train))
        out = np.full((len(self.clips), 2), np.nan, np.float32)
        for i, clip in enumerate(self.clips):
            if clip.deezer is not None:
                out[i] = np.clip(shift + scale * clip.deezer, -1, 1)
        return out

    def data_hash(self) -> str:
        """Hash of ids, folds and labels."""
        digest = hashlib.sha256()
        for clip in self.clips:
            digest.update(f"{clip.uid} {clip.fold} {clip.quadrant} {clip.cluster}".encode())
            for known in (clip.labels, clip.deezer, clip.deviation):
                if known is not None:
                    digest.update(np.ascontiguousarray(known).tobytes())
        return digest.hexdigest()[:16]
