"""A system with a torch network: a subclass gives network, batches and loss, the loop the rest."""

from abc import abstractmethod
from typing import Any

from torch import nn

from offline.datasets import Dataset
from offline.runs import Run
from offline.training.loop import check_device, load_weights, makers_of, on_gpu, train_network
from offline.training.system import System, Trainable, TrainingData

__all__ = ["NetworkSystem"]


class NetworkSystem(System, Trainable):
    """A system that the one loop trains.

    A subclass gives `network`, `data`, `loss` and `predict`; the rest has defaults that a simple
    network needs not change.
    """

    @abstractmethod
    def data(self, run: Run, dataset: Dataset, *, workers: int, show: bool) -> TrainingData:
        """Return the batches of the training and validation side.

        Raises
        ------
        InputError
            There is nothing to train or validate on.
        """

    def check(self) -> None:
        """Refuse a device or precision that is not to be had here."""
        check_device(self.recipe.training)

    def fit(
        self, run: Run, dataset: Dataset, *, workers: int = 1, show: bool = True
    ) -> dict[str, Any]:
        """Train the network of a run, after the seeds that it is distilled from."""
        data = self.data(run, dataset, workers=workers, show=show)
        part = self.recipe.training
        makers = makers_of(part, workers)
        done = train_network(
            self, lambda _: data, run.path, seed=part.seed, workers=makers, show=show
        )
        return {**data.facts, **done.facts}

    def load(self, run: Run) -> nn.Module:
        """Return the fitted network of a run, ready to predict, on the device that trains it."""
        net = load_weights(self.network(), run.path / "checkpoints" / run.fitted["best"])
        return net.cuda() if on_gpu(self.recipe.training) else net
