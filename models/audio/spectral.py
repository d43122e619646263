"""Networks on a fixed image of the magnitude spectrum: dense, conv and the CRNN family.

After the repository rxng8/Music-Emotion-Recognition-Algorithm. Its nets hear two channels; ours
hear one, repeated inside the graph. Where the original has a fault (ReLU at the output, no
logarithm, exchanged axes in `dense` and `conv`), `faithful` keeps it and `mended` does not.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.audio.initial import as_keras

__all__ = ["IMAGE", "SPECTRAL", "SpectralNet", "is_permuted", "picture", "scaled"]

IMAGE = (129, 1024)
"""Bins and time frames of the image, as published (conv: 129 x 512)."""


def scaled(n: int, width: float) -> int:
    """Channels after the width factor, at least 8 and even."""
    return max(8, 2 * round(n * width / 2)) if width != 1 else n


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
    faithful : bool
        Keep the original's faults: magnitudes without logarithm, ReLU outputs, and for dense and
        conv the exchanged axes.

    Notes
    -----
    Input [shape=(batch, frames, bins)], any number of frames, or what `picture` made of them;
    output [shape=(batch, 2)]. Mended images are ln(|X| + 1e-5), standardised per row with `mean`
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
        faithful: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.name, self.faithful = name, faithful
        self.image = (int(image[0]), int(image[1]))
        self.n_bins = n_bins
        self.permuted = is_permuted(name, faithful=faithful)
        self.register_buffer("mean", torch.zeros(self.image[0]))
        self.register_buffer("std", torch.ones(self.image[0]))
        self.body = SPECTRAL[name](self.image, width, dropout)
        if faithful:
            as_keras(self.body)
        else:
            _mend(self.body)
        self.linear_head = name == "crnn-res"

    def picture(self, x: Tensor) -> Tensor:
        """Frames [batch, frames, bins] -> the image's magnitudes [batch, time, rows]."""
        return picture(x, self.image, average=not self.faithful, permuted=self.permuted)

    def compress(self, x: Tensor) -> Tensor:
        """Image as the body hears it [shape=(batch, time, rows)]."""
        if self.faithful:
            return x
        return ((torch.log(x + 1e-5) - self.mean) / self.std).clamp(-6, 6)

    def forward(self, x: Tensor) -> Tensor:
        """Map frames [batch, frames, bins] to valence and arousal [batch, 2]."""
        x = self.compress(self.picture(x))
        if self.permuted:
            x = x.transpose(1, 2)
        y = self.body(x.unsqueeze(1).expand(-1, 2, -1, -1))
        return F.relu(y) if self.faithful and not self.linear_head else y


def is_permuted(name: str, *, faithful: bool) -> bool:
    """Whether bins and time are put in order before resizing; the original forgot it in two."""
    return not (faithful and name in ("dense", "conv"))


def picture(x: Tensor, image: tuple[int, int], *, average: bool, permuted: bool) -> Tensor:
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


def _mend(net: nn.Module) -> None:
    """Put batch normalisation after every convolution; give attention maps their sigmoids."""
    for name, child in net.named_children():
        if isinstance(child, Attention):
            child.faithful = False
            continue
        if isinstance(child, nn.Conv2d):
            setattr(net, name, nn.Sequential(child, nn.BatchNorm2d(child.out_channels)))
        else:
            _mend(child)


