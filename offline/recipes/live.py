"""The live model's part of a recipe: what stands under ``[network.options]``, checked."""

from typing import Any

import msgspec

from models.live.net import LiveConfig
from offline.batches.live.data import CLUSTERS, GENRES
from offline.features.augment import Augment
from offline.recipes.recipe import Recipe
from offline.training.live.mlp import PerceptronPart
from offline.training.live.ridge import KernelPart
from streammer.errors import UsageError

__all__ = ["AUXILIARY", "LivePlan", "LossPart", "MixPart", "plan_of"]

AUXILIARY = (len(GENRES), CLUSTERS, 2)
"""Heads that exist in training only: genres, MIREX clusters, mood words."""


class MixPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a batch holds.

    Attributes
    ----------
    curve, quadrant, cluster, sound : int
        Clips with curves, with quadrants, with clusters; made-up sounds.
    splice : float
        Share of rows that begin with the end of another row.
    """

    curve: int = 64
    quadrant: int = 30
    cluster: int = 20
    sound: int = 6
    splice: float = 0.4


class LossPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weights of the losses.

    Attributes
    ----------
    mean, sigma, half : float
        Squared error; likelihood of sigma; entropy of positive and energetic.
    genre, cluster, words : float
        Of the heads that exist in training only.
    early : float
        Weight of the first four steps of a row and of the two after a splice.
    sound_mean : float
        How much "in the middle" counts for sounds that are no music, beside a label of music.
    """

    mean: float = 10.0
    sigma: float = 0.2
    half: float = 0.5
    genre: float = 0.15
    cluster: float = 0.2
    words: float = 1.0
    early: float = 0.3
    sound_mean: float = 0.3


class LivePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything under ``[network.options]``.

    Attributes
    ----------
    net : dict
        Fields of `models.live.net.LiveConfig`.
    augment, copies : dict
        Fields of `offline.features.augment.Augment`: for the networks' batches, and for the changed
        copies that the kernel machine hears.
    kernel : dict
        Fields of `offline.training.live.ridge.KernelPart`.
    perceptrons : dict
        Fields of `offline.training.live.mlp.PerceptronPart`.
    perceptron_share : four floats
        Of the perceptrons in valence, arousal, positive and energetic; the kernel machine has the
        rest of what the networks leave.
    folds, seeds : int
        One artefact for each held-out fold and seed.
    network_seeds : int
        Of the networks, which take their time: seeds beyond share the last of these.
    share : four floats
        Of the networks in valence, arousal, positive and energetic.
    smoothing_s : float     [s]
        Running mean of all outputs inside the artefact.
    average, warm_up, clip : float
        Decay of the average of weights; share of the schedule that rises; largest gradient.
    """

    net: dict[str, Any] = {}
    augment: dict[str, Any] = {}
    copies: dict[str, Any] = {}
    kernel: dict[str, Any] = {}
    perceptrons: dict[str, Any] = {}
    perceptron_share: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    mix: MixPart = MixPart()
    loss: LossPart = LossPart()
    folds: int = 5
    seeds: int = 3
    network_seeds: int = 1
    share: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    smoothing_s: float = 0.0
    average: float = 0.99
    warm_up: float = 0.2
    clip: float = 2.0

    @property
    def config(self) -> LiveConfig:
        """Sizes of a network."""
        return LiveConfig(**_tuples(self.net), auxiliary=AUXILIARY)

    @property
    def changes(self) -> Augment:
        """What happens to the music on its way to the networks."""
        return Augment(**_tuples(self.augment))

    @property
    def copied(self) -> Augment:
        """What happens to the copies that the kernel machine hears."""
        return Augment(**_tuples(self.copies))

    @property
    def part(self) -> KernelPart:
        """Settings of the kernel machine."""
        return KernelPart(**self.kernel)

    @property
    def perceptron(self) -> PerceptronPart:
        """Settings of the perceptrons."""
        return PerceptronPart(**self.perceptrons)

    @property
    def has_perceptrons(self) -> bool:
        """Whether perceptrons speak at all."""
        return any(self.perceptron_share)

    @property
    def has_networks(self) -> bool:
        """Whether networks speak at all."""
        return any(self.share)


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}


def plan_of(recipe: Recipe) -> LivePlan:
    """Return the checked plan of a recipe of the family ``live``.

    Raises
    ------
    UsageError
        Another family, an unknown name or a wrong type, in one line.
    """
    if recipe.family != "live":
        raise UsageError(f"{recipe.name}: family is {recipe.family}, expected live")
    try:
        plan = msgspec.convert(recipe.network.options, LivePlan, strict=False)
        _ = plan.config, plan.changes, plan.copied, plan.part, plan.perceptron
    except (msgspec.ValidationError, TypeError) as error:
        raise UsageError(f"{recipe.name}: network.options: {error}") from error
    return plan
