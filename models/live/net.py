"""The live model: causal convolutions, running means, statistics and harmony; valence and arousal.

Three branches share the same levelled power: a convolutional one that learns its own features, a
plain one of band statistics, and one of chroma matched with learned keys in all transpositions.
Running means at several time constants are the only memory beyond the convolutions', so nothing
drifts and every influence fades at a known rate.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers import AdaptiveGain, CausalConv2d, RunningMean

__all__ = ["HEADS", "Harmony", "LiveConfig", "LiveNet", "Statistics"]

HEADS = ("valence", "arousal", "ln_sigma_valence", "ln_sigma_arousal", "positive", "energetic")
CHROMA_PER_STEP = 5


@dataclass(frozen=True)
class LiveConfig:
    """Sizes of a `LiveNet`.

    Parameters
    ----------
    bins : int
        Mel bands.
    frames : int
        Mel frames per step.
    channels : four ints
        Of the convolutions.
    embedding : int
        Size of the vector that each step becomes; also of the last hidden layer.
    taus_s : tuple of float     [s]
        Running means of the embedding; the vector of the step itself is always there.
    stat_taus_s : tuple of float     [s]
        Running means of the band statistics; empty for no such branch.
    chroma_taus_s : tuple of float     [s]
        Running means of the chroma; empty for no such branch.
    stat_size : int
        Features that the statistics become.
    keys : int
        Learned templates of pitch classes, each matched in all twelve transpositions.
    dropout, side_dropout : float
        Before the heads; on the statistics and chroma features.
    hidden : int
        Last hidden layer; 0 for heads straight on the branches.
    auxiliary : tuple of int
        Sizes of further heads that exist in training only.
    """

    bins: int = 80
    frames: int = 25
    channels: tuple[int, int, int, int] = (16, 24, 40, 64)
    embedding: int = 128
    taus_s: tuple[float, ...] = (1.0, 4.0)
    stat_taus_s: tuple[float, ...] = (1.0, 6.0)
    chroma_taus_s: tuple[float, ...] = (2.0, 8.0)
    keys: int = 16
    stat_size: int = 48
    dropout: float = 0.3
    side_dropout: float = 0.4
    hidden: int = 0
    gain_tau_s: float = 3.0
    step_s: float = 0.5
    auxiliary: tuple[int, ...] = ()


class Statistics(nn.Module):
    """Level, spread and rise of each band, per step and as running means.

    Notes
    -----
    Shape: ``[b, frames, bins] -> [b, steps, features]``; states: the last frame, the means.
    """

    def __init__(
        self, bins: int, frames: int, taus: tuple[float, ...], size: int, dropout: float
    ) -> None:
        super().__init__()
        self.bins, self.frames = bins // 2, frames
        self.means = RunningMean(taus)
        wide = (len(taus) + 1) * 3 * self.bins + len(taus) * self.bins
        self.norm = nn.BatchNorm1d(wide)
        self.mix = nn.Sequential(nn.Dropout(dropout), nn.Linear(wide, size), nn.ReLU())

    def zero_state(self, batch: int) -> tuple[Tensor, Tensor]:
        """Return the states before any input."""
        return torch.zeros(batch, 1, self.bins), self.means.zero_state(batch, 4 * self.bins)

    def raw(self, x: Tensor, last: Tensor, sums: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the plain statistics of each step and the states to remember."""
        # Sizes are given but for the batch, so that a traced graph leaves that one open.
        frames = int(x.shape[1])
        steps = frames // self.frames
        x = x.reshape(-1, frames, self.bins, 2).mean(3)
        rise = (x - torch.cat((last, x[:, :-1]), 1)).relu()
        rise = rise.reshape(-1, steps, self.frames, self.bins)
        per = x.reshape(-1, steps, self.frames, self.bins)
        level = per.mean(2)
        spread = ((per - level[:, :, None]) ** 2).mean(2).add(1e-4).sqrt()
        step = torch.cat((level, spread, rise.mean(2) * 4), 2)
        means, sums = self.means(torch.cat((step, level * level), 2), sums)
        m = means[..., : 3 * self.bins]
        sd = (means[..., 3 * self.bins :] - m[..., : self.bins] ** 2).clamp(min=1e-4).sqrt()
        return torch.cat((step, m.flatten(2), sd.flatten(2)), 2), x[:, -1:], sums

    def forward(self, x: Tensor, last: Tensor, sums: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the features of each step and the states to remember."""
        wide, last, sums = self.raw(x, last, sums)
        wide = self.norm(wide.transpose(1, 2)).transpose(1, 2)
        return self.mix(wide), last, sums


class Harmony(nn.Module):
    """Chroma over several spans, matched with learned keys in all transpositions.

    Circular correlation with a template in all twelve positions, then maximum and mean over
    them: what is left knows the mode and the spread of the pitch classes, not the key.

    Notes
    -----
    Shape: ``[b, 5 x steps, 12] -> [b, steps, features]``; state: the running sums.
    """

    def __init__(self, taus: tuple[float, ...], keys: int, size: int, dropout: float) -> None:
        super().__init__()
        self.means = RunningMean(taus)
        self.n = len(taus) + 1
        self.keys = nn.Conv1d(self.n, keys, 12, bias=False)
        self.norm = nn.BatchNorm1d(2 * keys + 2 * self.n)
        wide = 2 * keys + 2 * self.n
        self.mix = nn.Sequential(nn.Dropout(dropout), nn.Linear(wide, size), nn.ReLU())

    def zero_state(self, batch: int) -> Tensor:
        """Return the state before any input."""
        return self.means.zero_state(batch, 12)

    def spans(self, chroma: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pitch classes of each step over its spans and the state to remember."""
        c = chroma.clamp(min=0).sqrt()
        c = c / (c.sum(2, keepdim=True) + 1e-5)
        c = c.reshape(-1, int(c.shape[1]) // CHROMA_PER_STEP, CHROMA_PER_STEP, 12).mean(2)
        means, sums = self.means(c, sums)
        return torch.cat((c[:, :, None], means), 2), sums

    def match(self, c: Tensor, keys: Tensor, members: int = 1) -> Tensor:
        """Match ``[m, spans, 12]`` with each member's keys; ``[m, members, features]``."""
        p = c * 12
        entropy = -(c * (c + 1e-5).log()).sum(2)
        peak = p.amax(2)
        p = p - p.mean(2, keepdim=True)
        scores = torch.relu(functional.conv1d(torch.cat((p, p[:, :, :11]), 2), keys))
        keys_each = int(keys.shape[0]) // members
        best = scores.amax(2).reshape(-1, members, keys_each)
        mean = scores.mean(2).reshape(-1, members, keys_each)
        plain = torch.cat((entropy, peak), 1)[:, None].expand(-1, members, -1)
        return torch.cat((best, mean, plain), 2)

    def forward(self, chroma: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of each step and the state to remember."""
        c, sums = self.spans(chroma, sums)
        wide = self.norm(self.match(c.flatten(0, 1), self.keys.weight)[:, 0])
        return self.mix(wide).unflatten(0, c.shape[:2]), sums


class LiveNet(nn.Module):
    """Mel power and chroma in, mood out, one estimate per step.

    Notes
    -----
    ``forward(mel [b, frames, bins], chroma [b, 5 x steps, 12], *state)`` returns raw heads
    ``[b, steps, len(HEADS) + auxiliary]`` and the next states, for any whole number of steps.
    """

    def __init__(self, config: LiveConfig) -> None:
        super().__init__()
        self.config = c = config
        a, b, d, e = c.channels
        self.gain = AdaptiveGain(c.gain_tau_s / c.step_s * c.frames)
        self.convs = nn.ModuleList(
            [
                CausalConv2d(1, a, (10, 5), (5, 2)),
                CausalConv2d(a, b, (3, 3), (1, 2)),
                CausalConv2d(b, d, (3, 3), (1, 2)),
                CausalConv2d(d, e, (c.frames // 5, 3), (c.frames // 5, 2)),
            ]
        )
        bins = [c.bins]
        for _ in self.convs:
            bins.append((bins[-1] + 1) // 2)
        self.conv_bins = tuple(bins[:-1])
        self.embed = nn.Sequential(nn.Linear(e * bins[-1], c.embedding), nn.ReLU())
        self.memory = RunningMean(tuple(t / c.step_s for t in c.taus_s))
        wide = c.embedding * (1 + len(c.taus_s))
        if c.stat_taus_s:
            taus = tuple(t / c.step_s for t in c.stat_taus_s)
            self.statistics = Statistics(c.bins, c.frames, taus, c.stat_size, c.side_dropout)
            wide += c.stat_size
        if c.chroma_taus_s:
            taus = tuple(t / c.step_s for t in c.chroma_taus_s)
            self.harmony = Harmony(taus, c.keys, 32, c.side_dropout)
            wide += 32
        self.drop = nn.Dropout(c.dropout)
        self.hidden: nn.Module = nn.Identity()
        if c.hidden:
            self.hidden = nn.Sequential(nn.Linear(wide, c.hidden), nn.ReLU(), nn.Dropout(c.dropout))
            wide = c.hidden
        self.heads = nn.Linear(wide, len(HEADS) + sum(c.auxiliary))
        with torch.no_grad():
            self.heads.weight[2:4] = 0
            self.heads.bias[2:4] = -1.6

    def zero_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Return all states before any input."""
        c = self.config
        states: list[Tensor] = [self.gain.zero_state(batch)]
        for conv, bins in zip(self.convs, self.conv_bins, strict=True):
            if conv.memory:
                states.append(conv.zero_state(batch, bins))
        states.append(self.memory.zero_state(batch, c.embedding))
        if c.stat_taus_s:
            states.extend(self.statistics.zero_state(batch))
        if c.chroma_taus_s:
            states.append(self.harmony.zero_state(batch))
        return tuple(states)

    def forward(self, mel: Tensor, chroma: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return raw heads of each step and the next states."""
        old = list(state)
        new: list[Tensor] = []
        x, after = self.gain(mel, old.pop(0))
        new.append(after)
        h = x[:, None]
        for conv in self.convs:
            h, after = conv(h, old.pop(0) if conv.memory else h[:, :, :0])
            if conv.memory:
                new.append(after)
        h = self.embed(h.transpose(1, 2).flatten(2)).float()
        means, after = self.memory(h, old.pop(0))
        new.append(after)
        parts = [h, means.flatten(2)]
        if self.config.stat_taus_s:
            y, last, sums = self.statistics(x, old.pop(0), old.pop(0))
            parts.append(y)
            new += [last, sums]
        if self.config.chroma_taus_s:
            y, sums = self.harmony(chroma, old.pop(0))
            parts.append(y)
            new.append(sums)
        return self.heads(self.hidden(self.drop(torch.cat(parts, 2)))), *new
