"""The training loop of every network: Lightning, by optimiser steps, resumable to the bit."""

import hashlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import msgspec
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn
from torch.utils.data import DataLoader

from offline.batches.draws import loader_of
from offline.files import write_json
from offline.recipes.recipe import TrainingPart
from offline.training.callbacks import StepBudget, WeightAverage
from offline.training.module import NetworkModule
from offline.training.system import Trainable, TrainingData
from streammer.errors import UsageError

__all__ = [
    "Fitted",
    "check_device",
    "fit_network",
    "load_weights",
    "makers_of",
    "on_gpu",
    "train_network",
    "weights_hash",
]

SUMMARY = "fitted.json"


@dataclass(frozen=True)
class Fitted:
    """A network after training.

    Attributes
    ----------
    net : nn.Module
        With the weights that are kept.
    facts : dict
        ``epochs``, ``steps``, ``best_val_loss``, ``best`` (file of the kept weights), ``resumed``,
        ``train_s``, ``rank``, ``n_weights``, ``hash`` (of the weights).
    """

    net: nn.Module
    facts: dict[str, Any]


class _Loaders(pl.LightningDataModule):
    """Loaders of the batches, for the process that asks."""

    def __init__(self, data: TrainingData, workers: int, pin: bool) -> None:
        super().__init__()
        self.data, self.workers, self.pin = data, workers, pin

    def train_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        rank, world = self.trainer.global_rank, self.trainer.world_size
        # The trainer's own count of epochs is not restored yet when it asks for the loader.
        epoch = self.trainer.global_step // len(self.data.train.draws(0, rank, world))
        return loader_of(
            self.data.train, rank=rank, world=world, epoch=epoch, workers=self.workers,
            pin=self.pin,
        )  # fmt: skip

    def val_dataloader(self) -> Any:
        if self.data.validation is None:
            return []
        return loader_of(self.data.validation, workers=min(self.workers, 1), pin=self.pin)


def train_network(
    system: Trainable,
    data: Callable[[int], TrainingData],
    folder: Path,
    *,
    seed: int,
    workers: int = 0,
    show: bool = True,
) -> Fitted:
    """Train the network of a system; with ``distil_seeds``, after the seeds it is distilled from.

    Parameters
    ----------
    data : callable
        Batches of a seed.
    folder : Path
        Of the network. The seeds before it have folders of their own in ``seeds/`` there.
    seed : int
    workers : int
        Processes that make batches; 0 makes them where the network is computed.
    """
    how: dict[str, Any] = {"workers": workers, "show": show}
    teachers = []
    for k in range(system.recipe.training.distil_seeds):
        own = int(np.random.SeedSequence([seed, k]).generate_state(1)[0])
        done = fit_network(system, data(own), folder / "seeds" / str(k), seed=own, **how)
        teachers.append(done.net)
    return fit_network(system, data(seed), folder, seed=seed, teachers=teachers, **how)


