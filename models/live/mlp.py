"""A bag of small MLPs on running statistics: the kernel ridge's input in another learner.

MLPs learn which statistics count and are trained with noise, with changed copies and with
what else is known of a song (genre, cluster, mood words); a kernel ridge weighs likeness to known
songs. Their errors differ, so their mean is better than either.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["HEADS", "Mlp", "MlpEnsemble", "scaled"]

HEADS = 4
"""Valence, arousal, positive, energetic; further heads of an `Mlp` exist in training only."""


class Mlp(nn.Module):
    """Two hidden layers; what is trained.

    Notes
    -----
    Shape: scaled statistics ``[b, size] -> [b, HEADS + auxiliary]``.
    """

    def __init__(self, size: int, hidden: int, auxiliary: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(size, hidden)
        self.second = nn.Linear(hidden, hidden // 2)
        self.heads = nn.Linear(hidden // 2, HEADS + auxiliary)
        self.drop = nn.Dropout(dropout)

    def forward(self, z: Tensor) -> Tensor:
        """Return all heads."""
        h = self.drop(nn.functional.gelu(self.first(z)))
        return self.heads(self.drop(nn.functional.gelu(self.second(h))))


def scaled(features: Tensor, shift: Tensor, scale: Tensor, limit: float) -> Tensor:
    """Statistics as an MLP takes them: ``clamp((x - shift) * scale)``."""
    return ((features - shift) * scale).clamp(-limit, limit)


class MlpEnsemble(nn.Module):
    """Mean of trained MLPs; what is exported.

    Parameters
    ----------
    members : sequence of Mlp
        Of one size.
    shift, scale : Tensor [shape=(features,)]
    offset, factor : Tensor [shape=(HEADS,)]
        The heads given are ``offset + factor * mean``.
    limit : float

    Notes
    -----
    Shape: statistics ``[b, features] -> [b, HEADS]``.
    """

    def __init__(
        self,
        members: Sequence[Mlp],
        shift: Tensor,
        scale: Tensor,
        offset: Tensor,
        factor: Tensor,
        limit: float = 4.0,
    ) -> None:
        super().__init__()
        self.limit, self.n = limit, len(members)
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        self.register_buffer("offset", offset)
        # Side by side: one product for all first layers, batched ones after it.
        with torch.no_grad():
            first = torch.cat([m.first.weight for m in members]).T.contiguous()
            self.register_buffer("first", first)
            self.register_buffer("first_bias", torch.cat([m.first.bias for m in members]))
            second = torch.stack([m.second.weight.T for m in members])
            self.register_buffer("second", second.contiguous())
            self.register_buffer("second_bias", torch.stack([m.second.bias for m in members]))
            heads = torch.cat([m.heads.weight[:HEADS].T for m in members]) * (factor / self.n)
            self.register_buffer("heads", heads.contiguous())
            bias = torch.stack([m.heads.bias[:HEADS] for m in members]).mean(0) * factor
            self.register_buffer("heads_bias", bias + offset)
        self.eval()

    def forward(self, features: Tensor) -> Tensor:
        """Return valence, arousal and the scores of positive and energetic."""
        z = scaled(features, self.shift, self.scale, self.limit)
        h = nn.functional.gelu(torch.matmul(z, self.first) + self.first_bias)
        h = h.reshape(-1, self.n, 1, int(self.first.shape[1]) // self.n)
        h = torch.matmul(h, self.second)[:, :, 0] + self.second_bias
        return torch.matmul(nn.functional.gelu(h).flatten(1), self.heads) + self.heads_bias
