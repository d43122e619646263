"""What the bus carries: the estimate, its states and quadrants, the stream's status.

The same keys stand in Python, JSON, CSV, Parquet and on the wire (docs/design.md, contract 2).
"""

import secrets
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from streammer.clock import Clock

__all__ = [
    "DECIMALS",
    "STATES",
    "MoodEstimate",
    "Quadrant",
    "State",
    "StreamStatus",
    "new_epoch",
    "quadrant_of",
    "rounded",
]

State = Literal["ended", "degraded", "silent", "warming", "clipping", "live"]
STATES: tuple[State, ...] = ("ended", "degraded", "silent", "warming", "clipping", "live")
"""All states, strongest first."""

Quadrant = Literal["Q1", "Q2", "Q3", "Q4"]

DECIMALS = {
    **dict.fromkeys(("valence", "arousal", "sigma_valence", "sigma_arousal"), 4),
    **dict.fromkeys(("p_positive", "p_energetic"), 4),
    **dict.fromkeys(("t_audio_s", "t_capture", "t_publish", "duration_s"), 6),
    **dict.fromkeys(("step_s", "latency_s", "uptime_s"), 6),
    "level_dbfs": 3,
    "lag_ms": 1,
}
"""Decimals that a value carries wherever it is published: more would be noise, and long lines."""

HYSTERESIS = 0.05
"""How far valence or arousal must cross zero before its sign counts as changed."""


class MoodEstimate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """One estimate of how the music feels, made every step (0.5 s).

    Attributes
    ----------
    v : int
        Version of this format, 1.
    stream, epoch, seq : str, str, int
        Name of the feed, one life of its publisher (16 hex digits), tick within it from 0.
    t_audio_s : float
        Seconds of sound since the epoch began, received or known to be lost [s].
    t_capture, t_publish : float
        Unix time of the last sample behind the estimate, and of publication [s].
    valence, arousal : float or None
        Negative .. positive, calm .. energetic; in [-1, 1].
    sigma_valence, sigma_arousal : float or None
        One standard deviation on the same scale.
    p_positive, p_energetic : float or None
        Probability that the music belongs to the positive, the energetic half of the plane.
    quadrant : str or None
        Q1 ++, Q2 -+, Q3 --, Q4 +-, the most probable one, see `quadrant_of`; None before the first
        sound and once silence has taken valence and arousal under 0.05.
    state : str
        One of `STATES`.
    level_dbfs : float
        RMS of the step after its mean is removed [dBFS], floored at -120.
    lag_ms : float
        From the moment the step could first be computed, the wait in a device's ring included, to
        its publication [ms].
    model : str
        Name of the model, or of several joined by '+'.
    lost_samples : int
        Samples lost since the epoch began, at the source's rate.
    """

    v: int = 1
    stream: str
    epoch: str
    seq: int
    t_audio_s: float
    t_capture: float
    t_publish: float
    valence: float | None
    arousal: float | None
    sigma_valence: float | None
    sigma_arousal: float | None
    p_positive: float | None
    p_energetic: float | None
    quadrant: Quadrant | None
    state: State
    level_dbfs: float
    lag_ms: float
    model: str
    lost_samples: int


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """What a stream is and how it fares: sent on every change of state and every 5 s.

    Attributes
    ----------
    v : int
        Version of this format, 1.
    stream, epoch, state : str
        As in `MoodEstimate`.
    source, source_kind : str
        Name of the source; device, file, url, pcm or array.
    models : list of str
        Names with versions, in the order in which outputs are taken from them.
    sr, channels : int
        Rate [Hz] and channels of the source; 0 before it is open.
    rates : list of int
        Input rates of the front ends [Hz].
    step_s, latency_s : float
        Time between estimates, and the known latency of resampler and window [s].
    steps, degraded_ticks, lost_samples, reopened, nonfinite_samples, clipped_samples : int
        Counters since the epoch began.
    skipped_ticks : int
        Ticks that were due while the process did not run (stopped, asleep) and were not made up.
    dropped_lines : int
        Lines that an output was too slow to take.
    overloaded : bool
        Whether a step takes longer than the sound of a step lasts.
    uptime_s : float
        Since the epoch began [s].
    version : str
        Version of streammer.
    detail : str
        Why the source failed, when it did; else empty.
    replay : bool
        Whether a recording is played back: its estimates were made at another time.
    """

    v: int = 1
    stream: str
    epoch: str
    state: State
    source: str
    source_kind: str
    models: list[str]
    sr: int
    channels: int
    rates: list[int]
    step_s: float
    latency_s: float
    steps: int
    degraded_ticks: int
    lost_samples: int
    reopened: int
    nonfinite_samples: int
    clipped_samples: int
    skipped_ticks: int = 0
    dropped_lines: int = 0
    overloaded: bool = False
    uptime_s: float
    version: str
    detail: str = ""
    replay: bool = False


def new_epoch(clock: Clock) -> str:
    """Return a fresh epoch: 48 bits of Unix time in ms, then 16 random bits, as 16 hex digits.

    The greater of two epochs (as strings) is the newer.
    """
    ms = int(clock.unix() * 1000.0) & 0xFFFF_FFFF_FFFF
    return f"{ms:012x}{secrets.randbits(16):04x}"


def rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of an estimate, a status or a row with the decimals that each carries.

    Examples
    --------
    >>> rounded({"valence": 0.12345678, "arousal": -0.00001, "lag_ms": 3.14159, "seq": 7})
    {'valence': 0.1235, 'arousal': 0.0, 'lag_ms': 3.1, 'seq': 7}
    """
    return {
        # Adding zero makes -0.0, which JSON and CSV would show, a plain zero.
        name: round(float(value), DECIMALS[name]) + 0.0
        if isinstance(value, float) and name in DECIMALS
        else value
        for name, value in values.items()
    }


def quadrant_of(
    valence: float | None,
    arousal: float | None,
    previous: Quadrant | None = None,
    *,
    p_positive: float | None = None,
    p_energetic: float | None = None,
) -> Quadrant | None:
    """Return the most probable quadrant of a mood.

    Both probabilities decide where there are both, else the signs of valence and arousal. Within
    `HYSTERESIS` of the border, 1/2 or 0, the side of the previous quadrant is kept.

    Parameters
    ----------
    valence, arousal : float or None
        In [-1, 1].
    previous : str or None
        Quadrant of the step before.
    p_positive, p_energetic : float or None
        In [0, 1].

    Returns
    -------
    str or None
        None where there are neither both probabilities nor both axes.
    """
    if p_positive is not None and p_energetic is not None:
        right, up = p_positive - 0.5, p_energetic - 0.5
    elif valence is not None and arousal is not None:
        right, up = valence, arousal
    else:
        return None
    positive = _side(right, None if previous is None else previous in ("Q1", "Q4"))
    energetic = _side(up, None if previous is None else previous in ("Q1", "Q2"))
    if energetic:
        return "Q1" if positive else "Q2"
    return "Q4" if positive else "Q3"


def _side(x: float, was_above: bool | None) -> bool:
    """Return whether x counts as above the border at 0, given what it counted as before."""
    if was_above is None:
        return x >= 0.0
    return x > -HYSTERESIS if was_above else x > HYSTERESIS