def fit_network(
    system: Trainable,
    data: TrainingData,
    folder: Path,
    *,
    seed: int,
    teachers: Sequence[nn.Module] = (),
    workers: int = 0,
    show: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Fitted:
    """Train one network, or go on where a killed run was; a finished one is read.

    Parameters
    ----------
    system : Trainable
    data : TrainingData
    folder : Path
        Gets ``checkpoints/`` (best and last), ``tensorboard/``, ``curves/metrics.csv``, and
        ``checkpoints/fitted.json`` at the end.
    seed : int
        Of the first weights, of dropout and of the loss; the order of batches is the data's.
    teachers : sequence of nn.Module
        See `NetworkModule`.
    """
    part = system.recipe.training
    torch.manual_seed(seed)
    net = system.network()
    system.prepare(net, data)
    checkpoints = folder / "checkpoints"
    summary = checkpoints / SUMMARY
    if summary.exists():
        facts = msgspec.json.decode(summary.read_bytes())
        return Fitted(load_weights(net, checkpoints / facts["best"]), facts)
    part = replaced(part, data)
    if part.precision.startswith("bf16") or part.precision == "mixed":
        net = net.to(memory_format=torch.channels_last)  # twice as fast on a CPU with AMX
    trainer, keep = _trainer(system, part, folder, callbacks, show=show)
    batches = len(data.train.draws(0, 0, trainer.world_size))
    total = part.steps or part.epochs * batches
    module = NetworkModule(system, net, seed, total, teachers, batches)
    trainer.callbacks.append(StepBudget(total, part.least_lr))  # type: ignore[attr-defined]
    last = checkpoints / "last.ckpt"
    resumed = last.exists()
    loaders = _Loaders(data, workers, on_gpu(part))
    since = time.monotonic()
    with _quiet():
        trainer.fit(module, datamodule=loaders, ckpt_path=str(last) if resumed else None,
                    weights_only=False)  # fmt: skip
    best = Path(keep.best_model_path or str(last)) if part.keep == "best" else last
    net = load_weights(net.cpu(), best)
    best_loss = None if keep.best_model_score is None else float(keep.best_model_score)
    facts = {
        "epochs": int(trainer.current_epoch),
        "steps": int(trainer.global_step),
        "best_val_loss": best_loss,
        "best": best.name,
        "resumed": resumed,
        "train_s": round(time.monotonic() - since, 1),
        "rank": trainer.global_rank,
        "n_weights": sum(w.numel() for w in net.parameters() if w.requires_grad),
        "hash": weights_hash(net),
    }
    if trainer.is_global_zero:
        write_json(summary, facts)
    return Fitted(net, facts)


def replaced(part: TrainingPart, data: TrainingData) -> TrainingPart:
    """Return the settings without what needs a validation side, where there is none."""
    if data.validation is not None:
        return part
    if part.schedule == "plateau":
        raise UsageError("training.schedule is plateau, but nothing is held out to validate on")
    return msgspec.structs.replace(part, keep="last", patience=0)


def on_gpu(part: TrainingPart) -> bool:
    """Whether a recipe's network computes on a GPU here."""
    return part.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()


def check_device(part: TrainingPart) -> None:
    """Refuse a device, a number of them or a precision that is not to be had here.

    Raises
    ------
    UsageError
        Says which, before anything is computed or thrown away.
    """
    precision_of(part)
    try:
        with _quiet():
            pl.Trainer(
                accelerator=part.accelerator, devices=part.devices, logger=False,
                enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            )  # fmt: skip
    except (MisconfigurationException, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"training.accelerator = {part.accelerator}, training.devices = {part.devices}: not to "
            f"be had here ({reason})"
        ) from error


def makers_of(part: TrainingPart, workers: int) -> int:
    """Return how many processes make batches: none on a CPU, whose time they would take."""
    return workers if on_gpu(part) else 0


def precision_of(part: TrainingPart) -> str:
    """Return Lightning's name of the precision on this device.

    Raises
    ------
    UsageError
        The device has no such precision.
    """
    if part.precision == "mixed":
        half = on_gpu(part) and not torch.cuda.is_bf16_supported()
        return "16-mixed" if half else "bf16-mixed"
    if part.precision == "16-mixed" and not on_gpu(part):
        raise UsageError(
            "training.precision is 16-mixed, which needs a GPU; expected 32, mixed or bf16-mixed"
        )
    return part.precision


def _trainer(
    system: Trainable, part: TrainingPart, folder: Path, extra: Sequence[Callback], *,
    show: bool,
) -> tuple[pl.Trainer, ModelCheckpoint]:  # fmt: skip
    validated = part.keep == "best"
    keep = ModelCheckpoint(
        folder / "checkpoints", filename="best" if validated else "last",
        monitor="val_loss" if validated else None, save_last=validated, save_top_k=1,
        enable_version_counter=False, save_on_train_epoch_end=True,
    )  # fmt: skip
    callbacks: list[Callback] = [*extra]
    if part.average:
        callbacks.append(WeightAverage(part.average))
    callbacks.append(keep)
    if part.patience and validated:
        callbacks.append(
            EarlyStopping("val_loss", patience=part.patience, check_on_train_epoch_end=True)
        )
    if show:
        callbacks.append(RichProgressBar(leave=False))
    with _quiet():
        trainer = pl.Trainer(
            max_epochs=-1 if part.steps else part.epochs,
            accelerator=part.accelerator,
            devices=part.devices,
            strategy="ddp" if part.devices > 1 else "auto",
            precision=precision_of(part),  # type: ignore[arg-type]
            callbacks=callbacks,
            logger=[TensorBoardLogger(folder, "tensorboard", version=""),
                    CSVLogger(folder, "curves", "")],
            gradient_clip_val=part.clip or None,
            use_distributed_sampler=False,  # ours give each process its share of every epoch
            num_sanity_val_steps=0,
            enable_progress_bar=show,
            enable_model_summary=False,
            log_every_n_steps=10,
            deterministic="warn",
            default_root_dir=folder,
        )  # fmt: skip
    return trainer, keep


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


def load_weights(net: nn.Module, checkpoint: Path) -> nn.Module:
    """Weights of a checkpoint into a network, ready to predict."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)["state_dict"]
    net.load_state_dict(
        {k.removeprefix("net."): v for k, v in state.items() if k.startswith("net.")}
    )
    return net.eval()


def weights_hash(net: nn.Module) -> str:
    """Hash of all weights and buffers of a network."""
    digest = hashlib.sha256()
    for name, value in net.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
