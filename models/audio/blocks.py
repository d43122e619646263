"""Parts of the spectral networks: recurrent layers, attention, a residual block."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Attention", "Recurrent", "ResBlock", "scaled"]


def scaled(n: int, width: float) -> int:
    """Channels after the width factor, at least 8 and even."""
    return max(8, 2 * round(n * width / 2)) if width != 1 else n


class Recurrent(nn.Module):
    """Layers of one kind, the last one's final output [batch, n_out]."""

    def __init__(self, n_in: int, units: Sequence[int], width: float, *, kind: str) -> None:
        super().__init__()
        both = kind.startswith("bi")
        make = nn.GRU if kind.endswith("gru") else nn.LSTM
        layers = []
        for n in units:
            layers.append(make(n_in, scaled(n, width), batch_first=True, bidirectional=both))
            n_in = scaled(n, width) * (2 if both else 1)
        self.layers = nn.ModuleList(layers)
        self.both, self.n_out = both, n_in

    def forward(self, x: Tensor) -> Tensor:
        """[batch, time, features] -> [batch, n_out]; both ends of a two-way layer, as Keras."""
        for layer in self.layers:
            x, _ = layer(x)
        if not self.both:
            return x[:, -1]
        half = self.n_out // 2
        return torch.cat([x[:, -1, :half], x[:, 0, half:]], dim=1)


class Attention(nn.Module):
    """Channel and spatial attention.

    Parameters
    ----------
    max_only : bool
        Leave the averages out (cbam_2).

    Notes
    -----
    The original has a ReLU inside both maps, and no sigmoid after the spatial one, so that a map
    can die; `original` keeps that, the corrected form is that of the CBAM paper.
    """

    original = True

    def __init__(self, n: int, kernel: int, *, max_only: bool) -> None:
        super().__init__()
        self.max_only = max_only
        self.reduce = nn.Linear(n, max(1, n // 2))
        self.expand = nn.Linear(max(1, n // 2), n)
        self.spatial = nn.Conv2d(1 if max_only else 2, 1, kernel, padding=kernel // 2)

    def shared(self, x: Tensor) -> Tensor:
        """[batch, channels] -> the channels' weights before the sigmoid."""
        x = self.expand(F.relu(self.reduce(x)))
        return F.relu(x) if self.original else x

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, bins, time] -> the same shape, attended."""
        weight = self.shared(x.amax((2, 3)))
        if not self.max_only:
            weight = weight + self.shared(x.mean((2, 3)))
        x = x * torch.sigmoid(weight)[:, :, None, None]
        maps = [x.amax(1, keepdim=True)]
        if not self.max_only:
            maps.insert(0, x.mean(1, keepdim=True))
        where = self.spatial(torch.cat(maps, dim=1))
        return x * (F.relu(where) if self.original else torch.sigmoid(where))


class ResBlock(nn.Module):
    """1x1 shortcut, 5x5 and 3x3 convolutions, add, ReLU, pool."""

    def __init__(self, n_in: int, n: int) -> None:
        super().__init__()
        self.short = nn.Conv2d(n_in, n, 1)
        self.path = nn.Sequential(
            nn.ReLU(), nn.Conv2d(n, n, 5, padding=2), nn.ReLU(), nn.Conv2d(n, n, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[batch, n_in, bins, time] -> [batch, n, bins / 2, time / 2]."""
        s = self.short(x)
        return F.max_pool2d(F.relu(self.path(s) + s), 2)
