"""From the models' raw outputs to an estimate: combine, hold, smooth, decay in silence, name.

Pure functions over a small state; the rules of the states stand in docs/design.md, contract 2.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from streammer.config import StreamConfig
from streammer.estimate import Quadrant, State, quadrant_of
from streammer.inference.backends import LoadedModel, common_step_s

__all__ = [
    "Gate",
    "Mood",
    "PostParams",
    "PostState",
    "combine",
    "gate",
    "init_post",
    "post_degraded",
    "post_params",
    "post_step",
]

SILENT_AFTER_S = 1.0
"""Sound under the threshold for this long counts as silence [s]."""

RESET_AFTER_S = 3.0
"""From this much silence on, the models' states are void: the next song begins afresh [s]."""

NEUTRAL = 0.05
"""In silence, a mood whose valence and arousal are both under this has no quadrant."""

DECAY_S = 5.0 / 3.0
"""Time constant of the way to neutral, and of sigma's growth to the prior: 95 % in 5 s [s]."""

AXES = ("valence", "arousal")
SIGMAS = ("sigma_valence", "sigma_arousal")
PROBABILITIES = ("p_positive", "p_energetic")

_SIGMA_MIN = 1e-3


class Mood(msgspec.Struct, frozen=True):
    """The six outputs of an estimate; None where no model of the stream gives one."""

    valence: float | None = None
    arousal: float | None = None
    sigma_valence: float | None = None
    sigma_arousal: float | None = None
    p_positive: float | None = None
    p_energetic: float | None = None


@dataclass(frozen=True)
class PostParams:
    """What the post-processing of one stream knows beforehand.

    Attributes
    ----------
    step_s : float
        Time between estimates [s].
    outputs : frozenset of str
        Outputs that some model of the stream gives.
    prior_sd : mapping of str to float
        Spread in training of valence and arousal: what sigma grows to when nothing is known.
    warmup_s : float
        Sound that the models need before their estimates settle [s].
    silence_dbfs : float
        Steps under this level count as silent [dBFS].
    smoothing_s : float
        Time constant of the output smoothing [s]; 0 means none.
    """

    step_s: float
    outputs: frozenset[str]
    prior_sd: Mapping[str, float]
    warmup_s: float
    silence_dbfs: float = -70.0
    smoothing_s: float = 0.0


class PostState(msgspec.Struct, frozen=True):
    """All that the post-processing remembers.

    Attributes
    ----------
    mood : Mood
        The last estimate.
    quadrant : str or None
        None before the first sound, and once silence has brought the mood to neutral.
    silent_s, stepped_s : float
        Silence up to now, and input of the models since they were reset [s].
    sounded : bool
        Whether there was any sound yet.
    fresh : bool
        Whether the next estimate of the models replaces `mood` instead of being smoothed into it.
    """

    mood: Mood
    quadrant: Quadrant | None = None
    silent_s: float = 0.0
    stepped_s: float = 0.0
    sounded: bool = False
    fresh: bool = True


class Gate(NamedTuple):
    """What the models do with a step: be reset first, be stepped, or neither."""

    reset: bool
    step: bool


def post_params(config: StreamConfig, models: Sequence[LoadedModel]) -> PostParams:
    """Return what the post-processing of a stream with these models knows beforehand."""
    prior_sd: dict[str, float] = {}
    for loaded in models:
        for axis, prior in loaded.model.prior.items():
            prior_sd.setdefault(axis, prior.sd)
    return PostParams(
        step_s=common_step_s(models),
        outputs=frozenset(name for m in models for name in m.model.outputs),
        prior_sd=prior_sd,
        warmup_s=max(m.model.warmup_s for m in models),
        silence_dbfs=config.silence_dbfs,
        smoothing_s=config.smoothing_s,
    )


def init_post(params: PostParams) -> PostState:
    """Return the state before the first step: neutral, with the prior's spread."""
    return PostState(mood=_neutral(params))


def gate(params: PostParams, state: PostState, level_dbfs: float, *, fresh: bool) -> Gate:
    """Decide before a step whether the models are reset and whether they are stepped.

    Parameters
    ----------
    level_dbfs : float
        Level of the step about to be made [dBFS].
    fresh : bool
        Whether the features began anew with this step.
    """
    loud = level_dbfs >= params.silence_dbfs
    held = not loud and (not state.sounded or state.silent_s + params.step_s > RESET_AFTER_S)
    return Gate(reset=fresh or held, step=not held)


