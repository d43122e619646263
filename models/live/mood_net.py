"""The live network: running statistics and causal convolutions in, one mood out, step by step.

The statistics (`models.live.texture`) know harmony, rhythm and what has sounded since the last
change; the convolutions learn what nobody thought of. Trailing windows of a few seconds are all
that is remembered of the latter, so that nothing drifts and a cut is over when they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.layers import AdaptiveGain, CausalConv2d, TrailingWindows
from models.live.texture import Texture

__all__ = ["HEADS", "MoodNet", "MoodNetConfig"]

HEADS = {"mood": 2, "ln_sigma": 2, "half_planes": 2}
"""Heads that are exported: valence and arousal, ln sigma of both, logits of positive and energetic.
"""
BINS, FRAMES, CHROMA, CHROMA_FRAMES, STEP_S = 80, 25, 12, 5, 0.5
_LIMIT, _SURE = 5.0, 4.0
_PATCH = (5, 4)
"""Frames and bands of a patch."""
_OF_FRAMES = (((10, 5), (5, 2)), ((3, 3), (1, 2)), ((3, 3), (1, 2)), ((5, 3), (5, 2)))
_OF_PATCHES = (((2, 3), (1, 1)), ((3, 3), (1, 2)), ((5, 3), (5, 2)))
"""Kernels and strides, (frames, bands) each; with the patches all frames of a step become one."""


@dataclass(frozen=True)
class MoodNetConfig:
    """Sizes of a `MoodNet`.

    Parameters
    ----------
    channels : three or four ints, or none
        Of the convolutions; none for no convolutions. Four begin at single frames and bands, three
        at patches of 5 frames and 4 bands, which leave wide layers affordable.
    embedding : int
        What the convolutions' features of a step become.
    windows_s : tuple of float     [s]
        Trailing means and maxima of the embedding.
    gain_tau_s : float     [s]
        Of the running level that the convolutions' input is relative to.
    statistics : int
        What the running statistics become.
    memory_s, threshold : float
        Of `models.live.texture.Texture`.
    hidden : int
    dropout, statistics_dropout : float
        Before and after the hidden layer; before and after the statistics' layer, half and whole.
    smoothing_s : float     [s]
        Time constant of the running mean of what is published; 0 for none.
    link : float
        Share of the half-plane logits in valence and arousal to begin with, learned from there:
        what is surely positive is then surely of high valence. 0 for none.
    auxiliary : dict of str to int
        Further heads and their sizes, in training only.
    """

    channels: tuple[int, ...] = (24, 32, 48, 64)
    embedding: int = 192
    windows_s: tuple[float, ...] = (1.0, 3.0)
    gain_tau_s: float = 3.0
    statistics: int = 128
    memory_s: float = 8.0
    threshold: float = 1.35
    hidden: int = 192
    dropout: float = 0.3
    statistics_dropout: float = 0.4
    smoothing_s: float = 0.5
    link: float = 0.0
    auxiliary: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.channels) not in (0, 3, 4):
            raise ValueError(f"channels has {len(self.channels)} entries, expected 3, 4 or none")
        if self.statistics < 1:
            raise ValueError(f"statistics is {self.statistics}, expected at least 1")


class Convolutions(nn.Module):
    """Levelled log power through four causal convolutions, with trailing means and maxima.

    Notes
    -----
    Shape: ``[b, 25 x steps, 80] -> [b, steps, size]``; states: level, the convolutions', windows.
    """

    def __init__(self, c: MoodNetConfig) -> None:
        super().__init__()
        self.gain = AdaptiveGain(c.gain_tau_s / STEP_S * FRAMES)
        self.patches = len(c.channels) == 3
        shapes = _OF_PATCHES if self.patches else _OF_FRAMES
        before, bins = (_PATCH[0] * _PATCH[1], BINS // _PATCH[1]) if self.patches else (1, BINS)
        self.layers, self.bins = nn.ModuleList(), []
        for after, (kernel, stride) in zip(c.channels, shapes, strict=True):
            self.layers.append(CausalConv2d(before, after, kernel, stride))
            self.bins.append(bins)
            before, bins = after, -(-bins // stride[1])
        self.embed = nn.Sequential(nn.Linear(before * bins, c.embedding), nn.ReLU())
        self.trail = TrailingWindows(tuple(round(t / STEP_S) for t in c.windows_s))
        self.embedding, self.size = c.embedding, c.embedding * (1 + 2 * len(c.windows_s))

    def zero_state(self, batch: int) -> tuple[Tensor, ...]:
        """Return the states before any input."""
        convs = (
            layer.zero_state(batch, bins)
            for layer, bins in zip(self.layers, self.bins, strict=True)
            if layer.memory
        )
        return (
            self.gain.zero_state(batch), *convs, self.trail.zero_state(batch, self.embedding),
        )  # fmt: skip

    def forward(self, mel: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return the features of each step and the states to remember."""
        level, *old, past = state
        x, level = self.gain(mel, level)
        h, new = self._patched(x) if self.patches else x[:, None], []
        for layer in self.layers:
            h, after = layer(h, old[len(new)] if layer.memory else h[:, :, :0])
            if layer.memory:
                new.append(after)
        h = self.embed(h.transpose(1, 2).flatten(2)).float()
        windows, past = self.trail(h, past)
        return torch.cat((h, windows), 2), level, *new, past

    def _patched(self, x: Tensor) -> Tensor:
        """Patches as channels: ``[b, frames, bins] -> [b, 20, frames / 5, bins / 4]``."""
        across, up = _PATCH
        n = int(x.shape[1]) // across
        x = x.reshape(-1, n, across, BINS // up, up).permute(0, 2, 4, 1, 3)
        return x.reshape(-1, across * up, n, BINS // up)


class MoodNet(nn.Module):
    """Mel power and chroma in, heads of each step out.

    Notes
    -----
    ``forward(mel [b, 25 x steps, 80], chroma [b, 5 x steps, 12], *state)`` returns a dict of heads
    ``[b, steps, size]`` and the next states, for any whole number of steps; without states it
    starts where nothing was heard. `shift`, `scale` and `texture.change_sd` are fitted on training
    data.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, config: MoodNetConfig) -> None:
        super().__init__()
        self.config = c = config
        self.texture = Texture(c.memory_s, threshold=c.threshold)
        blank = torch.zeros(1, FRAMES, BINS), torch.zeros(1, CHROMA_FRAMES, CHROMA)
        self.n_texture = len(self.texture.zero_state(1))
        n = int(self.texture(*blank, *self.texture.zero_state(1))[0].shape[1])
        self.register_buffer("shift", torch.zeros(n))
        self.register_buffer("scale", torch.ones(n))
        self.mix = nn.Sequential(
            nn.Dropout(c.statistics_dropout / 2), nn.Linear(n, c.statistics), nn.ReLU(),
            nn.Dropout(c.statistics_dropout),
        )  # fmt: skip
        wide = c.statistics
        if c.channels:
            self.convs = Convolutions(c)
            wide += self.convs.size
        self.drop = nn.Dropout(c.dropout)
        self.hidden = nn.Sequential(nn.Linear(wide, c.hidden), nn.ReLU(), nn.Dropout(c.dropout))
        self.heads = nn.ModuleDict(
            {name: nn.Linear(c.hidden, size) for name, size in (HEADS | dict(c.auxiliary)).items()}
        )
        if c.link:
            self.link = nn.Parameter(torch.full((2,), c.link))
        with torch.no_grad():  # sigma begins at the size of errors, the same for all
            self.heads["ln_sigma"].weight.zero_()
            self.heads["ln_sigma"].bias.fill_(-1.6)

    def zero_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Return all states before any input."""
        more = self.convs.zero_state(batch) if self.config.channels else ()
        return (*self.texture.zero_state(batch), *more)

    def forward(
        self, mel: Tensor, chroma: Tensor, *state: Tensor
    ) -> tuple[dict[str, Tensor], *tuple[Tensor, ...]]:
        """Return the heads of each step and the next states."""
        old = state or tuple(s.to(mel.device) for s in self.zero_state(len(mel)))
        x, *new = self.statistics(mel, chroma, *old[: self.n_texture])
        h = self.mix(((x - self.shift) * self.scale).clamp(-_LIMIT, _LIMIT))
        if self.config.channels:
            y, *after = self.convs(mel, *old[self.n_texture :])
            h = torch.cat((h, self.drop(y)), 2)
            new += after
        h = self.hidden(h)
        heads = {name: head(h).float() for name, head in self.heads.items()}
        if self.config.link:
            # Detached: labels of valence are to use what positive knows, not to change it.
            sure = heads["half_planes"].detach().clamp(-_SURE, _SURE)
            heads["mood"] = heads["mood"] + self.link * sure
        return heads, *new

    @torch.no_grad()
    def statistics(self, mel: Tensor, chroma: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return plain statistics of each step ``[b, steps, n]`` and their states.

        They hold differences of logarithms and sums of squares: never in half precision.
        """
        found = []
        with torch.autocast(mel.device.type, enabled=False):
            for t in range(int(mel.shape[1]) // FRAMES):
                x, _, *state = self.texture(
                    mel[:, t * FRAMES : (t + 1) * FRAMES].float(),
                    chroma[:, t * CHROMA_FRAMES : (t + 1) * CHROMA_FRAMES].float(),
                    *state,
                )
                found.append(x)
        return torch.stack(found, 1), *state
