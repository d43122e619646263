"""The training loop: Lightning, validation only for stopping, resumable to the bit."""

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor, nn

from offline.recipes.recipe import Recipe, TrainingPart

__all__ = ["Regressor", "TimeBudget", "fit", "load_weights"]


class Regressor(pl.LightningModule):
    """A network with its loss and optimiser; knows nothing of songs.

    Parameters
    ----------
    net : nn.Module
        [batch, frames, bins] -> [batch, axes] or [batch, steps, axes].
    training : TrainingPart
    """

    def __init__(self, net: nn.Module, training: TrainingPart) -> None:
        super().__init__()
        self.net, self.training_part = net, training

    def loss(self, p: Tensor, y: Tensor) -> Tensor:
        """Loss over the labels that exist; the sums add the axes' means, as published."""
        good = torch.isfinite(y)
        difference = torch.where(good, p - torch.nan_to_num(y), 0.0)
        error = difference.abs() if self.training_part.loss == "mae_sum" else difference.square()
        axes = error.flatten(0, -2).sum(0) / good.flatten(0, -2).sum(0).clamp_min(1)
        return axes.mean() if self.training_part.loss == "mse" else axes.sum()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Loss of one batch, its dropout drawn from the numbers of epoch, batch and process.

        A resumed run thus draws what the whole one would have drawn.
        """
        torch.manual_seed(
            hash((self.training_part.seed, self.current_epoch, batch_idx, self.global_rank))
        )
        loss = self.loss(self.net(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True,
                 batch_size=len(batch[0]), sync_dist=True)  # fmt: skip
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Loss on songs of the validation side."""
        loss = self.loss(self.net(batch[0]).float(), batch[1])
        self.log("val_loss", loss, prog_bar=True, batch_size=len(batch[0]), sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Optimiser as in the recipe, with the warm rate of the first epochs if it has one."""
        part = self.training_part
        weights = [w for w in self.parameters() if w.requires_grad]
        if part.optimiser == "sgd":
            optimiser: torch.optim.Optimizer = torch.optim.SGD(weights, lr=part.lr)
        else:
            make = torch.optim.AdamW if part.optimiser == "adamw" else torch.optim.Adam
            optimiser = make(weights, lr=part.lr, weight_decay=part.weight_decay)
        if not part.warm_epochs:
            return optimiser
        factor = part.warm_lr / part.lr
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda epoch: factor if epoch < part.warm_epochs else 1.0
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule}}


class TimeBudget(Callback):
    """Stop at the end of the epoch in which so much training time has passed, over restarts.

    On a CPU it is processor time per thread, so that what else the machine does takes nothing
    from a run; on a GPU, time by the clock.
    """

    def __init__(self, budget_s: float) -> None:
        self.budget_s, self.spent_s, self._since = budget_s, 0.0, 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the watch."""
        self._since = _now(pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch's time; stop when the budget is spent."""
        self.spent_s += _now(pl_module) - self._since
        spent = bool(self.budget_s) and self.spent_s >= self.budget_s
        if trainer.strategy.reduce_boolean_decision(spent, all=False):  # all processes, or none
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Time spent so far."""
        return {"spent_s": self.spent_s}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.spent_s = float(state_dict["spent_s"])


def _now(module: pl.LightningModule) -> float:
    on_cpu = module.device.type == "cpu"
    return time.process_time() / torch.get_num_threads() if on_cpu else time.monotonic()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice and torch's notices about our choices from the terminal."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    levels = [logging.getLogger(name).level for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in zip(names, levels, strict=True):
                logging.getLogger(name).setLevel(level)


def fit(
    net: nn.Module,
    recipe: Recipe,
    loaders: tuple[Any, Any],
    run: Path,
    *,
    show: bool = True,
) -> dict[str, Any]:
    """Train `net`, or go on where a killed run was.

    Parameters
    ----------
    net : nn.Module
    recipe : Recipe
    loaders : (train, validation)
    run : Path
        Gets ``checkpoints/`` (best and last), ``tensorboard/``, ``curves/metrics.csv``.
    show : bool
        Progress bar.

    Returns
    -------
    dict
        ``epochs``, ``best_val_loss``, ``best`` (path), ``resumed``.
    """
    part = recipe.training
    checkpoints = run / "checkpoints"
    last = checkpoints / "last.ckpt"
    if part.precision.startswith("bf16"):
        net = net.to(memory_format=torch.channels_last)  # twice as fast on a CPU with AMX
    module = Regressor(net, part)
    keep = ModelCheckpoint(
        checkpoints, filename="best", monitor="val_loss", save_last=True, save_top_k=1,
        enable_version_counter=False, save_on_train_epoch_end=True,
    )  # fmt: skip
    budget = TimeBudget(part.time_budget_s)
    callbacks: list[Callback] = [keep, budget]
    if part.patience:
        callbacks.append(
            EarlyStopping("val_loss", patience=part.patience, check_on_train_epoch_end=True)
        )
    if show:
        callbacks.append(RichProgressBar(leave=False))
    resumed = last.exists()
    with _quiet():
        trainer = pl.Trainer(
            max_epochs=part.epochs,
            accelerator=part.accelerator,
            devices=part.devices,
            strategy="ddp" if part.devices > 1 else "auto",
            precision=part.precision,  # type: ignore[arg-type]
            callbacks=callbacks,
            logger=[
                TensorBoardLogger(run, "tensorboard", version=""),
                CSVLogger(run, "curves", ""),
            ],
            gradient_clip_val=5.0 if recipe.mode == "corrected" else None,
            num_sanity_val_steps=0,
            enable_progress_bar=show,
            enable_model_summary=False,
            log_every_n_steps=10,
            deterministic="warn",
            default_root_dir=run,
        )
        trainer.fit(module, *loaders, ckpt_path=str(last) if resumed else None, weights_only=False)
    best = keep.best_model_path or str(last)
    return {
        "epochs": int(trainer.current_epoch),
        "best_val_loss": float(keep.best_model_score)
        if keep.best_model_score is not None
        else None,
        "best": Path(best).name,
        "resumed": resumed,
        "train_s": round(budget.spent_s, 1),
        "rank": trainer.global_rank,
    }


def load_weights(net: nn.Module, checkpoint: Path) -> nn.Module:
    """Weights of a checkpoint into a network, ready to predict."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)["state_dict"]
    net.load_state_dict({k.removeprefix("net."): v for k, v in state.items()})
    return net.eval()
