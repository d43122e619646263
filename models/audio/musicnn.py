"""musicnn (Pons and Serra 2019): a tagger of music, here as a teacher of the live network.

The layers are those of the published network, built from its weights: every size is read from an
array's shape. Two forms give the same numbers: window by window, as published, and over a whole
clip at once, where windows share what they have in common.

References
----------
J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio
tagging", ISMIR late-breaking demo, 2019.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["WINDOW", "Musicnn", "Tagging"]

WINDOW = 187
"""Frames of a window: 3 s at 62.5 frames a second, rounded down."""
EPSILON = 1e-3
"""Of the published batch normalisation."""
_TIMBRAL, _TEMPORAL = (0, 1), (2, 3, 4)
_ACROSS = 7
"""Frames that a timbral filter spans; the front end is padded by half of it."""


class Tagging(NamedTuple):
    """What the tagger gives for windows.

    Attributes
    ----------
    pooled : Tensor [shape=(windows, 2 x channels)]
        Maximum and mean over time of every channel, in turn.
    logits : Tensor [shape=(windows, tags)]
    """

    pooled: Tensor
    logits: Tensor


class Musicnn(nn.Module):
    """The tagger, from its published weights.

    Parameters
    ----------
    weights : mapping of str to np.ndarray
        ``layer/parameter`` -> array, by the names of the published Keras model.

    Raises
    ------
    KeyError
        A layer or parameter is missing.
    """

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.norm = _norm(weights, "batch_normalization", nn.BatchNorm2d)
        self.front = nn.ModuleList(
            _conv2d(weights, f"conv2d_{i}" if i else "conv2d") for i in range(5)
        )
        self.front_norms = nn.ModuleList(
            _norm(weights, f"batch_normalization_{i + 1}", nn.BatchNorm1d) for i in range(5)
        )
        self.middle = nn.ModuleList(_conv1d(weights, f"midend_conv{i}") for i in (1, 2, 3))
        self.middle_norms = nn.ModuleList(
            _norm(weights, f"bn_midend_conv{i}", nn.BatchNorm1d) for i in (1, 2, 3)
        )
        self.pool_norm = _norm(weights, "bn_flatpool", nn.BatchNorm1d)
        self.dense = _linear(weights, "dense")
        self.dense_norm = _norm(weights, "bn_dense", nn.BatchNorm1d)
        self.tags = _linear(weights, "dense_1")
        self.eval()

    @torch.no_grad()
    def forward(self, windows: Tensor) -> Tagging:
        """Tag windows one by one, as published.

        Parameters
        ----------
        windows : Tensor [shape=(windows, WINDOW, bins)]
            log10(1 + 10000 x) of mel power x.
        """
        x = self.norm(windows[:, None])
        half = _ACROSS // 2
        timbral = self._timbral(functional.pad(x, (0, 0, half, half)))
        return self._rest(torch.cat((timbral, self._temporal(x)), 1))

    @torch.no_grad()
    def sliding(self, frames: Tensor, ends: Sequence[int], *, at_once: int = 8) -> Tagging:
        """Tag the windows of a clip that end after given numbers of frames.

        The timbral filters, most of the cost, run over the clip once; only the three frames at
        each edge of a window, where a window by itself is padded, are computed for it alone. The
        temporal filters span up to 128 frames of the 187, which leaves little to share.

        Parameters
        ----------
        frames : Tensor [shape=(n, bins)]
        ends : sequence of int
            ``WINDOW <= end <= n``.
        at_once : int
            Windows of one pass.
        """
        x = self.norm(frames[None, None])
        half = _ACROSS // 2
        inside = self._timbral(x)  # frame i of it is centred on frame i + half of the clip
        found = []
        for k in range(0, len(ends), at_once):
            begins = [end - WINDOW for end in ends[k : k + at_once]]
            windows = torch.cat([x[:, :, b : b + WINDOW] for b in begins])
            first = functional.pad(windows[:, :, : 2 * half], (0, 0, half, 0))
            last = functional.pad(windows[:, :, WINDOW - 2 * half :], (0, 0, 0, half))
            middle = torch.cat([inside[:, :, b : b + WINDOW - 2 * half] for b in begins])
            timbral = torch.cat((self._timbral(first), middle, self._timbral(last)), 2)
            found.append(self._rest(torch.cat((timbral, self._temporal(windows)), 1)))
        return Tagging(*(torch.cat(parts) for parts in zip(*found, strict=True)))

    def _timbral(self, x: Tensor) -> Tensor:
        """Filter across bins ``[b, 1, t, bins] -> [b, channels, t - 6]``, the best bin of each."""
        return torch.cat([self._best(i, torch.relu(self.front[i](x))) for i in _TIMBRAL], 1)

    def _temporal(self, x: Tensor) -> Tensor:
        """Filter along time ``[b, 1, t, bins] -> [b, channels, t]``, the best bin of each."""
        parts = []
        for i in _TEMPORAL:
            span = int(self.front[i].kernel_size[0])
            before = (span - 1) // 2  # as TensorFlow pads even kernels
            padded = functional.pad(x, (0, 0, before, span - 1 - before))
            parts.append(self._best(i, torch.relu(self.front[i](padded))))
        return torch.cat(parts, 1)

    def _best(self, i: int, y: Tensor) -> Tensor:
        """Normalise, then take the maximum over bins: in the other order, which is cheaper.

        A negative factor of the normalisation makes the smallest the largest.
        """
        norm = self.front_norms[i]
        rising = (norm.weight >= 0)[None, :, None]
        best: Tensor = norm(torch.where(rising, y.amax(3), y.amin(3)))
        return best

    def _rest(self, front: Tensor) -> Tagging:
        """Middle layers, pooling over time and tags of ``[b, channels, t]``."""
        half = _ACROSS // 2
        parts, h = [front], front
        for k, (conv, norm) in enumerate(zip(self.middle, self.middle_norms, strict=True)):
            y = norm(torch.relu(conv(functional.pad(h, (half, half)))))
            h = y + h if k else y
            parts.append(h)
        every = torch.cat(parts, 1)
        pooled = torch.stack((every.amax(2), every.mean(2)), 2).flatten(1)
        hidden = torch.relu(self.dense(self.pool_norm(pooled)))
        return Tagging(pooled, self.tags(self.dense_norm(hidden)))


def _array(weights: Mapping[str, np.ndarray], layer: str, name: str) -> Tensor:
    return torch.from_numpy(np.array(weights[f"{layer}/{name}"], np.float32))


def _norm(weights: Mapping[str, np.ndarray], layer: str, kind: type) -> nn.Module:
    scale = _array(weights, layer, "gamma")
    norm = kind(len(scale), eps=EPSILON)
    norm.load_state_dict(
        {
            "weight": scale,
            "bias": _array(weights, layer, "beta"),
            "running_mean": _array(weights, layer, "moving_mean"),
            "running_var": _array(weights, layer, "moving_variance"),
            "num_batches_tracked": torch.tensor(0),
        }
    )
    return norm


def _filled(module: nn.Module, weight: Tensor, bias: Tensor) -> nn.Module:
    module.load_state_dict({"weight": weight, "bias": bias})
    return module


def _conv2d(weights: Mapping[str, np.ndarray], layer: str) -> nn.Module:
    weight = _array(weights, layer, "kernel").permute(3, 2, 0, 1)
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], (weight.shape[2], weight.shape[3]))
    return _filled(conv, weight, _array(weights, layer, "bias"))


def _conv1d(weights: Mapping[str, np.ndarray], layer: str) -> nn.Module:
    weight = _array(weights, layer, "kernel")[:, :, 0].permute(2, 1, 0)  # over all channels below
    conv = nn.Conv1d(weight.shape[1], weight.shape[0], weight.shape[2])
    return _filled(conv, weight, _array(weights, layer, "bias"))


def _linear(weights: Mapping[str, np.ndarray], layer: str) -> nn.Module:
    weight = _array(weights, layer, "kernel").T
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    return _filled(linear, weight, _array(weights, layer, "bias"))
