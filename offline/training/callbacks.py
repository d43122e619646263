"""What happens beside the loop: the average of weights, and the end of the budget of steps."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, EarlyStopping, WeightAveraging
from torch import Tensor

__all__ = ["StepBudget", "WeightAverage"]


class WeightAverage(WeightAveraging):
    """Exponential average of weights and buffers after every step.

    Parameters
    ----------
    decay : float
        Of one step. In the first steps it is smaller, so that the random start is forgotten.
    """

    def __init__(self, decay: float) -> None:
        def averaged(average: Tensor, now: Tensor, n: Tensor | int) -> Tensor:
            if not average.is_floating_point():  # counters of batch normalisation
                return now
            d = min(decay, (1 + int(n)) / (10 + int(n)))
            return average.lerp(now, 1 - d)

        super().__init__(avg_fn=averaged)


class StepBudget(Callback):
    """Stop after so many optimiser steps, in the middle of an epoch if need be.

    Lightning's own ``max_steps`` leaves the last, unfinished epoch without validation; a stop that
    is asked for is validated first.
    """

    def __init__(self, steps: int, least_lr: float = 0.0) -> None:
        self.steps, self.least_lr = steps, least_lr

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop at once where a killed run had ended but for its summary."""
        stoppers = [c for c in trainer.callbacks if isinstance(c, EarlyStopping)]  # type: ignore[attr-defined]
        ended = any(0 < c.patience <= c.wait_count for c in stoppers)
        trainer.should_stop = ended or trainer.global_step >= self.steps

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop where a plateau has taken the learning rate under its least."""
        rates = [group["lr"] for o in trainer.optimizers for group in o.param_groups]
        if max(rates) < self.least_lr:
            trainer.should_stop = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any,
        batch_idx: int,
    ) -> None:  # fmt: skip
        """Stop when the budget is spent."""
        if trainer.global_step >= self.steps:
            trainer.should_stop = True
