"""The one shaping step: from estimates twice a second to frames at a steady rate.

Pure: a state, what was received, and the time give a new state and a frame. Everything happens on
a time line of its own, which lies ``delay_ms`` behind: an estimate takes effect exactly so long
after it was received, silence and the end of a stream as well.

On that line every value runs in a straight line from where it is to what the newest estimate says,
over one interval of estimates, so that it arrives when the next one is due: it never overshoots,
and is monotone between two estimates. Attack and release then bound how fast it may rise and fall.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from streammer.bridges.frame import Frame, Received
from streammer.bridges.options import Quiet, Shaping
from streammer.bridges.ranges import Range, init_range, place, widen
from streammer.bridges.rules import Watch, step
from streammer.estimate import MoodEstimate, Quadrant

__all__ = ["STALE_S", "ShapeState", "init_shape", "shape"]

STALE_S = 2.0
"""Without an estimate for so long, or for two intervals, a stream is stale."""

_INTERVAL_S = 0.5
_INTERVALS = 5
_SHORTEST_S, _LONGEST_S = 1.0 / 60.0, 10.0
_SIGMA_USUAL = 0.2
_USUAL_P = (-0.8, 0.8)
"""Probabilities spread further than means do."""


_SPANS = {
    "valence": 2.0,
    "arousal": 2.0,
    "valence01": 1.0,
    "arousal01": 1.0,
    "x": 1.0,
    "y": 1.0,
    "p_positive": 1.0,
    "p_energetic": 1.0,
    "intensity": 1.0,
    "active": 1.0,
    "sigma_valence": math.inf,
    "sigma_arousal": math.inf,
}
"""What glides, with the range that attack and release speak of; a sigma is not slowed."""

_OF_THE_WIRE = (
    "valence", "arousal", "p_positive", "p_energetic", "sigma_valence", "sigma_arousal",
)  # fmt: skip


Values = dict[str, float]


@dataclass(frozen=True)
class _Glide:
    """A straight line of every value from `begin` to `end`, where it stays."""

    begin: Values
    end: Values
    since: float
    until: float

    def at(self, t: float) -> Values:
        if t >= self.until:
            return self.end
        if t <= self.since:
            return self.begin
        part = (t - self.since) / (self.until - self.since)
        return {k: a + part * (self.end[k] - a) for k, a in self.begin.items()}


@dataclass(frozen=True, kw_only=True)
class ShapeState:
    """All that shaping remembers; times are on its own line [s]."""

    glide: _Glide
    shown: Values
    shown_at: float | None = None
    pending: tuple[Received, ...] = ()
    rooms: Mapping[str, Range]
    received_at: float | None = None
    intervals: tuple[float, ...] = (_INTERVAL_S,)
    missing: frozenset[str] = frozenset(_OF_THE_WIRE)
    quiet: Quiet | None = "rest"
    state: str = "stale"
    quadrant: Quadrant | None = None
    turned_at: float = -math.inf
    watches: tuple[Watch, ...] = ()


def init_shape(options: Shaping) -> ShapeState:
    """Return the state before any estimate: the resting scene stands."""
    neutral = dict.fromkeys(_SPANS, 0.0)
    rest = neutral | _target(options, neutral, "black" if options.on_stale == "black" else "rest")
    return ShapeState(
        glide=_Glide(rest, rest, 0.0, 0.0),
        shown=rest,
        rooms=_rooms(options),
        watches=(Watch(),) * len(options.rules),
    )


def shape(
    options: Shaping, state: ShapeState, received: Sequence[Received], now: float
) -> tuple[ShapeState, Frame]:
    """Return the frame of a moment.

    Parameters
    ----------
    options : Shaping
    state : ShapeState
        From `init_shape`, or from the frame before.
    received : sequence of Received
        What has come since the frame before, in order.
    now : float
        Time of the frame, which does not go back [s].

    Returns
    -------
    ShapeState, Frame
    """
    t = now - options.delay_ms / 1000.0
    pending = [*state.pending, *received]
    while pending and pending[0].at <= t:
        came = pending.pop(0)
        state = _take(options, _let_go_stale(options, state, came.at), came)
    state = _let_go_stale(options, state, t)
    values = _slowed(options, state, t)
    quadrant = state.quadrant if state.quiet in (None, "hold") else None
    frame = Frame(
        t=now,
        quadrant=quadrant,
        state=state.state,
        **{k: None if k in state.missing else value for k, value in values.items()},  # type: ignore[arg-type]
    )
    watches, fired = _watched(options, state, frame, t)
    state = replace(state, pending=tuple(pending), shown=values, shown_at=t, watches=watches)
    return state, replace(frame, fired=fired)


def _take(options: Shaping, state: ShapeState, came: Received) -> ShapeState:
    """Take in an estimate at the time at which it takes effect."""
    mood, at = came.mood, came.at
    if mood is None:
        return _rest(options, replace(state, received_at=None), options.on_ended, "ended", at)
    if state.received_at is not None and at > state.received_at:
        gap = min(_LONGEST_S, max(_SHORTEST_S, at - state.received_at))
        state = replace(state, intervals=(*state.intervals, gap)[-_INTERVALS:])
    state = replace(state, received_at=at)
    if mood.state == "degraded":  # the last mood stays
        return replace(state, state=mood.state)
    if mood.state == "silent":
        return _rest(options, state, options.on_silent, mood.state, at)
    interval = median(state.intervals)
    if mood.state in ("live", "clipping"):
        state = replace(
            state,
            rooms={
                name: room if value is None else widen(room, value, interval, options.range_s)
                for (name, room), value in zip(state.rooms.items(), _axes(mood), strict=True)
            },
        )
    end = _values(options, state, mood)
    glide = _Glide(state.glide.at(at), end, at, at + interval)
    missing = frozenset(k for k in _OF_THE_WIRE if getattr(mood, k) is None)
    state = replace(state, glide=glide, missing=missing, quiet=None, state=mood.state)
    return _turned(options, state, mood, at)


def _rooms(options: Shaping) -> dict[str, Range]:
    """Return the ranges that a room begins with, in the order of `_axes`."""
    limits = options.limits
    if limits is not None:
        whole = init_range((-1.0, 1.0))
        axes = {"valence": init_range(limits[0]), "arousal": init_range(limits[1])}
        return axes | {"p_positive": whole, "p_energetic": whole}
    axes = dict.fromkeys(("valence", "arousal"), init_range(None))
    return axes | dict.fromkeys(("p_positive", "p_energetic"), init_range(None, _USUAL_P))


def _axes(mood: MoodEstimate) -> tuple[float | None, ...]:
    """Return what is placed in the range of the room, each from -1 to 1."""
    p = (mood.p_positive, mood.p_energetic)
    return mood.valence, mood.arousal, *(None if each is None else 2.0 * each - 1.0 for each in p)


def _values(options: Shaping, state: ShapeState, mood: MoodEstimate) -> Values:
    """Return what an estimate says of every value; one that is missing is in the middle."""
    wire = {k: getattr(mood, k) for k in _OF_THE_WIRE}
    values = {k: _NEUTRAL[k] if value is None else float(value) for k, value in wire.items()}
    placed = {
        name: 0.5 if value is None else place(room, value)
        for (name, room), value in zip(state.rooms.items(), _axes(mood), strict=True)
    }
    values["valence01"], values["arousal01"] = placed["valence"], placed["arousal"]
    both = mood.p_positive is not None and mood.p_energetic is not None
    values["x"] = placed["p_positive" if both else "valence"]
    values["y"] = placed["p_energetic" if both else "arousal"]
    values["intensity"] = options.floor + (1.0 - options.floor) * values["arousal01"]
    values["active"] = 1.0
    return values


_NEUTRAL = dict.fromkeys(_OF_THE_WIRE, 0.0) | {"p_positive": 0.5, "p_energetic": 0.5}


def _turned(options: Shaping, state: ShapeState, mood: MoodEstimate, at: float) -> ShapeState:
    """Take over the quadrant of an estimate if it is clear enough and the last one had its time."""
    new, old = mood.quadrant, state.quadrant
    if new is None or new == old:
        return state
    if old is not None:
        if at - state.turned_at < options.dwell:
            return state
        right, up = _deciding(mood)
        if (new in ("Q1", "Q4")) != (old in ("Q1", "Q4")) and abs(right) < options.margin:
            return state
        if (new in ("Q1", "Q2")) != (old in ("Q1", "Q2")) and abs(up) < options.margin:
            return state
    return replace(state, quadrant=new, turned_at=at)


def _deciding(mood: MoodEstimate) -> tuple[float, float]:
    """Return what decides the quadrant of a mood, from the middle (`streammer.estimate`)."""
    if mood.p_positive is not None and mood.p_energetic is not None:
        return mood.p_positive - 0.5, mood.p_energetic - 0.5
    return mood.valence or 0.0, mood.arousal or 0.0


def _let_go_stale(options: Shaping, state: ShapeState, t: float) -> ShapeState:
    """Turn to what is shown of a stale stream, if it is one by the time `t`."""
    if state.received_at is None:
        return state
    stale_at = state.received_at + max(STALE_S, 2.0 * median(state.intervals))
    if t < stale_at:
        return state
    return _rest(options, replace(state, received_at=None), options.on_stale, "stale", stale_at)


def _rest(options: Shaping, state: ShapeState, quiet: Quiet, reason: str, at: float) -> ShapeState:
    """Turn to what is shown while there is no music."""
    # What held the resting scene goes on resting: hold is the last mood, and there is none.
    if quiet == "hold" and state.quiet in ("rest", "black"):
        quiet = state.quiet
    if quiet == state.quiet:
        return replace(state, state=reason)
    if quiet != "hold":
        begin = state.glide.at(at)
        glide = _Glide(begin, begin | _target(options, begin, quiet), at, at + options.fade)
        state = replace(state, glide=glide, quadrant=None, turned_at=-math.inf)
    return replace(state, quiet=quiet, state=reason)


def _target(options: Shaping, values: Mapping[str, float], quiet: Quiet) -> Values:
    """Return where values go for the resting scene or for black."""
    if quiet == "black":
        return {"intensity": 0.0, "active": 0.0}
    rest = options.resting
    return {
        "valence": 2.0 * rest.valence - 1.0,
        "arousal": 2.0 * rest.arousal - 1.0,
        "valence01": rest.valence,
        "arousal01": rest.arousal,
        "x": rest.valence,
        "y": rest.arousal,
        "p_positive": 0.5,
        "p_energetic": 0.5,
        "intensity": rest.intensity,
        "active": 0.0,
        "sigma_valence": values["sigma_valence"],
        "sigma_arousal": values["sigma_arousal"],
    }


def _slowed(options: Shaping, state: ShapeState, t: float) -> Values:
    """Return every value at a time, no further from the last frame than attack and release let."""
    wanted = state.glide.at(t)
    if state.shown_at is None:
        return wanted
    dt = t - state.shown_at
    up_s, down_s = options.attack, options.release
    if state.quiet in ("rest", "black"):
        up_s = down_s = options.fade
    elif options.damp:
        sigmas = [wanted[k] for k in ("sigma_valence", "sigma_arousal") if k not in state.missing]
        slower = 1.0 + options.damp * max(sigmas, default=0.0) / _SIGMA_USUAL
        up_s, down_s = up_s * slower, down_s * slower
    shown = {}
    for k, span in _SPANS.items():
        old, free = state.shown[k], math.isinf(span)
        up = math.inf if free or not up_s else span * dt / up_s
        down = math.inf if free or not down_s else span * dt / down_s
        shown[k] = min(old + up, max(old - down, wanted[k]))
    return shown


def _watched(
    options: Shaping, state: ShapeState, frame: Frame, t: float
) -> tuple[tuple[Watch, ...], tuple[str, ...]]:
    """Return where the rules stand, and the names of those that fire; at rest none does."""
    rules = options.rules
    if state.quiet is not None:
        return tuple(Watch(None, watch.armed) for watch in state.watches), ()
    watches, fired = [], []
    for rule, watch in zip(rules, state.watches, strict=True):
        after, fires = step(rule, watch, {rule.key: getattr(frame, rule.key)}, t)
        watches.append(after)
        if fires:
            fired.append(rule.name)
    return tuple(watches), tuple(fired)
