"""Masked losses: means by squared error, sigmas beside them, classes by entropy, pairs by rank."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "axis_errors", "binary", "categorical", "detached_nll", "entropy", "masked_mean", "ranking",
    "smooth", "squared",
]  # fmt: skip


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean; 0 when nothing has weight."""
    return (values * weight).sum() / weight.expand_as(values).sum().clamp(min=1e-6)


def squared(mean: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Mean squared error; `weight` 0 where there is no label (labels there must be finite)."""
    return masked_mean((mean - label) ** 2, weight)


def detached_nll(
    mean: Tensor,
    ln_sigma: Tensor,
    label: Tensor,
    weight: Tensor,
    variance: Tensor | float = 0.0,
) -> Tensor:
    """Gaussian likelihood that trains sigma alone, `variance` being that of the labels themselves.

    A plain likelihood lets the network buy a lower loss with a large sigma where the mean is
    hard, and those songs then stop teaching the mean; so the mean is detached here.
    """
    error = (label - mean.detach()) ** 2 + variance
    ln_sigma = ln_sigma.clamp(-4.0, 1.0)
    return masked_mean(0.5 * error * torch.exp(-2 * ln_sigma) + ln_sigma, weight)


def binary(logit: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy of logits against probabilities (soft labels are welcome)."""
    raw = functional.binary_cross_entropy_with_logits(logit, label, reduction="none")
    return masked_mean(raw, weight)


def entropy(logits: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy of ``[..., classes]`` against probabilities; `weight` is ``[...]``."""
    return masked_mean(-(logits.log_softmax(-1) * label).sum(-1), weight)


def smooth(value: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Squared error near the label, absolute error beyond 1 (Huber): targets with far outliers."""
    return masked_mean(functional.smooth_l1_loss(value, label, reduction="none"), weight)


def ranking(score: Tensor, rank: Tensor, weight: Tensor, group: Tensor | None = None) -> Tensor:
    """Logistic loss over pairs of rows of which one ranks higher, at the same step.

    Parameters
    ----------
    score, rank, weight : Tensor [shape=(rows, steps)]
        Pairs of equal rank, and pairs with a row of weight 0, count for nothing.
    group : Tensor [shape=(rows, steps)], optional
        Pairs are formed inside groups only.
    """
    higher = (rank[:, None] > rank[None]).to(score)
    if group is not None:
        higher = higher * (group[:, None] == group[None])
    pairs = higher * weight[:, None] * weight[None]
    return masked_mean(functional.softplus(score[None] - score[:, None]), pairs)


def categorical(logits: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy of logits [..., classes] against class numbers [...], int64."""
    raw = functional.cross_entropy(logits.movedim(-1, 1), label, reduction="none")
    return masked_mean(raw, weight)


def axis_errors(mean: Tensor, label: Tensor, known: Tensor, *, absolute: bool = False) -> Tensor:
    """Mean squared or absolute error of each axis [shape=(axes,)], over the labels that exist."""
    difference = (mean - label) * known
    error = difference.abs() if absolute else difference.square()
    return error.flatten(0, -2).sum(0) / known.flatten(0, -2).sum(0).clamp_min(1)
