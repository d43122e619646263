"""Systems that take a window of sound before each label, or a whole song."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.audio.spectral import SpectralNet
from models.audio.stepping import SequenceStepper, ToUnit, WindowStepper
from models.audio.window import WindowNet
from offline.batches.clips import LabelledClip
from offline.batches.windows import windows_of
from offline.training.systems.audio import AudioSystem, device_of

__all__ = ["Spectral", "Window"]

_BATCH = 32


class Window(AudioSystem):
    """Mel or MFCC windows through a small convolutional network."""

    def build(self, options: dict[str, Any]) -> nn.Module:
        """Build the network with the recipe's options."""
        net = self.recipe.network
        return WindowNet(
            net.name, n_bins=self.recipe.spec.n_bins, width=net.width,
            original=self.recipe.mode == "original", **options,
        )  # fmt: skip

    def frames(self, labelled: LabelledClip, at: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
        """Cut the windows that end with the labels `at`."""
        return windows_of(labelled, at, self.recipe, sizes[1])

    def outputs(
        self, net: nn.Module, labelled: LabelledClip, at: np.ndarray, sizes: Sequence[int]
    ) -> Tensor:
        """Apply the network to the windows, some at a time."""
        some = [at[i : i + _BATCH] for i in range(0, len(at), _BATCH)]
        frames = (torch.from_numpy(self.frames(labelled, k, sizes)) for k in some)
        return torch.cat([net(x.to(device_of(net))).cpu() for x in frames])

    def stepper(
        self, net: nn.Module, unit: ToUnit, sizes: Sequence[int]
    ) -> tuple[nn.Module, float]:
        """Return a network that keeps its window as a state; whole songs step at most 10 s."""
        recipe = self.recipe
        step, n_bins = recipe.frames_per_step, recipe.spec.n_bins
        if recipe.data.labels == "static":
            frames = min(sizes[1], 20 * step)
            return WindowStepper(net, frames, n_bins, frames, unit), 0.5 * frames / step
        if not recipe.causal:
            return SequenceStepper(net, unit), 10.0
        window = round(recipe.data.window_s * 2) * step
        return WindowStepper(net, window, n_bins, step, unit), 0.5


class Spectral(Window):
    """Spectrogram images of one size through the networks of rxng8's repository."""

    def build(self, options: dict[str, Any]) -> nn.Module:
        """Build the network with the recipe's options."""
        net = self.recipe.network
        if net.image is not None:
            options["image"] = net.image
        return SpectralNet(
            net.name, n_bins=self.recipe.spec.n_bins, width=net.width,
            original=self.recipe.mode == "original", **options,
        )  # fmt: skip

    def compressed(self, net: nn.Module, frames: Tensor) -> Tensor:
        """Return what the network standardises: the image's logarithm."""
        return super().compressed(net, net.to_image(frames))  # type: ignore[operator]

    def notes(self) -> list[str]:
        """Return sentences for the card."""
        return ["The original's second channel is the mono signal, repeated in the graph."]
