"""The live network's part of a recipe: what stands under ``[network.options]``, checked."""

from typing import Any

import msgspec

from models.live.mood_net import MoodNetConfig
from offline.recipes.live import CLUSTERS, GENRES, AugmentPart
from offline.recipes.recipe import Recipe
from streammer.errors import UsageError

__all__ = ["LossPart", "MixPart", "MoodPlan", "TeacherPart", "WeightPart", "mood_plan"]


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


class LossPart(_Part):
    """Weights of the losses, by name; 0 leaves one out.

    Attributes
    ----------
    mood, sigma : float
        Squared error of valence and arousal; likelihood of their sigma, the mean detached.
    half_planes : float
        Cross entropy of positive and energetic.
    sign_valence, sign_arousal : float
        The same labels on the sign of valence and of arousal.
    rank_valence, rank_positive : float
        Pairs of clips inside each half: the positive one first, in valence and in its logit.
    rank_cluster : float
        Pairs of clips whose clusters have an order, in valence and arousal.
    deezer, words : float
        Squared error of valence and arousal against the Deezer set's, and of a head of its own
        against the mean of a song's mood words.
    genre, cluster : float
        Cross entropy of heads of their own.
    teacher : float
        Of the tagger's features and tags.
    consistency : float
        Squared difference of twins' mood and logits.
    distil : float
        Distance to the mean of several networks' outputs.
    """

    mood: float = 10.0
    sigma: float = 0.2
    half_planes: float = 0.5
    sign_valence: float = 0.3
    sign_arousal: float = 0.1
    rank_valence: float = 0.0
    rank_positive: float = 0.0
    rank_cluster: float = 0.0
    deezer: float = 0.0
    words: float = 1.0
    genre: float = 0.15
    cluster: float = 0.2
    teacher: float = 4.0
    consistency: float = 0.0
    distil: float = 0.0


class WeightPart(_Part):
    """How much a step counts.

    Attributes
    ----------
    early, after_cut : float
        The first 2 s of a row; the first 1.5 s after a cut.
    sound_mean : float
        "In the middle" for sounds that are no music, beside a label of music.
    noise : float
        0 to 1: how far labels count by the agreement of their raters, where it is known.
    """

    early: float = 0.3
    after_cut: float = 0.3
    sound_mean: float = 0.3
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
    mix, loss, weights, teacher
        See there.
    folds, seeds : int
        Networks of each held-out fold; with several, one more is distilled from their mean.
    average, warm_up, clip : float
        Decay of the average of weights; share of the schedule that rises; largest gradient.
    """

    net: dict[str, Any] = {}
    augment: dict[str, Any] = {}
    mix: MixPart = MixPart()
    loss: LossPart = LossPart()
    weights: WeightPart = WeightPart()
    teacher: TeacherPart = TeacherPart()
    folds: int = 5
    seeds: int = 3
    average: float = 0.99
    warm_up: float = 0.2
    clip: float = 2.0

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
    try:
        plan = msgspec.convert(recipe.network.options, MoodPlan, strict=False)
        _ = plan.config(), plan.changes
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise UsageError(f"{recipe.name}: network.options: {error}") from error
    return plan
