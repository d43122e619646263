"""Batches for the live model: crops of clips with every label that is known of them.

Half a batch is music with curves, the rest knows quadrants or clusters only, or is no music;
weights of zero stand where a label is unknown. Some rows are spliced from two clips, as a stream
is: without that a network remembers the song before. The order of an epoch follows from the seed
and its number alone, so that a resumed run goes on as it would have.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from offline.batches.live.data import MEL, LiveClip, LiveData
from offline.features.augment import augment, mel_centres
from offline.recipes.live import CLUSTERS, GENRES, LivePlan
from streammer.frontend.filters import mel_filters

__all__ = ["STEPS", "Batch", "Batches"]

STEPS = 19
"""Steps of a row: a clip of 10 s, begun anywhere in its first half second."""


@dataclass(frozen=True)
class Batch:
    """Rows of one training step.

    Attributes
    ----------
    mel, chroma : Tensor [shape=(rows, frames, bins)]
    targets : dict of str to Tensor [shape=(rows, STEPS, n)]
    weights : dict of str to Tensor [shape=(rows, STEPS)]
    """

    mel: Tensor
    chroma: Tensor
    targets: dict[str, Tensor]
    weights: dict[str, Tensor]


class Batches:
    """Epochs of batches over the training folds of a member.

    Parameters
    ----------
    data : LiveData
    folds : tuple of int
        To train on.
    plan : LivePlan
    seed : int
    """

    def __init__(self, data: LiveData, folds: tuple[int, ...], plan: LivePlan, seed: int) -> None:
        self.data, self.plan, self.seed = data, plan, seed
        self.songs: dict[str, list[int]] = {}
        for i in data.where("curve", folds):
            self.songs.setdefault(data.clips[i].song, []).append(i)
        self.others = [
            (data.where(kind, where), count)
            for kind, where, count in (
                ("quadrant", folds, plan.mix.quadrant),
                ("cluster", folds, plan.mix.cluster),
                ("sound", (-1,), plan.mix.sound),
            )
        ]
        filters = mel_filters(
            sr=MEL.sr, n_fft=MEL.n_fft, n_bins=MEL.n_bins, fmin=30.0, fmax=11000.0, htk=False,
            norm="slaney",
        )  # fmt: skip
        self.centres = mel_centres(torch.as_tensor(filters), MEL.sr)

    def __len__(self) -> int:
        """Batches of an epoch: every song once."""
        return max(1, len(self.songs) // self.plan.mix.curve)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Batches of epoch `number`."""
        rng = np.random.default_rng([self.seed, number])
        torch_rng = torch.Generator().manual_seed(int(rng.integers(2**62)))
        names = list(self.songs)
        order = rng.permutation(len(names))
        streams = [(_endless(rng, clips), count) for clips, count in self.others if clips]
        size = min(self.plan.mix.curve, len(names))
        for b in range(len(self)):
            rows = [int(rng.choice(self.songs[names[k]])) for k in order[b * size : (b + 1) * size]]
            for stream, count in streams:
                rows += [next(stream) for _ in range(count)]
            yield self._batch(rows, rng, torch_rng)

    def _batch(
        self, rows: list[int], rng: np.random.Generator, torch_rng: torch.Generator
    ) -> Batch:
        crops = [self._crop(i, rng) for i in rows]
        mel, chroma = (torch.stack([c[k] for c in crops]) for k in (0, 1))
        mel, chroma = augment(self.plan.changes, mel, chroma, torch_rng, self.centres)
        known = [_known(self.data.clips[i], crop[2]) for i, crop in zip(rows, crops, strict=True)]
        targets = {
            k: torch.from_numpy(np.stack([t[k] for t, _ in known])).float() for k in known[0][0]
        }
        weights = {
            k: torch.from_numpy(np.stack([w[k] for _, w in known])).float() for k in known[0][1]
        }
        early = torch.ones(len(rows), STEPS)
        early[:, :4] = self.plan.loss.early
        batch = Batch(mel, chroma, targets, {**weights, "early": early})
        return splice(batch, self.plan.mix.splice, self.plan.loss.early, torch_rng)

    def _crop(self, i: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, int]:
        """Frames of `STEPS` steps from anywhere in a clip, in tenths of a second, and the step."""
        mel, chroma = self.data.mel[i], self.data.chroma[i]
        spare = len(mel) - STEPS
        if spare < 0:  # a short clip, over and over
            times = -(-STEPS // len(mel))
            mel, chroma = mel.repeat(times, 1, 1)[:STEPS], chroma.repeat(times, 1, 1)[:STEPS]
            return mel.flatten(0, 1), chroma.flatten(0, 1), 0
        at = int(rng.integers(0, max(spare, 1)))
        tenth = int(rng.integers(0, 5)) if spare else 0
        wide = mel[at : at + STEPS + 1].flatten(0, 1), chroma[at : at + STEPS + 1].flatten(0, 1)
        return wide[0][5 * tenth :][: STEPS * 25], wide[1][tenth:][: STEPS * 5], at


def _endless(rng: np.random.Generator, clips: list[int]) -> Iterator[int]:
    while True:
        yield from (int(i) for i in rng.permutation(clips))


def _known(clip: LiveClip, at: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Targets [STEPS, n] and weights [STEPS] of a crop."""
    mood = np.zeros((STEPS, 2), np.float32)
    labels = clip.labels[at : at + STEPS]
    good = np.zeros(STEPS, np.float32)
    good[: len(labels)] = np.isfinite(labels).all(1)
    mood[: len(labels)] = np.nan_to_num(labels)
    sound = not clip.music
    cluster = np.zeros(CLUSTERS, np.float32)
    if clip.cluster is not None:
        cluster[clip.cluster] = 1
    genres = clip.genres if clip.genres is not None else np.zeros(len(GENRES), np.float32)
    words = clip.words if clip.words is not None else np.zeros(2, np.float32)
    half = clip.quadrant or ((0.5, 0.5) if sound else (0.0, 0.0))
    every = lambda x: np.broadcast_to(np.asarray(x, np.float32), (STEPS, len(x)))  # noqa: E731
    flat = lambda x: np.full(STEPS, float(x), np.float32)  # noqa: E731
    targets = {
        "mood": mood,
        "half": every(half),
        "genre": every(genres),
        "cluster": every(cluster),
        "words": every(words),
    }
    weights = {
        "mood": good,
        "sound": flat(sound),
        "half": flat(clip.quadrant is not None or sound),
        "genre": flat(clip.genres is not None),
        "cluster": flat(clip.cluster is not None),
        "words": flat(clip.words is not None),
    }
    return targets, weights


def splice(batch: Batch, share: float, early: float, rng: torch.Generator) -> Batch:
    """Let a share of the rows begin with 3 to 15 steps of another, up to 6 dB louder or softer."""
    rows = len(batch.mel)
    chosen = torch.rand(rows, generator=rng) < share
    other = torch.randperm(rows, generator=rng)
    cut = torch.randint(3, 16, (rows,), generator=rng)
    cut = torch.where(chosen, cut, 0)
    t = torch.arange(STEPS)
    before = t[None] < cut[:, None]
    gain = 10 ** ((torch.rand(rows, 1, 1, generator=rng) * 12 - 6) / 10)

    def joined(x: Tensor, per_step: int, factor: Tensor | float = 1.0) -> Tensor:
        mask = before.repeat_interleave(per_step, 1)
        mask = mask.view(*mask.shape, *[1] * (x.ndim - 2))
        return torch.where(mask, x[other] * factor, x)

    weights = {k: joined(w, 1) for k, w in batch.weights.items()}
    after = chosen[:, None] & (t[None] >= cut[:, None]) & (t[None] < cut[:, None] + 2)
    weights["early"] = torch.where(after, torch.tensor(early), weights["early"])
    return Batch(
        joined(batch.mel, 25, gain),
        joined(batch.chroma, 5, gain),
        {k: joined(y, 1) for k, y in batch.targets.items()},
        weights,
    )
