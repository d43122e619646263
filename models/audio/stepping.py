"""Turn a network of a whole window into one that is stepped, its past as a state.

``module(features, *states) -> (mood, *next states)`` and ``zero_state(batch)``, as the exporter
asks. All-zero states mean that there was no input.
"""

import torch
from torch import Tensor, nn

__all__ = ["ChromaStepper", "SequenceStepper", "ToUnit", "WindowStepper"]


class ToUnit(nn.Module):
    """Outputs on the loss's scale -> [-1, 1], clamped.

    Parameters
    ----------
    target : {'unit', 'sigmoid', 'raw9'}
    """

    def __init__(self, target: str) -> None:
        super().__init__()
        self.scale, self.shift = {"unit": (1.0, 0.0), "sigmoid": (2.0, -1.0),
                                  "raw9": (0.25, -1.25)}[target]  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return (x * self.scale + self.shift).clamp(-1, 1)


class WindowStepper(nn.Module):
    """A network on a window of the last `window` frames; the older ones of them are the state.

    Parameters
    ----------
    net : nn.Module
        [batch, window, bins] -> [batch, axes].
    window, bins, frames_per_step : int
    to_unit : ToUnit
    """

    def __init__(
        self, net: nn.Module, window: int, bins: int, frames_per_step: int, to_unit: ToUnit
    ) -> None:
        super().__init__()
        self.net, self.to_unit = net, to_unit
        self.frames_per_step = frames_per_step
        self.size = (window - frames_per_step, bins)

    def zero_state(self, batch: int) -> tuple[Tensor, ...]:
        """Return the states before any input."""
        return (torch.zeros(batch, *self.size),) if self.size[0] else ()

    def forward(self, features: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """[batch, frames_per_step, bins] and the past -> mood and the next past."""
        window = torch.cat([*state, features], dim=1)
        mood = self.to_unit(self.net(window))
        return (mood, window[:, self.frames_per_step :]) if self.size[0] else (mood,)


class SequenceStepper(nn.Module):
    """A two-way network over a whole sequence, its mean over time as the mood: not causal."""

    def __init__(self, net: nn.Module, to_unit: ToUnit) -> None:
        super().__init__()
        self.net, self.to_unit = net, to_unit

    def zero_state(self, batch: int) -> tuple[Tensor, ...]:
        """No states: every sequence stands alone."""
        return ()

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """[batch, frames, bins] -> mood [batch, axes]."""
        return (self.to_unit(self.net(features)).mean(1),)


class ChromaStepper(nn.Module):
    """The chroma LSTM step by step: hidden and cell are the states."""

    def __init__(self, net: nn.Module, to_unit: ToUnit) -> None:
        super().__init__()
        self.net, self.to_unit = net, to_unit

    def zero_state(self, batch: int) -> tuple[Tensor, ...]:
        """Return the states before any input."""
        return torch.zeros(batch, self.net.units), torch.zeros(batch, self.net.units)

    def forward(self, features: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        """[batch, 1, 12] and both states -> mood and the next states."""
        mood, h, c = self.net.step(features, h, c)
        return self.to_unit(mood), h, c
