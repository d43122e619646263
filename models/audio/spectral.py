"""Networks on a fixed image of the magnitude spectrum: dense, conv and the CRNN family.

After the repository rxng8/Music-Emotion-Recognition-Algorithm. Its networks take two channels; ours
take one, repeated inside the graph. Where the original has a fault (ReLU at the output, no
logarithm, exchanged axes in `dense` and `conv`), `original` keeps it and `corrected` does not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.audio.blocks import Attention
from models.audio.bodies import SPECTRAL
from models.audio.initial import as_keras

__all__ = ["IMAGE", "SpectralNet", "is_permuted", "to_image"]

IMAGE = (129, 1024)
"""Bins and time frames of the image, as published (conv: 129 x 512)."""


class SpectralNet(nn.Module):
    """Magnitude frames -> fixed image -> body -> valence and arousal.

    Parameters
    ----------
    name : str
        One of `SPECTRAL`.
    n_bins : int
        Bins of the spectrum (129 as published).
    width : float
        Factor on all channels and units; 1 as published.
    image : (int, int)
        Bins and time frames of the image.
    original : bool
        Keep the original's faults: magnitudes without logarithm, ReLU outputs, and for dense and
        conv the exchanged axes.

    Notes
    -----
    Input [shape=(batch, frames, bins)], any number of frames, or what `to_image` made of them;
    output [shape=(batch, 2)]. Corrected images are ln(|X| + 1e-5), standardised per row with `mean`
    and `std`, which are buffers fitted on the training songs, and clamped to six spreads: a bin
    that was empty in training must not shout. Every convolution is followed by batch
    normalisation.
    """

    def __init__(
        self,
        name: str,
        *,
        n_bins: int = 129,
        width: float = 1.0,
        image: Sequence[int] = IMAGE,
        original: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.name, self.original = name, original
        self.image = (int(image[0]), int(image[1]))
        self.n_bins = n_bins
        self.permuted = is_permuted(name, original=original)
        self.register_buffer("mean", torch.zeros(self.image[0]))
        self.register_buffer("std", torch.ones(self.image[0]))
        self.body = SPECTRAL[name](self.image, width, dropout)
        if original:
            as_keras(self.body)
        else:
            _correct(self.body)
        self.linear_head = name == "crnn-res"

    def to_image(self, x: Tensor) -> Tensor:
        """Frames [batch, frames, bins] -> the image's magnitudes [batch, time, rows]."""
        return to_image(x, self.image, average=not self.original, permuted=self.permuted)

    def compress(self, x: Tensor) -> Tensor:
        """Image as the body takes it [shape=(batch, time, rows)]."""
        if self.original:
            return x
        return ((torch.log(x + 1e-5) - self.mean) / self.std).clamp(-6, 6)

    def forward(self, x: Tensor) -> Tensor:
        """Map frames [batch, frames, bins] to valence and arousal [batch, 2]."""
        x = self.compress(self.to_image(x))
        if self.permuted:
            x = x.transpose(1, 2)
        y = self.body(x.unsqueeze(1).expand(-1, 2, -1, -1))
        return F.relu(y) if self.original and not self.linear_head else y


def is_permuted(name: str, *, original: bool) -> bool:
    """Whether bins and time are put in order before resizing; the original forgot it in two."""
    return not (original and name in ("dense", "conv"))


def to_image(x: Tensor, image: tuple[int, int], *, average: bool, permuted: bool) -> Tensor:
    """Resize frames to the fixed image; an image comes back as it is.

    Parameters
    ----------
    x : Tensor [shape=(batch, frames, bins)]
    image : (int, int)
        Bins and time frames.
    average : bool
        Average frames first where the image has far fewer: shrinking by interpolation alone, as
        the original does, takes some frames and drops the others.
    permuted : bool
        Whether frames become the image's time, not its rows.

    Returns
    -------
    Tensor [shape=(batch, time, rows)], or [shape=(batch, rows, time)] if not permuted
    """
    pool = int(x.shape[1]) // image[1]
    x = x.unsqueeze(1)
    if pool > 1 and average:
        x = F.avg_pool2d(x, (pool, 1))
    size = image[::-1] if permuted else image
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)[:, 0]


def _correct(net: nn.Module) -> None:
    """Put batch normalisation after every convolution; give attention maps their sigmoids."""
    for name, child in net.named_children():
        if isinstance(child, Attention):
            child.original = False
            continue
        if isinstance(child, nn.Conv2d):
            setattr(net, name, nn.Sequential(child, nn.BatchNorm2d(child.out_channels)))
        else:
            _correct(child)
