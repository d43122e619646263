"""The live network as the loop takes it: network, batches, named losses."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from models.live.mood_net import MoodNet
from offline.batches.example import Batch
from offline.batches.live.data import SPAN, LiveData
from offline.batches.live.mixture import Mixture
from offline.batches.live.rows import Rows
from offline.batches.live.statistics import fit_change, fit_scale
from offline.batches.live.teaching import Taught
from offline.features.cache import FeatureCache
from offline.recipes.mood import mood_plan
from offline.recipes.recipe import Recipe
from offline.systems import near
from offline.training.live.terms import TERMS, Fitted, distil
from offline.training.system import Outputs, Trainable, TrainingData
from streammer.errors import UsageError

__all__ = ["MoodSystem", "check_weights"]


def check_weights(recipe: Recipe) -> None:
    """Refuse weights of losses that there are not.

    Raises
    ------
    UsageError
        Names the near one.
    """
    known = [*TERMS, "distil"]
    for name in recipe.training.weights:
        if name not in known:
            raise UsageError(f"{recipe.name}: training.weights has {name!r}{near(name, known)}")


class MoodSystem(Trainable):
    """A `MoodNet` on some folds.

    Parameters
    ----------
    recipe : Recipe
        Of the family ``live``; only losses that its ``training.weights`` name are computed.
    data : LiveData
    folds : tuple of int
        To train on: nothing is fitted on others.
    taught : Taught, optional
        The tagger's targets.
    cache : FeatureCache, optional
        Of changed copies.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: LiveData,
        folds: tuple[int, ...],
        taught: Taught | None = None,
        cache: FeatureCache | None = None,
    ) -> None:
        check_weights(recipe)
        self.recipe, self.plan = _without_seeds(recipe), mood_plan(recipe)
        self.live, self.folds, self.taught = data, folds, taught
        self.rows = Rows(data, folds, self.plan, taught, cache)
        centre, spread = data.prior(folds)
        self._scales: tuple[Tensor, ...] | None = None
        self.fitted = Fitted(_tensor(centre), _tensor(spread), self.plan.weights)

    def batches(self, seed: int) -> TrainingData:
        """Return the batches of a network with this seed; nothing is held out of its folds."""
        facts: dict[str, Any] = {"folds": list(self.folds)}
        return TrainingData(Mixture(self.live, self.folds, self.plan, self.rows, seed), None, facts)

    def network(self) -> nn.Module:
        """Build the untrained network."""
        return MoodNet(self.plan.config(self.taught.size if self.taught is not None else 0))

    def prepare(self, net: nn.Module, data: TrainingData) -> None:
        """Fit what the statistics are scaled by, and what counts as a change of sound."""
        assert isinstance(net, MoodNet)
        if self._scales is None:  # the same for all seeds
            clips = [
                i for i in self.live.where("curve", self.folds) if len(self.live.mel[i]) >= SPAN
            ]
            fit_change(net.texture, self.live, clips[:400])
            fit_scale(net, self.live, clips)
            self._scales = tuple(x.clone() for x in (net.texture.change_sd, net.shift, net.scale))
        for own, kept in zip(
            (net.texture.change_sd, net.shift, net.scale), self._scales, strict=True
        ):
            own.copy_(kept)

    def forward(self, net: nn.Module, batch: Batch) -> Outputs:
        """Return the heads of every step of a batch."""
        heads: Mapping[str, Tensor] = net(batch.inputs["mel"], batch.inputs["chroma"])[0]
        return heads

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Return the terms that the recipe weighs."""
        assert not isinstance(outputs, Tensor)
        fitted = self.fitted.to(outputs["mood"].device)
        return {
            name: TERMS[name](outputs, batch, fitted)
            for name in self.recipe.training.weights
            if name in TERMS
        }

    def distil(self, outputs: Outputs, wanted: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Return the distance to the mean of the seeds' heads."""
        assert not isinstance(outputs, Tensor)
        assert not isinstance(wanted, Tensor)
        return {"distil": distil(outputs, wanted, batch)}


def _without_seeds(recipe: Recipe) -> Recipe:
    """Return a recipe without the weight of distillation, if no seeds come before."""
    part = recipe.training
    if part.distil_seeds:
        return recipe
    weights = {name: weight for name, weight in part.weights.items() if name != "distil"}
    return msgspec.structs.replace(recipe, training=msgspec.structs.replace(part, weights=weights))


def _tensor(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(x)).float()
