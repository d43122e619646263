"""Inputs of a network from clips, and labels on the scale of its loss."""

import numpy as np
from torch import Tensor

from offline.batches.clips import LabelledClip
from offline.features.images import image_at
from offline.recipes.recipe import Recipe

__all__ = ["from_unit", "padded", "to_unit", "windows_of"]


def from_unit(y: Tensor, target: str) -> Tensor:
    """Labels on [-1, 1] -> what the loss sees."""
    return {"unit": y, "sigmoid": (y + 1) / 2, "raw9": 4 * y + 5}[target]


def to_unit(p: Tensor, target: str) -> Tensor:
    """Map outputs of a network to [-1, 1], clamped as a live model's are."""
    unit = {"unit": p, "sigmoid": 2 * p - 1, "raw9": (p - 5) / 4}[target]
    return unit.clamp(-1, 1)


def windows_of(
    labelled: LabelledClip, at: np.ndarray, recipe: Recipe, song_frames: int
) -> np.ndarray:
    """Cut the inputs that end with the given labels [shape=(len(at), frames, bins)], float32.

    Images that were kept come in their place; to the network they are the same.
    """
    if labelled.images is not None:
        return image_at(labelled.images, labelled.ends[at], recipe)
    if recipe.data.labels == "static":
        return padded(labelled.x, song_frames)[None]
    size = round(recipe.data.window_s * 2) * recipe.frames_per_step
    return np.stack([np.asarray(labelled.x[e - size : e], np.float32) for e in labelled.ends[at]])


def padded(x: np.ndarray, frames: int) -> np.ndarray:
    """Cut or zero-padded at the end to `frames`."""
    out = np.zeros((frames, x.shape[1]), np.float32)
    out[: min(frames, len(x))] = x[:frames]
    return out
