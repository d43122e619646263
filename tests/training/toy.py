"""A small system with its own network, batches and loss, as a new system plugs in."""

import contextlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from offline.batches.draws import ExampleBatches
from offline.batches.example import Example
from offline.recipes.load import load_recipe
from offline.training.loop import fit_network
from offline.training.losses import squared
from offline.training.network import NetworkSystem
from offline.training.system import TrainingData

ROWS = 13


class Rows(ExampleBatches):
    """Thirteen rows whose target follows from their number, with drawn noise."""

    def order(self, epoch):
        return np.random.default_rng([self.seed, epoch]).permutation(ROWS)

    def example(self, row, rng):
        x = torch.tensor([row / ROWS, rng.normal() if self.train else 0.0])
        return Example({"x": x}, {"mood": x[:1] * 2 - 1}, {"mood": torch.tensor(1.0)})


class Toy(NetworkSystem):
    """Two terms of a loss, dropout, batch normalisation."""

    def network(self):
        return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 1))

    def data(self, run, dataset, *, workers, show):
        return toy_data(self.recipe)

    def loss(self, outputs, batch):
        mood = squared(outputs, batch.targets["mood"], batch.mask("mood"))
        return {"mood": mood, "small": outputs.square().mean()}

    def predict(self, run, dataset, uids, *, workers=1, show=True):
        raise NotImplementedError


def toy_recipe(**training):
    """Recipe of the toy; `training` in place of its own settings."""
    own = {"batch": 4, "epochs": 4, "patience": 0, "lr": 0.02, "clip": 2.0,
           "weights": {"small": 0.01}}  # fmt: skip
    changes = {f"training.{k}": v for k, v in {**own, **training}.items()}
    return load_recipe("chroma-lstm", changes=changes)


def toy_data(recipe, validation=True):
    """Batches of both sides."""
    size, seed = recipe.training.batch, recipe.training.seed
    held = Rows(size, seed, train=False) if validation else None
    return TrainingData(Rows(size, seed, train=True), held)


class Recorder(Callback):
    """Writes down the rows of every batch, and kills the run in an epoch if asked to."""

    def __init__(self, die_in=None):
        self.seen, self.die_in = [], die_in

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == self.die_in:
            raise KilledError
        self.seen.append([trainer.current_epoch, trainer.global_rank, list(batch.rows)])


class KilledError(Exception):
    """As a kill would, it lets nothing be written."""


def fit_toy(folder, *, die_in=None, validation=True, workers=0, recorder=None, **training):
    """Fit the toy; return what was fitted and the rows of its batches."""
    recipe, recorder = toy_recipe(**training), recorder or Recorder(die_in)
    fitted = None
    with contextlib.suppress(KilledError):
        fitted = fit_network(
            Toy(recipe), toy_data(recipe, validation), folder, seed=3, workers=workers,
            callbacks=[recorder], show=False,
        )  # fmt: skip
    return fitted, recorder.seen


def write_rows(folder, rows):
    """Leave the rows of one of several processes, from the epoch that they begin with."""
    (folder / f"rank{rows[0][1]}-from{rows[0][0]}.json").write_text(json.dumps(rows))


class Killed(Recorder):
    """Ends its process in an epoch, as a kill does."""

    def __init__(self, folder, die_in):
        super().__init__(die_in)
        self.folder = folder

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        try:
            super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        except KilledError:
            write_rows(self.folder, self.seen)
            os._exit(0)


if __name__ == "__main__":  # one of several processes: python toy.py FOLDER [EPOCH TO DIE IN]
    target = Path(sys.argv[1])
    watch = Killed(target, int(sys.argv[2])) if len(sys.argv) > 2 else Recorder()
    fit_toy(target, recorder=watch, devices=2, accelerator="cpu", batch=2)
    write_rows(target, watch.seen)
