"""Batches of the live network: crops of many kinds of clips, changed, and joined as in a stream.

Half a batch is music with labels over time, the rest knows quadrants or clusters only, or is no
music. Some rows begin with another clip: without that a network remembers the song before. Some
stand in the batch twice, each changed in its own way. What an epoch holds follows from the seed and
its number alone, so that a resumed run goes on as it would have.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from offline.batches.live.data import MEL, LiveData
from offline.batches.live.rows import STEPS, Row, Rows
from offline.features.augment import augment, mel_centres
from offline.recipes.mood import MoodPlan

__all__ = ["Batch", "Mixture", "splice"]

FRESH_STEPS, CUT_STEPS = 4, 3
"""Steps that count less at the start of a row, and after a cut."""


@dataclass(frozen=True)
class Batch:
    """Rows of one training step.

    Attributes
    ----------
    mel, chroma : Tensor [shape=(rows, frames, bins)]
    targets : dict of str to Tensor [shape=(rows, STEPS, n)]
        ``source`` numbers the crop that each step is of.
    weights : dict of str to Tensor [shape=(rows, STEPS) or (rows, STEPS, n)]
    twins : int
        The last rows, so many, are the first ones again, changed in another way.
    """

    mel: Tensor
    chroma: Tensor
    targets: dict[str, Tensor]
    weights: dict[str, Tensor]
    twins: int = 0

    def to(self, device: torch.device | str, **options: bool) -> "Batch":
        """Return the batch on a device."""
        return Batch(
            self.mel.to(device, **options),
            self.chroma.to(device, **options),
            {k: x.to(device, **options) for k, x in self.targets.items()},
            {k: x.to(device, **options) for k, x in self.weights.items()},
            self.twins,
        )


class Mixture:
    """Epochs of batches over training folds.

    Parameters
    ----------
    data : LiveData
    folds : tuple of int
        To train on.
    plan : MoodPlan
    rows : Rows
    seed : int
    """

    def __init__(
        self, data: LiveData, folds: tuple[int, ...], plan: MoodPlan, rows: Rows, seed: int
    ) -> None:
        self.plan, self.rows, self.seed = plan, rows, seed
        self.songs: dict[str, list[int]] = {}
        for i in data.where("curve", folds):
            self.songs.setdefault(data.clips[i].song, []).append(i)
        mix = plan.mix
        self.others = [
            (clips, count)
            for clips, count in (
                (data.where("quadrant", folds), mix.quadrant),
                (data.where("cluster", folds), mix.cluster),
                (data.where("sound", (-1,)), mix.sound),
            )
            if clips
        ]
        self.centres = mel_centres(torch.as_tensor(MEL.filters()), MEL.sr)

    def __len__(self) -> int:
        """Batches of an epoch: every song once."""
        return max(1, len(self.songs) // self.plan.mix.curve)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Batches of epoch `number`."""
        rng = np.random.default_rng([self.seed, number])
        torch_rng = torch.Generator().manual_seed(int(rng.integers(2**62)))
        names = list(self.songs)
        order = rng.permutation(len(names))
        streams = [(_endless(rng, clips), count) for clips, count in self.others]
        size = min(self.plan.mix.curve, len(names))
        for b in range(len(self)):
            clips = [int(rng.choice(self.songs[names[k]])) for k in order[b * size :][:size]]
            for stream, count in streams:
                clips += [next(stream) for _ in range(count)]
            yield self._batch([self.rows.row(i, rng) for i in clips], torch_rng)

    def _batch(self, rows: Sequence[Row], rng: torch.Generator) -> Batch:
        plan, twins = self.plan, min(self.plan.mix.twins, len(rows))
        source = [*range(len(rows)), *range(twins)]
        rows = [*rows, *rows[:twins]]
        mel, chroma = augment(
            plan.changes,
            torch.stack([r.mel for r in rows]),
            torch.stack([r.chroma for r in rows]),
            rng,
            self.centres,
        )
        targets, weights = (
            {k: torch.from_numpy(np.stack([getattr(r, name)[k] for r in rows]))
             for k in getattr(rows[0], name)}
            for name in ("targets", "weights")
        )  # fmt: skip
        targets["source"] = torch.tensor(source).float()[:, None, None].expand(-1, STEPS, 1)
        weights["early"] = torch.ones(len(rows), STEPS)
        weights["early"][:, :FRESH_STEPS] = plan.weights.early
        batch = Batch(mel, chroma, targets, weights, twins)
        return splice(batch, plan.mix.splice, plan.weights.after_cut, rng)


def _endless(rng: np.random.Generator, clips: list[int]) -> Iterator[int]:
    while True:
        yield from (int(i) for i in rng.permutation(clips))


def splice(batch: Batch, share: float, after_cut: float, rng: torch.Generator) -> Batch:
    """Let a share of the rows begin with 3 to 15 steps of another, up to 6 dB louder or softer.

    The first `CUT_STEPS` steps after the cut, in which a memory lets go, count `after_cut`.
    """
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
    after = chosen[:, None] & (t[None] >= cut[:, None]) & (t[None] < cut[:, None] + CUT_STEPS)
    weights["early"] = torch.where(after, torch.tensor(after_cut), weights["early"])
    return Batch(
        joined(batch.mel, 25, gain),
        joined(batch.chroma, 5, gain),
        {k: joined(y, 1) for k, y in batch.targets.items()},
        weights,
        batch.twins,
    )
