"""Images of the spectral systems' windows, resized once and kept.

Reading and resizing 1,750 frames took longer than a small net's own work; the image of a window
depends on neither fold nor weights, so all runs of one image size share it.
"""

from pathlib import Path

import numpy as np

from offline.features.cache import FeatureCache
from offline.files import json_hash
from offline.recipes.recipe import Recipe

__all__ = ["image_at", "kept_images"]

VERSION = 1
"""Of the resizing; part of every key."""


def kept_images(
    cache: FeatureCache, audio: Path, x: np.ndarray, recipe: Recipe
) -> np.ndarray | None:
    """Images of all windows of a file.

    Parameters
    ----------
    cache : FeatureCache
    audio : Path
    x : np.ndarray [shape=(frames, bins)]
        Its features.
    recipe : Recipe

    Returns
    -------
    np.ndarray [shape=(windows, ...)] or None
        The window that ends with step k, counted from 1, is at ``k - steps of a window``; a whole
        song has one. None for what has no images, or images larger than the frames themselves.
    """
    if not recipe.kind.images:
        return None
    from models.audio.spectral import IMAGE, is_permuted

    net, original = recipe.network, recipe.mode == "original"
    step, image = recipe.frames_per_step, tuple(net.image or net.options.get("image", IMAGE))
    static = recipe.data.labels == "static"
    need = round((recipe.data.song_s if static else recipe.data.window_s) * 2) * step
    ends = [need] if static else list(range(need, len(x) + 1, step))
    if not need or not ends or len(ends) * image[0] * image[1] > x.size:
        return None
    permuted = is_permuted(net.name, original=original)
    key = json_hash({"version": VERSION, "image": image, "frames": need, "whole": static,
                     "average": not original, "permuted": permuted})  # fmt: skip

    def make() -> np.ndarray:
        return _images(x, need, ends, image, average=not original, permuted=permuted)

    return cache.derived(audio, recipe.spec, key, make)


def _images(
    x: np.ndarray, need: int, ends: list[int], image: tuple[int, ...], *, average: bool,
    permuted: bool,
) -> np.ndarray:  # fmt: skip
    import torch

    from models.audio.spectral import to_image

    x = np.pad(x, ((0, max(0, need - len(x))), (0, 0)))
    out = [
        to_image(torch.from_numpy(np.array(x[None, end - need : end], np.float32)),
                (image[0], image[1]), average=average, permuted=permuted)
        for end in ends
    ]  # fmt: skip
    return torch.cat(out).numpy()


def image_at(images: np.ndarray, ends: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Images of the windows that end with the given frames [shape=(len(ends), ...)], float32."""
    if recipe.data.labels == "static":
        return np.array(images[:1], np.float32)
    step = recipe.frames_per_step
    return np.array(images[ends // step - round(recipe.data.window_s * 2)], np.float32)
