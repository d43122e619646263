"""Networks over half-second frames: the chroma LSTM and the stacked CRNN after Malik et al."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ChromaLstm", "StackedCrnn", "n_trained"]


def n_trained(net: nn.Module) -> int:
    """Count the weights that training moves."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


class ChromaLstm(nn.Module):
    """LSTM over chroma, one frame a half second, one output a frame (valence).

    Parameters
    ----------
    units : int
        5 (as saved by the original, 366 weights) or 10.
    both : bool
        Two-way: cannot run live.
    original : bool
        Chroma as they are; else standardised with the training set's mean and spread.

    Notes
    -----
    One bias a gate as in Keras: the second of torch is held at zero. Input [shape=(batch, steps,
    12)], output [shape=(batch, steps, 1)].
    """

    def __init__(self, *, units: int = 5, both: bool = False, n_bins: int = 12,
                 original: bool = False) -> None:  # fmt: skip
        super().__init__()
        self.original, self.units, self.both = original, units, both
        self.register_buffer("mean", torch.zeros(n_bins))
        self.register_buffer("std", torch.ones(n_bins))
        self.lstm = nn.LSTM(n_bins, units, batch_first=True, bidirectional=both)
        for name, weight in self.lstm.named_parameters():
            if name.startswith("bias_hh"):
                nn.init.zeros_(weight)
                weight.requires_grad_(False)
        self.head = nn.Linear(units * (2 if both else 1), 1)

    def compress(self, x: Tensor) -> Tensor:
        """Chroma as the LSTM takes them."""
        return x if self.original else (x - self.mean) / self.std

    def forward(self, x: Tensor) -> Tensor:
        """[batch, steps, 12] -> [batch, steps, 1]."""
        return self.head(self.lstm(self.compress(x))[0])

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One step of a batch: [batch, 1, 12], [batch, units] twice -> mood and both states."""
        y, (h, c) = self.lstm(self.compress(x), (h.unsqueeze(0), c.unsqueeze(0)))
        return self.head(y[:, -1]), h[0], c[0]


class Maxout(nn.Module):
    """The larger of two linear maps to one number."""

    def __init__(self, n_in: int) -> None:
        super().__init__()
        self.maps = nn.Linear(n_in, 2)

    def forward(self, x: Tensor) -> Tensor:
        """[..., n_in] -> [..., 1]."""
        return self.maps(x).amax(-1, keepdim=True)


class StackedCrnn(nn.Module):
    """One convolution over (time, features), a dense layer, a two-way GRU branch per axis.

    Our definition 'after Malik et al. 2017': what the paper leaves open is ours, chosen so that
    there are about 30,000 weights. A half second is described by mean and spread of 65 log mel
    bands and their differences to the half second before: 260 numbers, as many as the task's own
    features.

    Parameters
    ----------
    frames_per_step, n_bins : int
        Mel frames in a half second, mel bands (65).
    width : float
        Factor on the GRU's units.

    Notes
    -----
    Input mel power [shape=(batch, steps * frames_per_step, n_bins)], output [shape=(batch, steps,
    2)]: valence, arousal. Two-way: cannot run live.
    """

    def __init__(self, *, frames_per_step: int, n_bins: int = 65, units: int = 28,
                 width: float = 1.0, dropout: float = 0.25) -> None:  # fmt: skip
        super().__init__()
        self.frames_per_step = frames_per_step
        n = max(4, round(units * width))
        self.register_buffer("mean", torch.zeros(4 * n_bins))
        self.register_buffer("std", torch.ones(4 * n_bins))
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(dropout)
        self.dense = nn.Linear(8 * 4 * n_bins, 8)
        self.valence = nn.GRU(8, n, batch_first=True, bidirectional=True)
        self.arousal = nn.GRU(8, n, batch_first=True, bidirectional=True)
        self.heads = nn.ModuleList([Maxout(2 * n), Maxout(2 * n)])

    def describe(self, x: Tensor) -> Tensor:
        """Mean, spread and their differences per half second [shape=(batch, steps, 4 n_bins)]."""
        x = torch.log(x + 1e-6)
        x = x.reshape(x.shape[0], -1, self.frames_per_step, x.shape[-1])
        stats = torch.cat([x.mean(2), x.std(2, correction=0)], dim=-1)
        before = torch.cat([stats[:, :1], stats[:, :-1]], dim=1)
        return torch.cat([stats, stats - before], dim=-1)

    def compress(self, x: Tensor) -> Tensor:
        """Standardised description."""
        return (self.describe(x) - self.mean) / self.std

    def forward(self, x: Tensor) -> Tensor:
        """Mel power [batch, frames, bins] -> [batch, steps, 2]."""
        x = self.compress(x).unsqueeze(1)
        x = self.drop(F.relu(self.norm(self.conv(x))))
        x = self.dense(x.transpose(1, 2).flatten(2))
        branches = (self.valence(x)[0], self.arousal(x)[0])
        return torch.cat([h(b) for h, b in zip(self.heads, branches, strict=True)], dim=-1)
