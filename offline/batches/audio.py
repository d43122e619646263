"""Batches of labelled clips: windows, whole songs or sequences, by what the system takes."""

import numpy as np
import torch

from offline.batches.clips import LabelledClip
from offline.batches.draws import ExampleBatches
from offline.batches.example import Example
from offline.batches.windows import from_unit, padded, windows_of
from offline.recipes.recipe import Recipe

__all__ = ["ClipBatches"]


class ClipBatches(ExampleBatches):
    """Examples by (clip, label): input ``frames`` and target ``mood`` on the loss's scale.

    Parameters
    ----------
    clips : list of LabelledClip
    recipe : Recipe
    sizes : (int, int)
        Frames of a sequence and of a whole song, taken from the training clips.
    train : bool
        Draw ``data.per_clip`` examples of every clip; else one, the middle one, of each.

    Notes
    -----
    In the original 'consecutive' form a batch is consecutive windows of one song.
    """

    def __init__(
        self, clips: list[LabelledClip], recipe: Recipe, sizes: tuple[int, int], *, train: bool
    ) -> None:
        size = recipe.training.batch if train else max(recipe.training.batch, 16)
        super().__init__(size, recipe.training.seed, train=train)
        self.clips, self.recipe = clips, recipe
        self.sequence_frames, self.song_frames = sizes
        self.axes = [("valence", "arousal").index(a) for a in recipe.outputs]
        self.sequences = recipe.kind.example == "sequence"
        counts = [1 if self.sequences else len(p.ends) for p in clips]
        self.first = np.concatenate([[0], np.cumsum(counts)])

    def __len__(self) -> int:
        return int(self.first[-1])

    def order(self, epoch: int) -> np.ndarray:
        """Rows of an epoch [shape=(n,)]."""
        spans = [(a, b) for a, b in zip(self.first[:-1], self.first[1:], strict=True) if b > a]
        if not self.train:
            return np.array([int(np.linspace(a, b, 3)[1]) for a, b in spans])
        if self.recipe.data.consecutive:
            return np.arange(len(self))
        rng = np.random.default_rng([self.seed, epoch])
        per_clip = self.recipe.data.per_clip
        drawn = [rng.choice(np.arange(a, b), min(per_clip, b - a), replace=False) for a, b in spans]
        return rng.permutation(np.concatenate(drawn))

    def example(self, row: int, rng: np.random.Generator) -> Example:
        """Input, target on the loss's scale and what is known of it."""
        at = int(np.searchsorted(self.first, row, side="right")) - 1
        labelled = self.clips[at]
        if self.sequences:
            x = padded(labelled.x, self.sequence_frames)
            y = np.full((self.sequence_frames // self.recipe.frames_per_step, 2), np.nan, "f4")
            n = min(len(y), len(labelled.ends))
            y[:n] = labelled.trained[:n]
        else:
            label = np.array([row - self.first[at]])
            x = windows_of(labelled, label, self.recipe, self.song_frames)[0]
            y = labelled.trained[label[0]]
        target = torch.from_numpy(np.ascontiguousarray(y[..., self.axes]))
        known = torch.isfinite(target)
        target = from_unit(torch.nan_to_num(target), self.recipe.data.target)
        return Example({"frames": torch.from_numpy(x)}, {"mood": target}, {"mood": known.float()})
