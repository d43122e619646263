"""The live network's part of a recipe: what stands under ``[network.options]``, checked."""

from dataclasses import dataclass
from typing import Any

import msgspec

from models.live.mood_net import MoodNetConfig
from offline.recipes.extends import refuse_keys
from offline.recipes.recipe import Recipe
from streammer.errors import UsageError

__all__ = [
    "CLUSTERS", "GENRES", "AugmentPart", "MixPart", "MoodPlan", "TeacherPart", "WeightPart",
    "mood_plan",
]  # fmt: skip

CLUSTERS = 5
GENRES = (
    "rock", "pop", "electronic", "classical", "jazz", "country", "folk", "blues", "hip", "soul",
    "international", "experimental", "vocal",
)  # fmt: skip


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


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a recipe: every name in it is known."""


class MixPart(_Part):
    """What a batch holds.

    Attributes
    ----------
    curve, quadrant, cluster, sound : int
        Clips with labels over time, with quadrants, with clusters; sounds that are no music.
    twins : int
        Of the first rows, so many stand in the batch twice, each changed in its own way.
    splice : float
        Share of rows that begin with another clip: a cut is what a stream has and a file has not.
    variants : float
        Share of rows that are taken from a changed copy of their recording.
    """

    curve: int = 64
    quadrant: int = 30
    cluster: int = 20
    sound: int = 6
    twins: int = 0
    splice: float = 0.4
    variants: float = 0.0


class WeightPart(_Part):
    """How much a step counts.

    Attributes
    ----------
    early, after_cut : float
        The first 2 s of a row; the first 1.5 s after a cut.
    sound_mean : float
        "In the middle" for sounds that are no music, beside a label of music.
    sign_at : float
        Where the losses of signs change sign: 0 at zero, as what is published, 1 at the mean of the
        training labels, which for DEAM is above zero.
    noise : float
        0 to 1: how far labels count by the agreement of their raters, where it is known.
    """

    early: float = 0.3
    after_cut: float = 0.3
    sound_mean: float = 0.3
    sign_at: float = 1.0
    noise: float = 0.0


class TeacherPart(_Part):
    """The tagger's soft targets.

    Attributes
    ----------
    components : int
        Principal components of its features, fitted on training folds.
    every : int
        Steps between its windows.
    variants : int
        Changed copies of each recording that are tagged, cached and trained on.
    """

    components: int = 200
    every: int = 4
    variants: int = 0


class MoodPlan(_Part):
    """Everything under ``[network.options]``.

    Attributes
    ----------
    net : dict
        Fields of `models.live.mood_net.MoodNetConfig`.
    augment : dict
        Fields of `AugmentPart`.
    mix, weights, teacher
        See there.
    sounds : int
        How many sounds that are no music are made.
    folds, seeds : int
        One artefact for each held-out fold and seed.
    """

    net: dict[str, Any] = {}
    augment: dict[str, Any] = {}
    mix: MixPart = MixPart()
    weights: WeightPart = WeightPart()
    teacher: TeacherPart = TeacherPart()
    sounds: int = 220
    folds: int = 5
    seeds: int = 1

    def config(self, teacher: int = 0) -> MoodNetConfig:
        """Sizes of a network; `teacher` is the number of the tagger's targets, 0 without them."""
        heads = {"genre": len(GENRES), "cluster": CLUSTERS, "words": 2}
        if teacher:
            heads["teacher"] = teacher
        return MoodNetConfig(**_tuples(self.net), auxiliary=heads)

    @property
    def changes(self) -> AugmentPart:
        """What happens to the music on its way to the network."""
        return AugmentPart(**_tuples(self.augment))


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}


def mood_plan(recipe: Recipe) -> MoodPlan:
    """Return the checked plan of a recipe of the live network.

    Raises
    ------
    UsageError
        An unknown name or a wrong type, in one line.
    """
    tables = {"net": MoodNetConfig, "augment": AugmentPart}
    refuse_keys(recipe.network.options, MoodPlan, recipe.name, "network.options.", tables=tables)
    try:
        plan = msgspec.convert(recipe.network.options, MoodPlan, strict=False)
        _ = plan.config(), plan.changes
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise UsageError(f"{recipe.name}: network.options: {error}") from error
    return plan
