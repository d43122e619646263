"""Batches of the live network: crops of many kinds of clips, changed, and joined as in a stream.

Half a batch is music with labels over time, the rest knows quadrants or clusters only, or is no
music. Some rows begin with another clip: without that a network remembers the song before. Some
stand in the batch twice, each changed in its own way. What an epoch holds follows from the seed and
its number alone, so that a resumed run goes on as it would have.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from offline.batches.draws import Batches, Draw
from offline.batches.example import Batch
from offline.batches.live.data import MEL, LiveData
from offline.batches.live.rows import STEPS, Rows
from offline.features.augment import augment, mel_centres
from offline.recipes.mood import MoodPlan
from streammer.errors import InputError

__all__ = ["Mixture", "splice"]

FRESH_STEPS, CUT_STEPS = 4, 3
"""Steps that count less at the start of a row, and after a cut."""


class Mixture(Batches):
    """Epochs of batches over training folds.

    A batch's rows are the clips of its draw, then twins; its targets have ``source``, the number of
    the crop that each step is of, its masks ``early``, how much each step counts, and ``sound``,
    what is no music.

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
        if not self.songs:
            raise InputError("no clip with valence and arousal is left to train on; check the data")
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

    def draws(self, epoch: int, rank: int = 0, world: int = 1) -> Sequence[Draw]:
        """Batches of one process: over all processes an epoch has every song once."""
        rng = np.random.default_rng([self.seed, epoch])
        names = [list(self.songs)[k] for k in rng.permutation(len(self.songs))][rank::world]
        rng = np.random.default_rng([self.seed, epoch, rank])
        size = min(self.plan.mix.curve, len(self.songs) // world)
        streams = [(_endless(rng, clips), count) for clips, count in self.others]
        out = []
        for b in range(max(1, len(self.songs) // (self.plan.mix.curve * world))):
            clips = [int(rng.choice(self.songs[name])) for name in names[b * size :][:size]]
            for stream, count in streams:
                clips += [next(stream) for _ in range(count)]
            out.append(Draw(tuple(clips), (self.seed, epoch, rank, b)))
        return out

    def make(self, draw: Draw) -> Batch:
        """Crop, change and join the clips of a draw."""
        plan, twins = self.plan, min(self.plan.mix.twins, len(draw.rows))
        numbers, rng = draw.rng(), draw.torch_rng()
        rows = [self.rows.row(i, numbers) for i in draw.rows]
        source = [*range(len(rows)), *range(twins)]
        rows = [*rows, *rows[:twins]]
        mel, chroma = augment(
            plan.changes,
            torch.stack([r.mel for r in rows]),
            torch.stack([r.chroma for r in rows]),
            rng,
            self.centres,
        )
        targets, masks = (
            {k: torch.from_numpy(np.stack([getattr(r, name)[k] for r in rows]))
             for k in getattr(rows[0], name)}
            for name in ("targets", "weights")
        )  # fmt: skip
        targets["source"] = torch.tensor(source).float()[:, None, None].expand(-1, STEPS, 1)
        masks["early"] = torch.ones(len(rows), STEPS)
        masks["early"][:, :FRESH_STEPS] = plan.weights.early
        batch = Batch({"mel": mel, "chroma": chroma}, targets, masks, draw.rows)
        return splice(batch, plan.mix.splice, plan.weights.after_cut, rng)


def _endless(rng: np.random.Generator, clips: list[int]) -> Iterator[int]:
    while True:
        yield from (int(i) for i in rng.permutation(clips))


def splice(batch: Batch, share: float, after_cut: float, rng: torch.Generator) -> Batch:
    """Let a share of the rows begin with 3 to 15 steps of another, up to 6 dB louder or softer.

    The first `CUT_STEPS` steps after the cut, in which a memory lets go, count `after_cut`.
    """
    rows = len(batch)
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

    masks = {k: joined(w, 1) for k, w in batch.masks.items()}
    after = chosen[:, None] & (t[None] >= cut[:, None]) & (t[None] < cut[:, None] + CUT_STEPS)
    masks["early"] = torch.where(after, torch.tensor(after_cut), masks["early"])
    inputs = {
        "mel": joined(batch.inputs["mel"], 25, gain),
        "chroma": joined(batch.inputs["chroma"], 5, gain),
    }
    targets = {k: joined(y, 1) for k, y in batch.targets.items()}
    return Batch(inputs, targets, masks, batch.rows)