def _head(n_in: int, units: Sequence[int], width: float, *, linear: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n in units:
        layers.append(nn.Linear(n_in, scaled(n, width)))
        if not linear:
            layers.append(nn.ReLU())
        n_in = scaled(n, width)
    return nn.Sequential(*layers, nn.Linear(n_in, 2))


def _shape(net: nn.Module, image: tuple[int, int], channels: int = 2) -> torch.Size:
    was = net.training
    with torch.no_grad():
        shape = net.eval()(torch.zeros(1, channels, *image)).shape
    net.train(was)
    return shape


class Dense(nn.Module):
    """Flatten -> FC 512, 256, 128, 64 -> 2."""

    def __init__(self, image: tuple[int, int], width: float, dropout: float) -> None:
        super().__init__()
        self.head = _head(2 * image[0] * image[1], (512, 256, 128, 64), width)

    def forward(self, x: Tensor) -> Tensor:
        """Image [batch, 2, bins, time] -> [batch, 2]."""
        return self.head(x.flatten(1))


def _block(n_in: int, n: int, width: float, dropout: float, *, kernel: int, same: bool,
           leaky: bool, depthwise: bool = False) -> tuple[nn.Sequential, int]:  # fmt: skip
    def act() -> nn.Module:
        return nn.LeakyReLU(0.1) if leaky else nn.ReLU()

    full, half = scaled(n, width), scaled(n // 2, width)
    pad = kernel // 2 if same else 0
    if depthwise:
        first: list[nn.Module] = [
            nn.Conv2d(n_in, n_in, kernel, padding=pad, groups=n_in),
            nn.Conv2d(n_in, full, 1),
        ]
    else:
        first = [nn.Conv2d(n_in, full, kernel, padding=pad)]
    layers = [*first, act(), nn.Conv2d(full, half, 1), act(), nn.MaxPool2d(2), nn.Dropout(dropout)]
    return nn.Sequential(*layers), half


def _stack(
    units: Sequence[int], width: float, dropout: float, **how: bool | int
) -> tuple[nn.Sequential, int]:
    n_in, blocks = 2, []
    for n in units:
        block, n_in = _block(n_in, n, width, dropout, **how)  # type: ignore[arg-type]
        blocks.append(block)
    return nn.Sequential(*blocks), n_in


class Conv(nn.Module):
    """Five blocks of 3x3 'same' and 1x1 convolutions -> FC 128 -> 2."""

    def __init__(self, image: tuple[int, int], width: float, dropout: float) -> None:
        super().__init__()
        units = (64, 128, 256, 512, 1024)
        self.blocks, _ = _stack(units, width, dropout, kernel=3, same=True, leaky=True)
        self.head = _head(_shape(self.blocks, image).numel(), (128,), width)

    def forward(self, x: Tensor) -> Tensor:
        """Image [batch, 2, bins, time] -> [batch, 2]."""
        return self.head(self.blocks(x).flatten(1))


class Crnn(nn.Module):
    """Four 5x5 'valid' blocks, optional extra convolution, recurrent layers, dense head.

    Parameters
    ----------
    recurrent : {'bilstm3', 'bilstm', 'gru3'}
    """

    def __init__(
        self,
        image: tuple[int, int],
        width: float,
        dropout: float,
        *,
        recurrent: str,
        depthwise: bool = False,
    ) -> None:
        super().__init__()
        plain = recurrent == "bilstm3"
        self.blocks, n = _stack(
            (64, 128, 256, 512), width, dropout, kernel=5, same=False, leaky=plain,
            depthwise=depthwise,
        )  # fmt: skip
        self.extra = (
            nn.Sequential(
                nn.MaxPool2d((2, 1)),
                nn.Conv2d(n, scaled(512, width), 2),
                nn.LeakyReLU(0.1),
                nn.Dropout(dropout),
            )
            if plain
            else nn.Identity()
        )
        shape = _shape(nn.Sequential(self.blocks, self.extra), image)
        units = {"bilstm3": (128, 64, 32), "bilstm": (128,), "gru3": (256, 128, 64)}[recurrent]
        self.recurrent = Recurrent(
            shape[1] * shape[2], units, width, kind="gru" if recurrent == "gru3" else "bilstm"
        )
        self.head = _head(self.recurrent.n_out, (128,) if plain else (512, 256, 64), width)

    def forward(self, x: Tensor) -> Tensor:
        """Image [batch, 2, bins, time] -> [batch, 2]."""
        return self.head(self.recurrent(_time_first(self.extra(self.blocks(x)))))


def _time_first(x: Tensor) -> Tensor:
    """[batch, channels, bins, time] -> [batch, time, bins * channels]."""
    return x.permute(0, 3, 2, 1).flatten(2)


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
    can die; `faithful` keeps that, the mended form is that of the CBAM paper.
    """

    faithful = True

    def __init__(self, n: int, kernel: int, *, max_only: bool) -> None:
        super().__init__()
        self.max_only = max_only
        self.reduce = nn.Linear(n, max(1, n // 2))
        self.expand = nn.Linear(max(1, n // 2), n)
        self.spatial = nn.Conv2d(1 if max_only else 2, 1, kernel, padding=kernel // 2)

    def shared(self, x: Tensor) -> Tensor:
        """[batch, channels] -> the channels' weights before the sigmoid."""
        x = self.expand(F.relu(self.reduce(x)))
        return F.relu(x) if self.faithful else x

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
        return x * (F.relu(where) if self.faithful else torch.sigmoid(where))


class Cbam(nn.Module):
    """Five stages with attention added to the convolution's output -> GRU 64 or LSTM 256."""

    def __init__(
        self, image: tuple[int, int], width: float, dropout: float, *, max_only: bool
    ) -> None:
        super().__init__()
        n_in, stages, attention = 2, [], []
        for n, kernel in zip((64, 128, 256, 512, 512), (5, 7, 7, 5, 3), strict=True):
            full, half = scaled(n, width), scaled(n // 2, width)
            stages.append(
                nn.Sequential(
                    nn.Conv2d(n_in, full, 5, padding=2),
                    nn.ReLU(),
                    nn.Conv2d(full, half, 1),
                    nn.ReLU(),
                )
            )
            attention.append(Attention(half, kernel, max_only=max_only))
            n_in = half
        self.stages, self.attention = nn.ModuleList(stages), nn.ModuleList(attention)
        bins = image[0] // 2 ** len(stages)
        self.recurrent = Recurrent(
            n_in * bins, (256,) if max_only else (64,), width, kind="lstm" if max_only else "gru"
        )
        self.head = _head(self.recurrent.n_out, (512, 256, 64), width)

    def forward(self, x: Tensor) -> Tensor:
        """Image [batch, 2, bins, time] -> [batch, 2]."""
        for stage, attention in zip(self.stages, self.attention, strict=True):
            x = stage(x)
            x = F.max_pool2d(x + attention(x), 2)
        return self.head(self.recurrent(_time_first(x)))


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


class Res(nn.Module):
    """Three residual blocks, 1x1 convolutions, LSTM 256, a head without any activation."""

    def __init__(self, image: tuple[int, int], width: float, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_in = 2
        for n in (64, 128, 256):
            layers.append(ResBlock(n_in, scaled(n, width)))
            n_in = scaled(n, width)
        for n in (128, 64, 32):
            layers += [nn.Conv2d(n_in, scaled(n, width), 1), nn.ReLU()]
            n_in = scaled(n, width)
        self.body = nn.Sequential(*layers)
        self.recurrent = Recurrent(n_in * (image[0] // 8), (256,), width, kind="lstm")
        self.head = _head(self.recurrent.n_out, (256, 64), width, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        """Image [batch, 2, bins, time] -> [batch, 2]."""
        return self.head(self.recurrent(_time_first(self.body(x))))


Body = Callable[[tuple[int, int], float, float], nn.Module]
SPECTRAL: dict[str, Body] = {
    "dense": Dense,
    "conv": Conv,
    "crnn": lambda i, w, d: Crnn(i, w, d, recurrent="bilstm3"),
    "crnn-bilstm": lambda i, w, d: Crnn(i, w, d, recurrent="bilstm"),
    "crnn-gru3": lambda i, w, d: Crnn(i, w, d, recurrent="gru3"),
    "crnn-cbam": lambda i, w, d: Cbam(i, w, d, max_only=False),
    "crnn-cbam-max": lambda i, w, d: Cbam(i, w, d, max_only=True),
    "crnn-res": Res,
    # Only named in the original's README: defined by us as crnn-gru3 with each 5x5 convolution
    # replaced by a depthwise 5x5 and a pointwise 1x1.
    "crnn-mobile": lambda i, w, d: Crnn(i, w, d, recurrent="gru3", depthwise=True),
}
"""Names of the bodies."""
