"""Which rows stand in which batch: decided by seed, epoch and process alone.

So a run that goes on after a crash, with other workers or on the next machine, draws what it would
have drawn, and processes that train together draw different rows of one epoch.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from offline.batches.example import Batch, Example, collate
from streammer.errors import InputError

__all__ = ["Batches", "Draw", "EpochSampler", "ExampleBatches", "loader_of"]


@dataclass(frozen=True)
class Draw:
    """Recipe of one batch.

    Attributes
    ----------
    rows : tuple of int
    seed : tuple of int
        Of every random number that goes into the batch: crops, noise, splices.
    """

    rows: tuple[int, ...]
    seed: tuple[int, ...] = ()

    def rng(self) -> np.random.Generator:
        """Numbers of this batch."""
        return np.random.default_rng(self.seed)

    def torch_rng(self) -> torch.Generator:
        """Numbers of this batch for torch."""
        return torch.Generator().manual_seed(int(self.rng().integers(2**62)))


class Batches(Dataset, ABC):
    """Batches of one side of the data, made in any process from their draws."""

    @abstractmethod
    def draws(self, epoch: int, rank: int = 0, world: int = 1) -> Sequence[Draw]:
        """Batches of one process in one epoch; in every epoch and process as many."""

    @abstractmethod
    def make(self, draw: Draw) -> Batch:
        """Make one batch; nothing but the draw may decide what it holds."""

    def __getitem__(self, draw: Draw) -> Batch:
        return self.make(draw)


class ExampleBatches(Batches):
    """Batches of examples that are independent of one another.

    Parameters
    ----------
    size : int
        Rows of a batch, in each process.
    seed : int
    train : bool
        Draw anew each epoch and leave out a last batch that is not full; else all rows in order,
        in each process the same: a validation loss must not depend on how many there are.
    """

    def __init__(self, size: int, seed: int, *, train: bool) -> None:
        self.size, self.seed, self.train = size, seed, train

    @abstractmethod
    def order(self, epoch: int) -> np.ndarray:
        """Rows of an epoch, over all processes [shape=(n,)]."""

    @abstractmethod
    def example(self, row: int, rng: np.random.Generator) -> Example:
        """Make one row; `rng` gives its random numbers."""

    def draws(self, epoch: int, rank: int = 0, world: int = 1) -> Sequence[Draw]:
        """Cut the order of an epoch into batches, every `world`-th row to one process."""
        order = self.order(epoch if self.train else 0)
        if self.train:
            each = len(order) // world
            if not each:
                raise InputError(f"{len(order)} examples are too few for {world} processes")
            order = order[rank : each * world : world]
        n = len(order)
        ends = n // self.size * self.size if self.train and n >= self.size else n
        return [
            Draw(tuple(int(i) for i in order[k : min(k + self.size, ends)]),
                 (self.seed, epoch if self.train else 0, rank, k))
            for k in range(0, ends, self.size)
        ]  # fmt: skip

    def make(self, draw: Draw) -> Batch:
        """Make the rows of a draw and stack them."""
        rng = draw.rng()
        return collate([self.example(row, rng) for row in draw.rows], draw.rows)


class EpochSampler(Sampler):
    """Gives a loader the draws of the epoch that the trainer names, for one process."""

    def __init__(self, batches: Batches, rank: int = 0, world: int = 1, epoch: int = 0) -> None:
        self.batches, self.rank, self.world, self.epoch = batches, rank, world, epoch
        self._size = len(batches.draws(0, rank, world))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each one.

        After a restart it does so too late for loaders that fetch ahead: they are made with the
        epoch that they go on in.
        """
        self.epoch = epoch

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Draw]:
        yield from self.batches.draws(self.epoch, self.rank, self.world)


def loader_of(
    batches: Batches, *, rank: int = 0, world: int = 1, epoch: int = 0, workers: int = 0,
    pin: bool = False,
) -> DataLoader:  # fmt: skip
    """Load the batches of one process from an epoch on, with so many processes that make them."""
    return DataLoader(
        batches,
        batch_size=None,  # the sampler gives whole batches
        sampler=EpochSampler(batches, rank, world, epoch),
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=pin,
    )
