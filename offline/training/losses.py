"""Losses of the live model: means by squared error, sigmas beside them, classes by entropy."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["binary", "detached_nll", "masked_mean", "squared"]


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean; 0 when nothing has weight."""
    return (values * weight).sum() / weight.expand_as(values).sum().clamp(min=1e-6)


def squared(mean: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Mean squared error; `weight` 0 where there is no label (labels there must be finite)."""
    return masked_mean((mean - label) ** 2, weight)


def detached_nll(mean: Tensor, ln_sigma: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Gaussian likelihood that trains sigma alone.

    A plain likelihood lets the network buy a lower loss with a large sigma where the mean is
    hard, and those songs then stop teaching the mean; so the mean is detached here.
    """
    error = (label - mean.detach()) ** 2
    ln_sigma = ln_sigma.clamp(-4.0, 1.0)
    return masked_mean(0.5 * error * torch.exp(-2 * ln_sigma) + ln_sigma, weight)


def binary(logit: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy of logits against probabilities (soft labels are welcome)."""
    raw = functional.binary_cross_entropy_with_logits(logit, label, reduction="none")
    return masked_mean(raw, weight)
