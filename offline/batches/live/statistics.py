"""Running statistics of clips: what a network scales them by, and rows of them for a baseline."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.live.mood_net import MoodNet
from models.live.texture import Texture
from offline.batches.live.data import SPAN, LiveData

__all__ = ["Rows", "fit_change", "fit_scale", "make_rows", "stack", "textures"]

_SETTLED = 4
"""Steps after which the statistics of a start are those of a song."""


@dataclass
class Rows:
    """Statistics at some steps of clips with what is known there.

    Attributes
    ----------
    x : np.ndarray [shape=(n, features)]
    y : np.ndarray [shape=(n, 2)]
        Valence and arousal, or positive and energetic (-1 or 1).
    fold : np.ndarray [shape=(n,)]
    weight : np.ndarray [shape=(n,)]
        Of the row; those of one song add up to about 1.
    """

    x: np.ndarray
    y: np.ndarray
    fold: np.ndarray
    weight: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """All rows of several."""
        return cls(*(np.concatenate([getattr(p, k) for p in parts]) for k in cls.__annotations__))


@torch.no_grad()
def textures(texture: Texture, mel: Tensor, chroma: Tensor) -> np.ndarray:
    """Features of whole clips ``[b, steps, ...]``, each from a fresh start: ``[b, steps, n]``."""
    state, out = texture.zero_state(len(mel)), []
    for t in range(mel.shape[1]):
        features, _, *state = texture(mel[:, t], chroma[:, t], *state)
        out.append(features)
    return torch.stack(out, 1).numpy()


@torch.no_grad()
def fit_change(texture: Texture, data: LiveData, clips: Sequence[int]) -> None:
    """Set the spread by which a change is judged: that of recent against past inside songs."""
    free = Texture(threshold=float("inf"), recent=texture.recent)
    state, seen = free.zero_state(len(clips)), []
    mel, chroma = stack(data, clips, SPAN)
    for t in range(SPAN):
        _, _, *state = free(mel[:, t], chroma[:, t], *state)
        if t >= 8:
            seen.append(free.shape_of(state[5].sum(1)) - free.shape_of(state[3]))
    texture.change_sd.copy_(torch.stack(seen).square().mean((0, 1)).sqrt())


@torch.no_grad()
def fit_scale(net: MoodNet, data: LiveData, clips: Sequence[int]) -> None:
    """Set what a network's statistics are shifted and scaled by: their mean and spread in clips."""
    x = _features(data, net.texture, clips)[:, _SETTLED:]
    flat = torch.from_numpy(x).flatten(0, 1)
    net.shift.copy_(flat.mean(0))
    net.scale.copy_(1 / (flat.std(0) + 1e-3))


def stack(data: LiveData, clips: Sequence[int], steps: int) -> tuple[Tensor, Tensor]:
    """Mel power and chroma of the first steps of clips ``[clips, steps, frames, bins]``."""
    return (
        torch.stack([data.mel[i][:steps] for i in clips]),
        torch.stack([data.chroma[i][:steps] for i in clips]),
    )


def make_rows(data: LiveData, texture: Texture, seed: int = 0) -> tuple[Rows, Rows]:
    """Rows with curves and rows with quadrants, over all folds but the 58 songs.

    Rows are of several lengths of context, and of clips after another clip, as in a stream. Which
    clip comes before which stays inside a fold, so that no fold leaks into another.
    """
    rng = np.random.default_rng(seed)
    folds = tuple(sorted({c.fold for c in data.clips if c.fold >= 0}))  # TEST58 is below 0
    curve = [i for i in data.where("curve", folds) if len(data.mel[i]) >= SPAN]
    half = [i for i in data.where("quadrant", folds) if len(data.mel[i]) >= SPAN]
    counts: dict[str, int] = {}
    for i in curve:
        counts[data.clips[i].song] = counts.get(data.clips[i].song, 0) + 1
    fresh = _features(data, texture, curve)
    moods = [
        _labelled(data, curve, fresh, (2, 3, 5, 8, 12, 19), 0.6, counts),
        _spliced(data, texture, curve, folds, rng, counts),
    ]
    return Rows.joined(moods), _half_rows(data, texture, half, (3, 9, 19, 29, 39))


def _features(
    data: LiveData, texture: Texture, clips: Sequence[int], steps: int = SPAN
) -> np.ndarray:
    parts = [stack(data, clips[k : k + 128], steps) for k in range(0, len(clips), 128)]
    return np.concatenate([textures(texture, *part) for part in parts])


def _labelled(
    data: LiveData,
    clips: Sequence[int],
    x: np.ndarray,
    at: tuple[int, ...],
    weight: float,
    counts: dict[str, int],
) -> Rows:
    y = np.stack([data.clips[i].labels[list(at)] for i in clips]).reshape(-1, 2)
    fold = np.repeat([data.clips[i].fold for i in clips], len(at))
    share = np.repeat([weight / counts[data.clips[i].song] / len(at) for i in clips], len(at))
    keep = np.isfinite(y).all(1)
    rows = x[:, list(at)].reshape(len(y), -1)
    return Rows(rows[keep], y[keep].astype(float), fold[keep], share[keep])


def _spliced(
    data: LiveData,
    texture: Texture,
    clips: Sequence[int],
    folds: tuple[int, ...],
    rng: np.random.Generator,
    counts: dict[str, int],
) -> Rows:
    """Clips that follow another of their fold."""
    parts = []
    for fold in folds:
        own = rng.permutation([i for i in clips if data.clips[i].fold == fold]).tolist()
        if not own:
            continue
        before = own[-1:] + own[:-1]
        x = []
        for k in range(0, len(own), 128):
            first, then = (stack(data, c[k : k + 128], SPAN) for c in (before, own))
            joined = (torch.cat(pair, 1) for pair in zip(first, then, strict=True))
            x.append(textures(texture, *joined)[:, SPAN:])
        parts.append(_labelled(data, own, np.concatenate(x), (3, 5, 9, 14), 0.4, counts))
    return Rows.joined(parts)


def _half_rows(data: LiveData, texture: Texture, clips: Sequence[int], at: tuple[int, ...]) -> Rows:
    parts = []
    for steps in sorted({len(data.mel[i]) for i in clips}):
        own = [i for i in clips if len(data.mel[i]) == steps]
        taken = [s for s in at if s < steps]
        x = _features(data, texture, own, steps)[:, taken]
        y = np.repeat([2 * np.array(data.clips[i].quadrant) - 1 for i in own], len(taken), 0)
        fold = np.repeat([data.clips[i].fold for i in own], len(taken))
        parts.append(Rows(x.reshape(len(y), -1), y, fold, np.full(len(y), 1 / len(taken))))
    return Rows.joined(parts)
