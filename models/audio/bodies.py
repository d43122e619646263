"""Bodies of the spectral networks: an image of two channels -> valence and arousal."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.audio.blocks import Attention, Recurrent, ResBlock, scaled

__all__ = ["SPECTRAL", "Cbam", "Conv", "Crnn", "Dense", "Res"]


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
