"""Rows of running statistics with what is known of them: what everything but networks learns from.

Rows are clips at several lengths of context, clips after another clip (as in a stream), changed
copies (`offline.features.augment`) and sounds that are no music.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.live.texture import Texture
from offline.batches.live.data import MEL, LiveData
from offline.features.augment import augment, mel_centres
from offline.recipes.live import AugmentPart

__all__ = ["Change", "Rows", "changes_of", "fit_change", "make_rows", "stack", "textures"]


@dataclass
class Rows:
    """Features of steps with what is known of them.

    Attributes
    ----------
    x : np.ndarray [shape=(n, features)]
    y : np.ndarray [shape=(n, 2)]
        Valence and arousal, or positive and energetic (-1 or 1); 0 for no music.
    fold : np.ndarray [shape=(n,)]
        -1 for what always trains.
    weight : np.ndarray [shape=(n,)]
        Of the row; those of one song add up to about 1.
    landmark : np.ndarray [shape=(n,)], bool
        Whether the row may be a landmark.
    """

    x: np.ndarray
    y: np.ndarray
    fold: np.ndarray
    weight: np.ndarray
    landmark: np.ndarray

    def without(self, fold: int | None) -> "Rows":
        """Return the rows of all folds but one."""
        keep = self.fold != fold if fold is not None else np.ones(len(self.fold), bool)
        return Rows(*(getattr(self, k)[keep] for k in Rows.__annotations__))

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """All rows of several."""
        return cls(*(np.concatenate([getattr(p, k) for p in parts]) for k in cls.__annotations__))


Change = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


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
    mel, chroma = stack(data, clips, 20)
    for t in range(20):
        _, _, *state = free(mel[:, t], chroma[:, t], *state)
        if t >= 8:
            seen.append(free.shape_of(state[5].sum(1)) - free.shape_of(state[3]))
    texture.change_sd.copy_(torch.stack(seen).square().mean((0, 1)).sqrt())


def changes_of(part: AugmentPart, seed: int) -> Change:
    """Return a function that changes mel power and chroma ``[b, steps, frames, bins]``."""
    rng = torch.Generator().manual_seed(seed)
    centres = mel_centres(torch.as_tensor(MEL.filters()), MEL.sr)

    def change(mel: Tensor, chroma: Tensor) -> tuple[Tensor, Tensor]:
        a, b = augment(part, mel.flatten(1, 2), chroma.flatten(1, 2), rng, centres)
        return a.view_as(mel), b.view_as(chroma)

    return change


def make_rows(
    data: LiveData,
    texture: Texture,
    part: AugmentPart,
    seed: int = 0,
    *,
    copies: float = 0.5,
    sounds: float = 1.0,
) -> tuple[Rows, Rows]:
    """Rows with curves and rows with quadrants, over all folds but the 58 songs.

    `copies` is the weight of changed copies beside their originals, 0 for none; `sounds` that of
    a sound that is no music beside a song. Which clip comes before which in the spliced rows stays
    inside a fold, so that no fold leaks into another.
    """
    rng = np.random.default_rng(seed)
    changed = changes_of(part, seed)
    folds = tuple(sorted({c.fold for c in data.clips if c.fold >= 0}))  # TEST58 is below 0
    curve = [i for i in data.where("curve", folds) if len(data.mel[i]) >= 20]
    counts: dict[str, int] = {}
    for i in curve:
        counts[data.clips[i].song] = counts.get(data.clips[i].song, 0) + 1
    half = [i for i in data.where("quadrant", folds) if len(data.mel[i]) >= 20]
    sound = data.where("sound", (-1,))
    moods = [_curve_rows(data, texture, curve, (2, 3, 5, 8, 12, 19), 0.6, counts, landmark=True)]
    moods += [_spliced(data, texture, curve, folds, rng, counts)]
    half_planes = [_half_rows(data, texture, half, (3, 9, 19, 29, 39), 1.0, landmark=True)]
    if copies:
        moods.append(_curve_rows(data, texture, curve, (8, 19), copies, counts, changed))
        half_planes.append(_half_rows(data, texture, half, (14, 39), copies, changed))
    if sound:
        x = textures(texture, *stack(data, sound, 20))[:, [2, 6, 12, 19]]
        n = x.shape[0] * x.shape[1]
        quiet = Rows(
            x.reshape(n, -1), np.zeros((n, 2)), np.full(n, -1),
            np.full(n, sounds / x.shape[1]), np.zeros(n, bool),
        )  # fmt: skip
        moods.append(quiet)
        half_planes.append(quiet)
    return Rows.joined(moods), Rows.joined(half_planes)


def stack(data: LiveData, clips: Sequence[int], steps: int) -> tuple[Tensor, Tensor]:
    """Mel power and chroma of the first steps of clips ``[clips, steps, frames, bins]``."""
    return (
        torch.stack([data.mel[i][:steps] for i in clips]),
        torch.stack([data.chroma[i][:steps] for i in clips]),
    )


def _features(
    data: LiveData, texture: Texture, clips: Sequence[int], steps: int, change: Change | None
) -> np.ndarray:
    out = []
    for k in range(0, len(clips), 128):
        mel, chroma = stack(data, clips[k : k + 128], steps)
        if change is not None:
            mel, chroma = change(mel, chroma)
        out.append(textures(texture, mel, chroma))
    return np.concatenate(out)


def _curve_rows(
    data: LiveData,
    texture: Texture,
    clips: Sequence[int],
    at: tuple[int, ...],
    weight: float,
    counts: dict[str, int],
    change: Change | None = None,
    *,
    landmark: bool = False,
) -> Rows:
    x = _features(data, texture, clips, 20, change)
    return _labelled(data, clips, x, at, weight, counts, landmark=landmark)


def _labelled(
    data: LiveData,
    clips: Sequence[int],
    x: np.ndarray,
    at: tuple[int, ...],
    weight: float,
    counts: dict[str, int],
    *,
    landmark: bool,
) -> Rows:
    y = np.stack([data.clips[i].labels[list(at)] for i in clips]).reshape(-1, 2)
    fold = np.repeat([data.clips[i].fold for i in clips], len(at))
    share = np.repeat([weight / counts[data.clips[i].song] / len(at) for i in clips], len(at))
    may = np.tile([landmark and s == at[-1] for s in at], len(clips))
    keep = np.isfinite(y).all(1)
    rows = x[:, list(at)].reshape(len(y), -1)
    return Rows(rows[keep], y[keep].astype(float), fold[keep], share[keep], may[keep])


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
            first, then = (stack(data, c[k : k + 128], 20) for c in (before, own))
            joined = (torch.cat(pair, 1) for pair in zip(first, then, strict=True))
            x.append(textures(texture, *joined)[:, 20:])
        parts.append(
            _labelled(data, own, np.concatenate(x), (3, 5, 9, 14), 0.4, counts, landmark=False)
        )
    return Rows.joined(parts)


def _half_rows(
    data: LiveData,
    texture: Texture,
    clips: Sequence[int],
    at: tuple[int, ...],
    weight: float,
    change: Change | None = None,
    *,
    landmark: bool = False,
) -> Rows:
    parts = []
    for steps in sorted({len(data.mel[i]) for i in clips}):
        own = [i for i in clips if len(data.mel[i]) == steps]
        taken = [s for s in at if s < steps]
        x = _features(data, texture, own, steps, change)[:, taken]
        y = np.repeat([2 * np.array(data.clips[i].quadrant) - 1 for i in own], len(taken), 0)
        parts.append(
            Rows(
                x.reshape(len(y), -1), y, np.repeat([data.clips[i].fold for i in own], len(taken)),
                np.full(len(y), weight / len(taken)),
                np.tile([landmark and s == taken[-1] for s in taken], len(own)),
            )
        )  # fmt: skip
    return Rows.joined(parts)