def post_step(
    params: PostParams,
    state: PostState,
    raw: Mood | None,
    *,
    level_dbfs: float,
    clipping: bool,
    fresh: bool = False,
) -> tuple[PostState, State]:
    """Take one step.

    Parameters
    ----------
    raw : Mood or None
        The combined outputs of the models; None when they were not stepped.
    level_dbfs, clipping, fresh
        As in `pipeline.StepInput`.

    Returns
    -------
    PostState, str
        The new state, with the `mood` and `quadrant` of the estimate, and the stream's state.
    """
    loud = level_dbfs >= params.silence_dbfs
    sounded = state.sounded or loud
    silent_s = 0.0 if loud else state.silent_s + params.step_s
    before = 0.0 if fresh else state.stepped_s
    stepped_s = 0.0 if raw is None else before + params.step_s
    if not sounded or silent_s >= SILENT_AFTER_S:
        name: State = "silent"
        mood = _toward_neutral(params, state.mood) if sounded else _neutral(params)
        smooth_from_new = True
    else:
        name = "clipping" if clipping else "live"
        if stepped_s < params.warmup_s:
            name = "warming"
        mood = state.mood
        if raw is not None:
            replace_all = fresh or state.fresh
            mood = _clamped(raw) if replace_all else _smoothed(params, state.mood, raw)
        smooth_from_new = False
    # In silence, and before the first sound, a neutral mood would count as positive and energetic.
    quadrant = None
    if name != "silent" or not _is_neutral(mood):
        quadrant = quadrant_of(
            mood.valence,
            mood.arousal,
            state.quadrant,
            p_positive=mood.p_positive,
            p_energetic=mood.p_energetic,
        )
    return (
        PostState(mood, quadrant, silent_s, stepped_s, sounded, smooth_from_new),
        name,
    )


def post_degraded(params: PostParams, state: PostState) -> PostState:
    """Make a tick without sound: the last mood is held, its sigma grows to the prior."""
    return replace(state, mood=_sigma_grown(params, state.mood))


def combine(outputs: Sequence[Mapping[str, float]]) -> Mood:
    """Take each output from the first model that has it.

    Parameters
    ----------
    outputs : sequence of mappings of str to float
        One a model, in the order of the stream's models.
    """
    if len(outputs) == 1:
        return Mood(**outputs[0])
    merged: dict[str, float] = {}
    for moods in outputs:
        for name, value in moods.items():
            merged.setdefault(name, value)
    return Mood(**merged)


def _clamped(mood: Mood) -> Mood:
    return Mood(
        _within(mood.valence, -1.0, 1.0),
        _within(mood.arousal, -1.0, 1.0),
        _within(mood.sigma_valence, _SIGMA_MIN, 1.0),
        _within(mood.sigma_arousal, _SIGMA_MIN, 1.0),
        _within(mood.p_positive, 0.0, 1.0),
        _within(mood.p_energetic, 0.0, 1.0),
    )


def _within(value: float | None, low: float, high: float) -> float | None:
    return None if value is None else min(high, max(low, value))


def _smoothed(params: PostParams, last: Mood, raw: Mood) -> Mood:
    mood = _clamped(raw)
    if params.smoothing_s <= 0.0:
        return mood
    share = 1.0 - math.exp(-params.step_s / params.smoothing_s)
    return _mixed(last, mood, share, AXES + SIGMAS + PROBABILITIES)


def _mixed(a: Mood, b: Mood, share: float, names: Sequence[str]) -> Mood:
    changed: dict[str, float] = {}
    for name in names:
        x, y = getattr(a, name), getattr(b, name)
        if x is not None and y is not None:
            changed[name] = x + share * (y - x)
    return replace(a, **changed)


def _neutral(params: PostParams) -> Mood:
    values: dict[str, float] = {name: 0.0 for name in AXES if name in params.outputs}
    for name, axis in zip(SIGMAS, AXES, strict=True):
        if name in params.outputs:
            values[name] = params.prior_sd[axis]
    values |= {name: 0.5 for name in PROBABILITIES if name in params.outputs}
    return Mood(**values)


def _is_neutral(mood: Mood) -> bool:
    return abs(mood.valence or 0.0) < NEUTRAL and abs(mood.arousal or 0.0) < NEUTRAL


def _toward_neutral(params: PostParams, mood: Mood) -> Mood:
    share = 1.0 - math.exp(-params.step_s / DECAY_S)
    moved = _mixed(mood, _neutral(params), share, AXES + PROBABILITIES)
    return _sigma_grown(params, moved)


def _sigma_grown(params: PostParams, mood: Mood) -> Mood:
    share = 1.0 - math.exp(-params.step_s / DECAY_S)
    neutral = _neutral(params)
    grown = _mixed(mood, neutral, share, SIGMAS)
    # Sigma grows and never shrinks for want of sound.
    kept: dict[str, float] = {}
    for name in SIGMAS:
        old, new = getattr(mood, name), getattr(grown, name)
        if old is not None and new is not None:
            kept[name] = max(old, new)
    return replace(mood, **kept)
