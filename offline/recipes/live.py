"""The live model's part of a recipe: what stands under ``[network.options]``, checked."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from models.live.net import LiveConfig
from offline.recipes.recipe import Recipe
from streammer.errors import UsageError

__all__ = [
    "AUXILIARY", "CLUSTERS", "GENRES", "AugmentPart", "KernelPart", "LivePlan", "LossPart",
    "MixPart", "MlpPart", "plan_of",
]  # fmt: skip

CLUSTERS = 5
GENRES = (
    "rock", "pop", "electronic", "classical", "jazz", "country", "folk", "blues", "hip", "soul",
    "international", "experimental", "vocal",
)  # fmt: skip
AUXILIARY = (len(GENRES), CLUSTERS, 2)
"""Heads that exist in training only: genres, MIREX clusters, mood words."""


@dataclass(frozen=True)
class AugmentPart:
    """How often each change happens to a row, and how strong it is.

    Parameters
    ----------
    eq, band, noise, reverb, shift : float
        Probability per row.
    eq_db : float     [dB]
        Spread of the points of the curve.
    tilt_db : float     [dB / octave]
        Greatest slope over the whole range.
    snr_db : (float, float)     [dB]
        Range of the ratio of signal to added noise.
    """

    eq: float = 0.5
    eq_db: float = 2.5
    tilt_db: float = 1.2
    band: float = 0.25
    noise: float = 0.2
    snr_db: tuple[float, float] = (10.0, 40.0)
    reverb: float = 0.15
    shift: float = 0.3


@dataclass(frozen=True)
class KernelPart:
    """Settings of the kernel ridge.

    Parameters
    ----------
    memory_s, threshold : float
        Of `models.live.texture.Texture`.
    gamma, ridge, ridge_half, ridge_sigma : float
        Width of the kernels; strength of the ridge for mood, half-plane labels and sigma.
    log_variance_directions : int
        Principal directions that sigma depends on, beside the mood itself.
    songs, clips : int
        Centres: songs with curves, clips with quadrants.
    directions : int
        Principal directions that distances are measured in.
    weights : dict
        Of feature groups; 1 where not named.
    copies : float
        Weight of changed copies beside their originals; 0 for none.
    sounds : float
        Weight of a sound that is no music beside a song.
    """

    memory_s: float = 8.0
    threshold: float = 1.35
    gamma: float = 0.3
    ridge: float = 0.3
    ridge_half: float = 0.3
    ridge_sigma: float = 1.0
    log_variance_directions: int = 8
    songs: int = 600
    clips: int = 400
    directions: int = 96
    limit: float = 5.0
    copies: float = 0.5
    sounds: float = 1.0
    weights: dict[str, float] = field(default_factory=lambda: {"key": 2.0, "chords": 1.3})


@dataclass(frozen=True)
class MlpPart:
    """Settings of the mlps.

    Parameters
    ----------
    members, hidden : int
        How many, and the size of the first hidden layer; no members for no mlps.
    dropout, noise : float
        Noise is added to the scaled statistics (each has a spread of 1).
    epochs, batch : int
    lr, weight_decay : float
    half, consistency, pseudo_label, words, cluster, genre : float
        Weights of the losses beside that of valence and arousal: half-plane labels, consistency
        of changed copies, pseudo-labels of songs without labels, and of the heads that exist in
        training only.
    """

    members: int = 4
    hidden: int = 128
    dropout: float = 0.4
    noise: float = 0.3
    epochs: int = 12
    batch: int = 256
    lr: float = 2e-3
    weight_decay: float = 0.05
    half: float = 1.0
    consistency: float = 0.1
    pseudo_label: float = 0.5
    words: float = 0.3
    cluster: float = 0.08
    genre: float = 0.1


class MixPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a batch holds.

    Attributes
    ----------
    curve, quadrant, cluster, sound : int
        Clips with curves, with quadrants, with clusters; synthetic sounds.
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
        Fields of `AugmentPart`: for the networks' batches, and for the changed copies that the
        kernel ridge is fitted on.
    kernel : dict
        Fields of `KernelPart`.
    mlps : dict
        Fields of `MlpPart`.
    mlp_share : four floats
        Of the MLPs in valence, arousal, positive and energetic; the kernel ridge has the
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
    mlps: dict[str, Any] = {}
    mlp_share: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
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
    def changes(self) -> AugmentPart:
        """What happens to the music on its way to the networks."""
        return AugmentPart(**_tuples(self.augment))

    @property
    def copied(self) -> AugmentPart:
        """What happens to the copies that the kernel ridge is fitted on."""
        return AugmentPart(**_tuples(self.copies))

    @property
    def part(self) -> KernelPart:
        """Settings of the kernel ridge."""
        return KernelPart(**self.kernel)

    @property
    def mlp(self) -> MlpPart:
        """Settings of the mlps."""
        return MlpPart(**self.mlps)

    @property
    def has_mlps(self) -> bool:
        """Whether MLPs speak at all."""
        return any(self.mlp_share)

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
        _ = plan.config, plan.changes, plan.copied, plan.part, plan.mlp
    except (msgspec.ValidationError, TypeError) as error:
        raise UsageError(f"{recipe.name}: network.options: {error}") from error
    return plan
