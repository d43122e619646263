"""Several live networks as one: shared inputs and memories, weights side by side.

Members of one `LiveConfig` share the same levelled power, the same band statistics and the same
chroma, so these are computed once; their convolutions become one grouped convolution, their
linear layers one batched product. Five members cost little more than one, because a step of a
small network is mostly the price of calling its layers. Batch normalisation is folded in.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers import RunningMean
from models.live.net import LiveNet

__all__ = ["OUTPUTS", "LiveEnsemble"]

OUTPUTS = (
    "valence",
    "arousal",
    "sigma_valence",
    "sigma_arousal",
    "p_positive",
    "p_energetic",
)


class LiveEnsemble(nn.Module):
    """Mean of trained `LiveNet` members, with calibrated spread: the module that is exported.

    Parameters
    ----------
    members : sequence of LiveNet
        Of one configuration (training-only heads aside).
    sigma_scale : (float, float)
        Held-out factors of the valence and arousal sigma.
    logit_scale : (float, float)
        Held-out factors of the positive and energetic logits.
    smoothing_s : float     [s]
        Time constant of the running mean of the outputs; 0 for none.
    sigma_max : (float, float)
        Largest sigma given: the prior's.

    Notes
    -----
    ``forward(mel [b, frames, bins], chroma [b, 5, 12], *state)`` takes whole steps and returns
    ``mood [b, steps, 6]`` in the order of `OUTPUTS` and the next states. The variance given is
    the mean of the members' variances plus the variance of their means.
    """

    def __init__(
        self,
        members: Sequence[LiveNet],
        *,
        sigma_scale: tuple[float, float] = (1.0, 1.0),
        logit_scale: tuple[float, float] = (1.0, 1.0),
        smoothing_s: float = 0.0,
        sigma_max: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        super().__init__()
        first = members[0]
        self.config = c = first.config
        self.n = len(members)
        self.conv_bins = first.conv_bins
        self.gain, self.memory = first.gain, first.memory
        self.kernels = nn.ParameterList()
        self.biases = nn.ParameterList()
        self.strides, self.memories = [], []
        for at, layer in enumerate(first.convs):
            folded = [_fold(m.convs[at].conv.weight, m.convs[at].norm) for m in members]
            self.kernels.append(nn.Parameter(torch.cat([w for w, _ in folded])))
            self.biases.append(nn.Parameter(torch.cat([b for _, b in folded])))
            self.strides.append((layer.conv.stride, layer.conv.padding))
            self.memories.append(layer.memory)
        self.embed_w, self.embed_b = _stack([m.embed[0] for m in members])
        if c.stat_taus_s:
            self.stat = first.statistics
            self.stat_w, self.stat_b = _stack(
                [_after(m.statistics.norm, m.statistics.mix[1]) for m in members]
            )
        if c.chroma_taus_s:
            self.harm = first.harmony
            self.keys = nn.Parameter(torch.cat([m.harmony.keys.weight for m in members]).detach())
            self.harm_w, self.harm_b = _stack(
                [_after(m.harmony.norm, m.harmony.mix[1]) for m in members]
            )
        if c.hidden:
            self.hidden_w, self.hidden_b = _stack([m.hidden[0] for m in members])
        self.head_w, self.head_b = _stack([_first_rows(m.heads, 6) for m in members])
        self.smooth = RunningMean((smoothing_s / c.step_s,)) if smoothing_s > 0 else None
        self.register_buffer("sigma_scale", torch.tensor(sigma_scale))
        self.register_buffer("sigma_max", torch.tensor(sigma_max))
        self.register_buffer("logit_scale", torch.tensor(logit_scale))
        self.eval()

    def zero_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Return all states before any input."""
        c = self.config
        states: list[Tensor] = [self.gain.zero_state(batch)]
        for at, (bins, memory) in enumerate(zip(self.conv_bins, self.memories, strict=True)):
            if memory:
                channels = 1 if at == 0 else self.n * c.channels[at - 1]
                states.append(torch.zeros(batch, channels, memory, bins))
        states.append(self.memory.zero_state(batch, self.n * c.embedding))
        if c.stat_taus_s:
            states.extend(self.stat.zero_state(batch))
        if c.chroma_taus_s:
            states.append(self.harm.zero_state(batch))
        if self.smooth is not None:
            states.append(self.smooth.zero_state(batch, 4))
        return tuple(states)

    def members_raw(self, mel: Tensor, chroma: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return every member's raw heads ``[b, steps, members, 6]`` and the next states."""
        old, new = list(state), []
        x, after = self.gain(mel, old.pop(0))
        new.append(after)
        h = x[:, None]
        for at, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            if self.memories[at]:
                h = torch.cat((old.pop(0), h), 2)
                frames = int(h.shape[2])
                new.append(h[:, :, frames - self.memories[at] : frames])
            stride, padding = self.strides[at]
            groups = 1 if at == 0 else self.n
            h = torch.relu(functional.conv2d(h, kernel, bias, stride, padding, groups=groups))
        # Whole numbers, so that a traced graph keeps the batch open and nothing else.
        steps, bins, size = int(h.shape[2]), int(h.shape[3]), self.config.channels[-1]
        h = h.reshape(-1, self.n, size, steps, bins).permute(0, 3, 1, 2, 4)
        h = h.reshape(-1, steps, self.n, size * bins)
        h = torch.relu(_each(h, self.embed_w, self.embed_b))
        means, after = self.memory(h.flatten(2), old.pop(0))
        new.append(after)
        taus, size = len(self.config.taus_s), self.config.embedding
        means = means.reshape(-1, steps, taus, self.n, size).transpose(2, 3)
        means = means.reshape(-1, steps, self.n, taus * size)
        parts = [h, means]
        if self.config.stat_taus_s:
            wide, last, sums = self.stat.raw(x, old.pop(0), old.pop(0))
            new += [last, sums]
            parts.append(torch.relu(_each(wide[:, :, None], self.stat_w, self.stat_b)))
        if self.config.chroma_taus_s:
            c, sums = self.harm.spans(chroma, old.pop(0))
            new.append(sums)
            wide = self.harm.match(c.flatten(0, 1), self.keys, self.n)
            wide = wide.reshape(-1, steps, self.n, int(wide.shape[2]))
            parts.append(torch.relu(_each(wide, self.harm_w, self.harm_b)))
        h = torch.cat(parts, 3)
        if self.config.hidden:
            h = torch.relu(_each(h, self.hidden_w, self.hidden_b))
        return _each(h, self.head_w, self.head_b), *new, *old

    def forward(self, mel: Tensor, chroma: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return the mood of each step and the next states."""
        raw, *new = self.members_raw(mel, chroma, *state)
        centre = raw.mean(2)
        spread = ((raw[..., :2] - centre[..., None, :2]) ** 2).mean(2)
        variance = torch.exp(2 * raw[..., 2:4].clamp(-4.0, 1.0)).mean(2) + spread
        point = torch.cat((centre[..., :2], centre[..., 4:6] * self.logit_scale), 2)
        if self.smooth is not None:
            means, new[-1] = self.smooth(point, new[-1])
            point = means[:, :, 0]
        sigma = torch.minimum(variance.sqrt() * self.sigma_scale, self.sigma_max)
        p = torch.sigmoid(point[..., 2:])
        return torch.cat((point[..., :2].clamp(-1.0, 1.0), sigma, p), 2), *new


def _fold(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    factor = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    return weight.detach() * factor.view(-1, *[1] * (weight.ndim - 1)), (
        norm.bias - norm.running_mean * factor
    ).detach()


def _after(norm: nn.BatchNorm1d, linear: nn.Linear) -> nn.Linear:
    factor = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    offset = (norm.bias - norm.running_mean * factor).detach()
    out = nn.Linear(linear.in_features, linear.out_features)
    with torch.no_grad():
        out.weight.copy_(linear.weight * factor)
        out.bias.copy_(linear.bias + linear.weight @ offset)
    return out


def _first_rows(linear: nn.Linear, rows: int) -> nn.Linear:
    out = nn.Linear(linear.in_features, rows)
    with torch.no_grad():
        out.weight.copy_(linear.weight[:rows])
        out.bias.copy_(linear.bias[:rows])
    return out


def _stack(layers: Sequence[nn.Linear]) -> tuple[nn.Parameter, nn.Parameter]:
    """Weights ``[members, in, out]`` and biases ``[members, out]``."""
    w = torch.stack([layer.weight.detach().T for layer in layers])
    return nn.Parameter(w.contiguous()), nn.Parameter(
        torch.stack([layer.bias.detach() for layer in layers])
    )


def _each(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``[b, steps, members or 1, in]`` through every member's own layer."""
    return torch.matmul(x[..., None, :], weight)[..., 0, :] + bias
