"""Arousal from 1.5 s of mel power in dB or MFCC: the nets of Doutrope/track_emo_reco.

What that repository calls MFCC is the squared mel power in dB, standardised window by window;
`original` keeps both. `corrected` keeps the level, the strongest cue of arousal: standardised with
the training set's mean and spread instead. `mfcc` adds the missing DCT.
"""

import math

import torch
from torch import Tensor, nn

from models.audio.initial import as_keras

__all__ = ["N_FRAMES", "WINDOW", "WindowNet", "dct_matrix"]

N_FRAMES = 71
"""Frames of a window; of the 72 that end with it at hop 250 the last 71, as published."""

WINDOW = ("window-m1", "window-m2", "window-m3")
FLOOR_DB = 80.0


def dct_matrix(n: int, n_out: int) -> Tensor:
    """Orthonormal DCT-II as a matrix [shape=(n, n_out)] to multiply frames with."""
    k = torch.arange(n_out, dtype=torch.float64)
    at = torch.arange(n, dtype=torch.float64)[:, None]
    m = torch.cos(math.pi / n * (at + 0.5) * k) * math.sqrt(2 / n)
    m[:, 0] /= math.sqrt(2)
    return m.float()


class WindowNet(nn.Module):
    """Two or three convolutions on a window of mel frames -> one number.

    Parameters
    ----------
    name : str
        One of `WINDOW`.
    n_bins : int
        Mel bands (96 as published).
    features : {'mel_db', 'mfcc'}
    n_mfcc : int
        Coefficients kept; 96, all of them, keeps the published sizes.
    width : float
        Factor on channels and units.
    original : bool
        Standardise each window by itself, as published.

    Notes
    -----
    Input mel power [shape=(batch, frames >= 71, bins)], of which the last 71 frames count; output
    [shape=(batch, 1)]. Weights start as Keras draws them: with torch's own the net dies
    (`models.audio.initial`).
    """

    def __init__(
        self,
        name: str,
        *,
        n_bins: int = 96,
        features: str = "mel_db",
        n_mfcc: int = 96,
        width: float = 1.0,
        original: bool = False,
    ) -> None:
        super().__init__()
        self.original = original
        rows = n_mfcc if features == "mfcc" else n_bins
        if features == "mfcc":
            self.register_buffer("dct", dct_matrix(n_bins, n_mfcc), persistent=False)
        else:
            self.dct = None
        self.register_buffer("mean", torch.zeros(rows))
        self.register_buffer("std", torch.ones(rows))
        a, b, c, units = (max(2, round(n * width)) for n in (16, 32, 64, 128))
        r, pool = nn.ReLU, nn.MaxPool2d(2)
        if name == "window-m1":
            body = [nn.Conv2d(1, a, 3), r(), nn.Conv2d(a, b, 10), r(), pool, nn.Dropout(0.25)]
            last = 0.5
        elif name == "window-m2":
            body = [nn.Conv2d(1, a, 3), r(), pool, nn.Conv2d(a, a, 10), r(), pool]
            last = 0.25
        else:
            body = [nn.Conv2d(1, a, 3), r(), nn.Conv2d(a, b, 10), r(), pool,
                    nn.Conv2d(b, c, 10), r(), nn.Dropout(0.25)]  # fmt: skip
            last = 0.3
        self.body = nn.Sequential(*body)
        with torch.no_grad():
            n = self.body.eval()(torch.zeros(1, 1, rows, N_FRAMES)).numel()
        self.body.train()
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(n, units), r(), nn.Dropout(last), nn.Linear(units, 1)
        )
        as_keras(self)

    def decibels(self, x: Tensor) -> Tensor:
        """Mel power -> dB (of the square, when original) or cepstrum, before standardising."""
        x = x[:, -N_FRAMES:]
        if self.original:
            db = 20 * torch.log10(torch.clamp(x, min=1e-5))
            db = torch.maximum(db, db.amax((1, 2), keepdim=True) - FLOOR_DB)
        else:
            db = 10 * torch.log10(torch.clamp(x, min=1e-8))
        return db if self.dct is None else db @ self.dct

    def compress(self, x: Tensor) -> Tensor:
        """Standardised spectrogram image [shape=(batch, 71, rows)]."""
        x = self.decibels(x)
        if not self.original:
            return (x - self.mean) / self.std
        x = x - x.mean((1, 2), keepdim=True)
        return x / (x.square().mean((1, 2), keepdim=True).sqrt() + 1e-7)

    def forward(self, x: Tensor) -> Tensor:
        """Mel power [batch, frames, bins] -> [batch, 1]."""
        return self.head(self.body(self.compress(x).transpose(1, 2).unsqueeze(1)))
