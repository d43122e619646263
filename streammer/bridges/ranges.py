"""The range that a room has had: running tenths of what came, forgotten slowly, never jumping."""

from dataclasses import dataclass, replace
from itertools import accumulate

__all__ = ["USUAL", "Range", "init_range", "place", "widen"]

_BINS = 200
_WIDTH = 2.0 / _BINS
USUAL = (-0.2, 0.4)
"""What models of mood say of most music; stands in until a room has had its own."""

_USUAL_S = 10.0
"""How much music that counts for [s]."""

_OUTER = 0.1
"""What is left out on either side: an estimate in ten."""

_PACE = 0.02
"""How much of its own width a limit moves at most [1/s]: under what an eye sees as a jump."""

LEAST = 0.1
"""What hardly moves is not blown up: no range is narrower."""


@dataclass(frozen=True)
class Range:
    """What a room has had of one axis, from -1 to 1.

    Attributes
    ----------
    low, high : float
        What counts as 0 and as 1.
    weights : tuple of float
        Seconds of music in each bin, forgotten exponentially [s].
    """

    low: float
    high: float
    weights: tuple[float, ...] = ()


def init_range(fixed: tuple[float, float] | None, usual: tuple[float, float] = USUAL) -> Range:
    """Return a fixed range, or the one that a room begins with."""
    if fixed is not None:
        return Range(*fixed)
    low, high = usual
    inside = [low <= -1.0 + (k + 0.5) * _WIDTH < high for k in range(_BINS)]
    share = _USUAL_S / sum(inside)
    return Range(low, high, tuple(share if here else 0.0 for here in inside))


def widen(room: Range, value: float, dt_s: float, time_constant_s: float) -> Range:
    """Take a value into the range of a room.

    Parameters
    ----------
    room : Range
        A fixed one stays as it is.
    value : float
        In [-1, 1].
    dt_s : float
        How long it lasts [s].
    time_constant_s : float
        After which the weight of what came has fallen to 1/e [s].

    Returns
    -------
    Range
        Its limits have moved towards the outer tenths, by 2 % of its width a second at most.
    """
    if not room.weights:
        return room
    keep = 1.0 / (1.0 + dt_s / time_constant_s)
    weights = [keep * weight for weight in room.weights]
    weights[min(_BINS - 1, max(0, int((value + 1.0) / _WIDTH)))] += dt_s
    low, high = _quantile(weights, _OUTER), _quantile(weights, 1.0 - _OUTER)
    if high - low < LEAST:
        middle = min(1.0 - LEAST / 2, max(-1.0 + LEAST / 2, (low + high) / 2))
        low, high = middle - LEAST / 2, middle + LEAST / 2
    most = _PACE * (room.high - room.low) * dt_s
    return replace(
        room,
        low=room.low + min(most, max(-most, low - room.low)),
        high=room.high + min(most, max(-most, high - room.high)),
        weights=tuple(weights),
    )


def place(room: Range, value: float) -> float:
    """Return where a value lies in a range, from 0 to 1."""
    return min(1.0, max(0.0, (value - room.low) / (room.high - room.low)))


def _quantile(weights: list[float], share: float) -> float:
    """Return the value under which a share of the weight lies, linear within a bin."""
    total = sum(weights)
    sums = list(accumulate(weights))
    wanted = share * total
    k = next((k for k, upto in enumerate(sums) if upto >= wanted), _BINS - 1)
    inside = (wanted - (sums[k] - weights[k])) / weights[k] if weights[k] else 0.0
    return -1.0 + (k + inside) * _WIDTH
