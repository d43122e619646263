"""Systems that take a whole sequence of half seconds and label each of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.audio.sequence import ChromaLstm, StackedCrnn
from models.audio.stepping import ChromaStepper, SequenceStepper, ToUnit
from offline.batches.clips import LabelledClip
from offline.batches.windows import padded
from offline.training.systems.audio import AudioSystem, device_of

__all__ = ["Chroma", "Stacked"]


class Stacked(AudioSystem):
    """Mel frames through shared convolutions and a two-way GRU branch for each axis."""

    def build(self, options: dict[str, Any]) -> nn.Module:
        """Build the network with the recipe's options."""
        return StackedCrnn(
            frames_per_step=self.recipe.frames_per_step, n_bins=self.recipe.spec.n_bins,
            width=self.recipe.network.width, **options,
        )  # fmt: skip

    def frames(self, labelled: LabelledClip, at: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
        """Return the clip's first frames as one sequence."""
        return padded(labelled.x, sizes[0])[None]

    def outputs(
        self, net: nn.Module, labelled: LabelledClip, at: np.ndarray, sizes: Sequence[int]
    ) -> Tensor:
        """Apply the network to the whole clip."""
        frames = len(labelled.ends) * self.recipe.frames_per_step
        x = torch.from_numpy(np.array(labelled.x[:frames], np.float32))
        out: Tensor = net(x[None].to(device_of(net)))[0].cpu()
        return out[torch.from_numpy(at)]

    def stepper(
        self, net: nn.Module, unit: ToUnit, sizes: Sequence[int]
    ) -> tuple[nn.Module, float]:
        """Return a network that steps over 10 s at once: it needs what follows."""
        return SequenceStepper(net, unit), 10.0


class Chroma(Stacked):
    """One chroma vector a half second through an LSTM."""

    def build(self, options: dict[str, Any]) -> nn.Module:
        """Build the network with the recipe's options."""
        return ChromaLstm(
            n_bins=self.recipe.spec.n_bins, original=self.recipe.mode == "original", **options
        )

    def stepper(
        self, net: nn.Module, unit: ToUnit, sizes: Sequence[int]
    ) -> tuple[nn.Module, float]:
        """Return a network that keeps the LSTM's state, where it reads one way only."""
        return (
            (ChromaStepper(net, unit), 0.5)
            if self.recipe.causal
            else super().stepper(net, unit, sizes)
        )
