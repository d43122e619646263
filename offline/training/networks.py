"""From a recipe to its torch module, and from its output to [-1, 1]."""

import numpy as np
import torch
from torch import nn

from models.audio.sequence import ChromaLstm, StackedCrnn
from models.audio.spectral import SpectralNet
from models.audio.window import WindowNet
from offline.batches.clips import LabelledClip, sequence_sizes
from offline.batches.windows import padded, to_unit, windows_of
from offline.recipes.recipe import Recipe
from streammer.errors import UsageError

__all__ = ["build_network", "fit_scale", "predict"]


def build_network(recipe: Recipe) -> nn.Module:
    """Untrained module of a recipe; initial weights follow from the global torch seed."""
    net, original = recipe.network, recipe.mode == "original"
    options = dict(net.options)
    try:
        if recipe.family == "spectral":
            if net.image is not None:
                options["image"] = net.image
            return SpectralNet(
                net.name, n_bins=recipe.spec.n_bins, width=net.width, original=original, **options
            )
        if recipe.family == "window":
            return WindowNet(
                net.name, n_bins=recipe.spec.n_bins, width=net.width, original=original, **options
            )
        if recipe.family == "chroma":
            return ChromaLstm(n_bins=recipe.spec.n_bins, original=original, **options)
        if recipe.family == "stacked":
            return StackedCrnn(
                frames_per_step=recipe.frames_per_step,
                n_bins=recipe.spec.n_bins,
                width=net.width,
                **options,
            )
    except (TypeError, KeyError, RuntimeError) as error:
        raise UsageError(f"{recipe.name}: network cannot be built ({error})") from error
    raise UsageError(f"{recipe.name}: family {recipe.family} has no network here")


@torch.no_grad()
def fit_scale(net: nn.Module, clips: list[LabelledClip], recipe: Recipe, seed: int) -> None:
    """Fit the mean and spread buffers on a sample of the TRAINING clips."""
    if getattr(net, "original", False) or not hasattr(net, "compress"):
        return
    rng = np.random.default_rng(seed)
    sample = [clips[i] for i in rng.permutation(len(clips))[:200]]
    sequence, song = sequence_sizes(clips, recipe)
    total = square = 0.0
    n = 0
    net.mean.zero_()
    net.std.fill_(1.0)
    for labelled in sample:
        if recipe.family in ("chroma", "stacked"):
            x = padded(labelled.x, sequence)[None]
        else:
            x = windows_of(labelled, rng.integers(0, len(labelled.ends), 1), recipe, song)
        y = torch.from_numpy(x)
        z = (
            net.compress(net.to_image(y) if recipe.family == "spectral" else y)
            .double()
            .flatten(0, -2)
        )
        total, square, n = total + z.sum(0), square + z.square().sum(0), n + len(z)
    mean = total / n
    net.mean.copy_(mean.float())
    std = (square / n - mean.square()).clamp_min(0).sqrt().float()
    # a row that hardly moves in training must not be blown up
    net.std.copy_(std.clamp_min(max(0.1 * float(std.mean()), 1e-3)))


@torch.no_grad()
def predict(
    net: nn.Module,
    labelled: LabelledClip,
    at: np.ndarray,
    recipe: Recipe,
    song_frames: int,
    *,
    batch: int = 32,
) -> np.ndarray:
    """Predict the labels `at` of a clip.

    Returns
    -------
    np.ndarray [shape=(len(at), 2)], float32
        Valence, arousal on [-1, 1]; NaN for an axis that the system does not give.
    """
    if recipe.family in ("chroma", "stacked"):
        step = recipe.frames_per_step
        x = torch.from_numpy(np.array(labelled.x[: len(labelled.ends) * step], np.float32))
        given = net(x[None])[0][torch.from_numpy(at)]
    else:
        parts = [
            net(torch.from_numpy(windows_of(labelled, at[i : i + batch], recipe, song_frames)))
            for i in range(0, len(at), batch)
        ]
        given = torch.cat(parts)
    given = to_unit(given.float(), recipe.data.target).numpy()
    out = np.full((len(at), 2), np.nan, np.float32)
    for column, axis in enumerate(recipe.outputs):
        out[:, ("valence", "arousal").index(axis)] = given[:, column]
    return out
