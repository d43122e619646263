"""The one Lightning module: a system's network with its loss, optimiser and schedule."""

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from offline.batches.example import Batch
from offline.recipes.recipe import TrainingPart
from offline.systems import near
from offline.training.system import Outputs, Trainable
from streammer.errors import UsageError

__all__ = ["NetworkModule"]


class NetworkModule(pl.LightningModule):
    """A network in training; knows nothing of songs.

    Parameters
    ----------
    system : Trainable
        Gives outputs and terms of the loss.
    net : nn.Module
    seed : int
        Of dropout and of what the loss draws.
    teachers : sequence of nn.Module
        Networks whose mean outputs the net is drawn to (``distil_seeds``).
    total_steps, epoch_steps : int
        Of the schedule, and of an epoch.
    """

    def __init__(
        self, system: Trainable, net: nn.Module, seed: int, total_steps: int,
        teachers: Sequence[nn.Module] = (), epoch_steps: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.system, self.net, self.seed, self.total_steps = system, net, seed, total_steps
        self.epoch_steps = epoch_steps
        self._plateau: torch.optim.lr_scheduler.ReduceLROnPlateau | None = None
        self._plateau_state: dict[str, Any] | None = None
        self._teachers = [teacher.eval().requires_grad_(False) for teacher in teachers]

    @property
    def part(self) -> TrainingPart:
        """Settings."""
        return self.system.recipe.training

    def on_fit_start(self) -> None:
        """Bring the teachers, which are no part of the checkpoint, to the device."""
        for teacher in self._teachers:
            teacher.to(self.device)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of the loss of a batch by name, and their weighted sum as ``loss``."""
        outputs = as_float(self.system.forward(self.net, batch))
        terms = self.system.loss(outputs, batch)
        if self._teachers and self.training:
            with torch.no_grad():
                wanted = [as_float(self.system.forward(t, batch)) for t in self._teachers]
            terms |= self.system.distil(outputs, mean_of(wanted), batch)
        weights = self.part.weights
        for name in weights:
            later = self.part.distil_seeds and name.startswith("distil")
            if name not in terms and not later:
                raise UsageError(
                    f"{self.system.recipe.name}: training.weights has {name!r}{near(name, terms)}"
                )
        total = sum((weights.get(name, 1.0) * x for name, x in terms.items()), torch.tensor(0.0))
        return {**terms, "loss": total}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch, its dropout drawn from seed, epoch, batch and process.

        A resumed run thus draws what the whole one would have drawn.
        """
        torch.manual_seed(hash((self.seed, self.current_epoch, batch_idx, self.global_rank)))
        terms = self.terms(batch)
        self._log("train", terms, len(batch))
        return terms["loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss on the validation side."""
        self._log("val", self.terms(batch), len(batch))

    def _log(self, side: str, terms: dict[str, Tensor], size: int) -> None:
        many = len(terms) > 2
        for name, value in terms.items():
            if name != "loss" and not many:
                continue
            key = f"{side}_loss" if name == "loss" else f"{side}_{name}"
            self.log(key, value, on_step=False, on_epoch=True, prog_bar=name == "loss",
                     batch_size=size, sync_dist=True)  # fmt: skip

    def configure_optimizers(self) -> Any:
        """Return optimiser and schedule as in the recipe; the schedule moves with every step."""
        part = self.part
        weights = [w for w in self.net.parameters() if w.requires_grad]
        optimiser: torch.optim.Optimizer
        if part.optimiser == "sgd":
            optimiser = torch.optim.SGD(
                weights, lr=part.lr, momentum=part.momentum, weight_decay=part.weight_decay
            )
        else:
            make = torch.optim.AdamW if part.optimiser == "adamw" else torch.optim.Adam
            optimiser = make(weights, lr=part.lr, weight_decay=part.weight_decay)
        if part.schedule == "plateau":
            self._plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimiser, factor=part.decay, patience=part.decay_epochs
            )
            return optimiser
        schedule = schedule_of(part, optimiser, self.total_steps, self.epoch_steps)
        if schedule is None:
            return optimiser
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_validation_end(self) -> None:
        """Follow the validation loss, where the schedule does.

        Lightning would do so only after the checkpoint of the epoch was written.
        """
        if self._plateau is not None:
            self._plateau.step(self.trainer.callback_metrics["val_loss"])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the plateau has seen."""
        if self._plateau is not None:
            checkpoint["plateau"] = self._plateau.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Find it there."""
        self._plateau_state = checkpoint.get("plateau")

    def on_train_start(self) -> None:
        """Go on with what the plateau had seen."""
        if self._plateau is not None and self._plateau_state is not None:
            self._plateau.load_state_dict(self._plateau_state)


def schedule_of(
    part: TrainingPart, optimiser: torch.optim.Optimizer, total: int, epoch: int = 1
) -> torch.optim.lr_scheduler.LRScheduler | None:
    """Return the schedule of learning rates over `total` steps, `epoch` of them an epoch.

    None for a constant rate, and for one that follows the validation loss.
    """
    scheduler = torch.optim.lr_scheduler
    share = max(part.warm_share, 2 / (total + 1))  # the first step must not be the peak
    if part.schedule == "one_cycle":
        return scheduler.OneCycleLR(optimiser, part.lr, total_steps=total + 1, pct_start=share)
    if part.schedule == "cosine":
        return scheduler.OneCycleLR(
            optimiser, part.lr, total_steps=total + 1, pct_start=share, cycle_momentum=False
        )
    if part.schedule == "decay":
        return scheduler.StepLR(optimiser, part.decay_epochs * epoch, gamma=part.decay)
    if part.schedule == "constant" and part.warm_steps:
        factor = part.warm_lr / part.lr
        return scheduler.LambdaLR(optimiser, lambda k: factor if k < part.warm_steps else 1.0)
    return None


def as_float(outputs: Outputs) -> Outputs:
    """Return outputs in single precision, in which losses are computed."""
    if isinstance(outputs, Tensor):
        return outputs.float()
    return {name: x.float() for name, x in outputs.items()}


def mean_of(outputs: Sequence[Outputs]) -> Outputs:
    """Return the mean of several networks' outputs."""
    first = outputs[0]
    if isinstance(first, Tensor):
        return torch.stack([o for o in outputs if isinstance(o, Tensor)]).mean(0)
    return {name: torch.stack([o[name] for o in outputs]).mean(0) for name in first}  # type: ignore[call-overload]
