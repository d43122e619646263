"""Causal layers whose memory is an argument: the whole sequence and step by step are one path.

Every layer is ``(input, state) -> (output, state)``. The states are tensors that start at zero
("no input yet"), so that a stream is reset by zeroing its slot and two streams can share one
set of weights.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["AdaptiveGain", "CausalConv2d", "RunningMean", "TrailingWindows"]


class CausalConv2d(nn.Module):
    """Convolution over (time, bins) that looks back in time only.

    Parameters
    ----------
    c_in, c_out : int
    kernel : (int, int)
        Frames and bins; frames may not be fewer than the stride.
    stride : (int, int)
        The number of frames pushed must be a multiple of the first.

    Notes
    -----
    Shape: ``[b, c_in, frames, bins] -> [b, c_out, frames / stride, ceil(bins / stride)]``; state
    ``[b, c_in, kernel - stride, bins]``, the last frames of the input.
    """

    def __init__(
        self, c_in: int, c_out: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__()
        if kernel[0] < stride[0]:
            raise ValueError(f"kernel has {kernel[0]} frames, expected at least {stride[0]}")
        self.memory = kernel[0] - stride[0]
        pad = (0, kernel[1] // 2)
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, pad, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def zero_state(self, batch: int, bins: int) -> Tensor:
        """Return the state before any input."""
        return self.conv.weight.new_zeros(batch, self.conv.in_channels, self.memory, bins)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Convolve, normalise, rectify; return the output and the frames to remember."""
        x = torch.cat((state.to(x.dtype), x), 2)
        after = x[:, :, x.shape[2] - self.memory :]
        return torch.relu(self.norm(self.conv(x))), after


class RunningMean(nn.Module):
    """Exponential means since the start, free of bias: the first value is its own mean.

    Parameters
    ----------
    taus : sequence of float     [in steps of the input]
        Time constants; infinity for the plain mean of all input.

    Notes
    -----
    m_t = s_t / w_t with s_t = a s_(t-1) + x_t, w_t = a w_(t-1) + 1, a = exp(-1 / tau).
    With s, w carried over a block of n inputs this is s_t = a^(t+1) s + sum_j a^(t-j) x_j, one
    small matrix product per time constant and no loop over time.

    Shape: ``[b, n, c] -> [b, n, len(taus), c]``; state ``[b, len(taus), c + 1]``, s and w.
    """

    def __init__(self, taus: tuple[float, ...]) -> None:
        super().__init__()
        self.decays = tuple(float(np.exp(-1.0 / tau)) for tau in taus)

    def zero_state(self, batch: int, channels: int) -> Tensor:
        """Return the state before any input."""
        return torch.zeros(batch, len(self.decays), channels + 1)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the means after each input and the sums to remember."""
        kernel, carry = _weights(self.decays, int(x.shape[1]))
        kernel, carry = torch.from_numpy(kernel).to(x), torch.from_numpy(carry).to(x)
        x = functional.pad(x, (0, 1), value=1.0)
        if int(x.shape[1]) == 1:  # one input: the product is by 1, and calling it costs a step time
            sums = x[:, :, None] + carry[:, :, None] * state[:, None]
        else:
            sums = torch.matmul(kernel, x[:, None]).transpose(1, 2)
            sums = sums + carry[:, :, None] * state[:, None]
        return sums[..., :-1] / sums[..., -1:], sums[:, -1]


@lru_cache(maxsize=64)
def _weights(decays: tuple[float, ...], n: int) -> tuple[np.ndarray, np.ndarray]:
    """a^(t - j) below the diagonal [shape=(taus, n, n)] and a^(t + 1) [shape=(n, taus)]."""
    t = np.arange(n)
    lag = t[:, None] - t[None, :]
    a = np.array(decays)
    kernel = np.where(lag >= 0, a[:, None, None] ** np.maximum(lag, 0), 0.0)
    return kernel.astype(np.float32), (a[None] ** (t[:, None] + 1)).astype(np.float32)


class AdaptiveGain(nn.Module):
    """Log power relative to the running mean level: gain of the whole signal cancels.

    ``y = (ln(P / (L + 1e-7) + 1e-5) + 4) / 3`` with L the bias-free running mean over `tau`
    frames of the mean bin power.

    Notes
    -----
    Shape: ``[b, frames, bins] -> [b, frames, bins]``; state ``[b, 1, 2]``.
    """

    def __init__(self, tau_frames: float) -> None:
        super().__init__()
        self.level = RunningMean((tau_frames,))

    def zero_state(self, batch: int) -> Tensor:
        """Return the state before any input."""
        return self.level.zero_state(batch, 1)

    def forward(self, power: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the levelled log power and the level to remember."""
        level, state = self.level(power.mean(2, keepdim=True), state)
        return ((power / (level[:, :, 0] + 1e-7) + 1e-5).log() + 4) / 3, state


class TrailingWindows(nn.Module):
    """Mean and maximum over the last few inputs, of those that there were.

    Parameters
    ----------
    windows : tuple of int     [in steps of the input]

    Notes
    -----
    Inputs are at least 0, as after a rectifier: an input that there was not yet is kept as 0 and
    can be no maximum; a one beside every input tells how many a mean is of.

    Shape: ``[b, n, c] -> [b, n, 2 c len(windows)]``; state ``[b, max(windows) - 1, c + 1]``.
    """

    def __init__(self, windows: tuple[int, ...]) -> None:
        super().__init__()
        self.windows, self.kept = windows, max(windows) - 1

    def zero_state(self, batch: int, channels: int) -> Tensor:
        """Return the state before any input."""
        return torch.zeros(batch, self.kept, channels + 1)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and maxima up to each input, and the inputs to remember."""
        x = functional.pad(x, (0, 1), value=1.0)
        past = torch.cat((state, x), 1)
        n = int(past.shape[1])
        turned = past.transpose(1, 2)
        parts = []
        for size in self.windows:
            last = turned[:, :, self.kept + 1 - size :]
            mean = functional.avg_pool1d(last, size, 1)
            parts += [mean[:, :-1] / mean[:, -1:], functional.max_pool1d(last[:, :-1], size, 1)]
        return torch.cat(parts, 1).transpose(1, 2), past[:, n - self.kept : n]
