"""Batches of examples, the same after a restart: every epoch's order follows from its number."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from offline.batches.clips import LabelledClip
from offline.batches.windows import from_unit, padded, windows_of
from offline.recipes.recipe import Recipe

__all__ = ["Examples", "make_loader"]


class Examples(Dataset):
    """Examples by (clip, label): input and target on the loss's scale.

    Parameters
    ----------
    clips : list of LabelledClip
    recipe : Recipe
    song_frames, sequence_frames : int
        Fixed sizes, taken from the training clips.
    """

    def __init__(
        self, clips: list[LabelledClip], recipe: Recipe, song_frames: int, sequence_frames: int
    ) -> None:
        self.clips, self.recipe = clips, recipe
        self.song_frames, self.sequence_frames = song_frames, sequence_frames
        self.axes = [("valence", "arousal").index(a) for a in recipe.outputs]
        counts = [1 if self.is_sequence else len(p.ends) for p in clips]
        self.first = np.concatenate([[0], np.cumsum(counts)])

    @property
    def is_sequence(self) -> bool:
        """Whether an example is a whole sequence."""
        return self.recipe.family in ("chroma", "stacked")

    def __len__(self) -> int:
        return int(self.first[-1])

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        at = int(np.searchsorted(self.first, index, side="right")) - 1
        labelled = self.clips[at]
        if self.is_sequence:
            step = self.recipe.frames_per_step
            x = padded(labelled.x, self.sequence_frames)
            y = np.full((self.sequence_frames // step, 2), np.nan, np.float32)
            n = min(len(y), len(labelled.ends))
            y[:n] = labelled.trained[:n]
            target = torch.from_numpy(y[:, self.axes])
        else:
            label = np.array([index - self.first[at]])
            x = windows_of(labelled, label, self.recipe, self.song_frames)[0]
            target = torch.from_numpy(labelled.trained[label[0], self.axes])
        return torch.from_numpy(x), from_unit(target, self.recipe.data.target)


class EpochSampler(Sampler):
    """Draws `per_clip` examples of every clip, in an order that the epoch's number decides.

    In the original 'consecutive' form a batch is consecutive windows of one song.
    """

    def __init__(self, examples: Examples, per_clip: int, seed: int, *, consecutive: bool) -> None:
        self.first, self.per_clip = examples.first, per_clip
        self.seed, self.consecutive, self.epoch = seed, consecutive, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        counts = np.diff(self.first)
        return int(counts.sum() if self.consecutive else np.minimum(counts, self.per_clip).sum())

    def __iter__(self) -> Iterator[int]:
        if self.consecutive:
            return iter(range(int(self.first[-1])))
        rng = np.random.default_rng([self.seed, self.epoch])
        drawn = [
            rng.choice(np.arange(a, b), min(self.per_clip, b - a), replace=False)
            for a, b in zip(self.first[:-1], self.first[1:], strict=True)
            if b > a
        ]
        return iter(rng.permutation(np.concatenate(drawn)).tolist())


class SpreadSampler(Sampler):
    """Up to `per_clip` evenly spread examples of every clip, always the same: for validation."""

    def __init__(self, examples: Examples, per_clip: int) -> None:
        self.order = [
            int(i)
            for a, b in zip(examples.first[:-1], examples.first[1:], strict=True)
            for i in np.unique(np.linspace(a, b, min(per_clip, b - a) + 2)[1:-1].astype(int))
        ]

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[int]:
        return iter(self.order)


def make_loader(
    clips: list[LabelledClip], recipe: Recipe, sizes: tuple[int, int], *, train: bool
) -> DataLoader:
    """Loader of training or validation examples."""
    sequence, song = sizes
    examples = Examples(clips, recipe, song, sequence)
    data, training = recipe.data, recipe.training
    sampler: Sampler = (
        EpochSampler(examples, data.per_clip, training.seed, consecutive=data.consecutive)
        if train
        else SpreadSampler(examples, 1)
    )
    batch = training.batch if train else max(training.batch, 16)
    full = train and len(sampler) >= training.batch
    return DataLoader(examples, batch_size=batch, sampler=sampler, drop_last=full, num_workers=0)
