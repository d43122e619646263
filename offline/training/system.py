"""What a system is to the laboratory, and what a network is to the loop.

`System` is what the commands call: fitted, predicted, exported. `Trainable` is all that
`offline.training.loop` asks of a network: what it is, how it is applied, its loss. A system with a
network is both, see `offline.training.network`. The registry (`offline.systems`) names the classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from offline.batches.draws import Batches
from offline.batches.example import Batch
from offline.datasets import Dataset
from offline.recipes.recipe import Recipe
from offline.runs import Predictions, Run
from offline.training.losses import squared
from streammer.errors import UsageError
from streammer.frontend import FrontEndSpec

__all__ = ["Outputs", "Stepping", "System", "Trainable", "TrainingData"]

Outputs = Tensor | Mapping[str, Tensor]
"""What a network gives: one tensor, or several by name."""


@dataclass(frozen=True)
class Stepping:
    """A system as the exporter takes it.

    Attributes
    ----------
    module : nn.Module
        See `offline.export.onnx.export_model`.
    front_ends : mapping of str to FrontEndSpec
    step_s : float     [s]
    """

    module: nn.Module
    front_ends: Mapping[str, FrontEndSpec]
    step_s: float


@dataclass
class TrainingData:
    """What a network is trained on.

    Attributes
    ----------
    train : Batches
    validation : Batches or None
        None where nothing is held out for it: then the last weights are kept.
    facts : dict
        What the run remembers: ``n_train``, ``n_validation``, ``data_hash``, ``constant``,
        ``prior`` and whatever else predicting needs.
    """

    train: Batches
    validation: Batches | None
    facts: dict[str, Any] = field(default_factory=dict)


class System(ABC):
    """A recipe's system.

    Parameters
    ----------
    recipe : Recipe
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    @abstractmethod
    def fit(
        self, run: Run, dataset: Dataset, *, workers: int = 1, show: bool = True
    ) -> dict[str, Any]:
        """Fit on the training side of a run; return what it remembers, with ``n_train``,
        ``constant``, ``prior`` and the ``hash`` of what was fitted."""  # noqa: D205, D209

    @abstractmethod
    def predict(
        self, run: Run, dataset: Dataset, uids: Sequence[str], *, workers: int = 1,
        show: bool = True,
    ) -> Predictions:  # fmt: skip
        """Predict songs with a fitted run."""

    def check(self) -> None:  # noqa: B027
        """Refuse what cannot be fitted here, before anything is computed or thrown away.

        Raises
        ------
        UsageError
            Says what, and what to do.
        """

    def features(self, dataset: Dataset) -> tuple[list[Path], list[FrontEndSpec]]:
        """Return the files that it takes features of, and the front ends."""
        paths = [clip.path for song in dataset for clip in song.clips]
        return paths, [self.recipe.spec]

    def stepping(self, run: Run) -> Stepping:
        """Return a fitted run as the exporter takes it.

        Raises
        ------
        UsageError
            It fits no artefact.
        """
        raise UsageError(f"{run.path}: {self.recipe.name} cannot be exported, it is no network")

    def notes(self) -> list[str]:
        """Return sentences for the card."""
        return []


class Trainable(ABC):
    """A network as the loop takes it.

    Attributes
    ----------
    recipe : Recipe
        Whose ``training`` part the loop follows.
    """

    recipe: Recipe

    @abstractmethod
    def network(self) -> nn.Module:
        """Build the untrained network; weights follow from torch's global seed.

        Raises
        ------
        UsageError
            The recipe's options fit no network.
        """

    @abstractmethod
    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of the loss by name, each a scalar.

        The loop adds them with the recipe's ``training.weights`` and logs each. Random numbers
        come from torch's global generator, which the loop seeds for every step.
        """

    def prepare(self, net: nn.Module, data: TrainingData) -> None:  # noqa: B027
        """Fit what is no weight (means, spreads) on the training side, before the first step."""

    def forward(self, net: nn.Module, batch: Batch) -> Outputs:
        """Apply a network to a batch: to its inputs, in their order."""
        outputs: Outputs = net(*batch.inputs.values())
        return outputs

    def distil(self, outputs: Outputs, wanted: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Return the terms that draw a student to the mean outputs of the seeds before it."""
        if isinstance(outputs, Tensor) and isinstance(wanted, Tensor):
            return {"distil": squared(outputs, wanted, torch.ones_like(wanted))}
        assert not isinstance(outputs, Tensor)
        assert not isinstance(wanted, Tensor)
        return {
            f"distil.{name}": squared(outputs[name], y, torch.ones_like(y))
            for name, y in wanted.items()
        }
