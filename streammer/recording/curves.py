"""A stream of a recording as arrays, ready to be drawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streammer.errors import InputError, UsageError
from streammer.estimate import MoodEstimate

__all__ = ["Curves", "curves_of", "spans_of"]

Float64 = npt.NDArray[np.float64]

_AXES = ("valence", "arousal", "sigma_valence", "sigma_arousal", "level_dbfs")

MAX_POINTS = 4000
"""More than a picture has columns: of longer sessions, means over neighbours are drawn."""


@dataclass(frozen=True)
class Curves:
    """A stream over time.

    Attributes
    ----------
    stream : str
    seconds : np.ndarray [shape=(n,)]
        Since the first estimate's step began [s].
    values : dict of str to np.ndarray [shape=(n,)]
        valence, arousal, their sigmas and level_dbfs; NaN where there is none.
    states, quadrants : sequence of str
        Of each point; an empty text is no quadrant.
    begun_at : float
        Unix time of the first estimate [s].
    """

    stream: str
    seconds: Float64
    values: dict[str, Float64]
    states: Sequence[str]
    quadrants: Sequence[str]
    begun_at: float

    def thinned(self) -> "Curves":
        """Return at most `MAX_POINTS` of them: means, and the state and quadrant in the middle."""
        n = len(self.seconds)
        size = -(-n // MAX_POINTS)
        if size <= 1:
            return self
        starts = np.arange(0, n, size)
        middles = np.minimum(starts + size // 2, n - 1)
        return Curves(
            self.stream,
            self.seconds[middles],
            {name: _means(x, starts) for name, x in self.values.items()},
            [self.states[k] for k in middles],
            [self.quadrants[k] for k in middles],
            self.begun_at,
        )


def curves_of(moods: Iterable[MoodEstimate], stream: str | None, what: str) -> Curves:
    """Gather the curves of a stream.

    Parameters
    ----------
    moods : iterable of MoodEstimate
    stream : str or None
        None where there is one alone.
    what : str
        Name of the recording, for messages.

    Raises
    ------
    UsageError
        If there are several streams and none is named.
    InputError
        If there is no estimate of it.
    """
    kept: list[MoodEstimate] = []
    names: dict[str, None] = {}
    for mood in moods:
        names[mood.stream] = None
        if stream in (None, mood.stream):
            kept.append(mood)
    if stream is None and len(names) > 1:
        listed = ", ".join(sorted(names)[:8])
        raise UsageError(f"{what} holds streams {listed}: choose one with --stream")
    if not kept:
        has = f"; it has {', '.join(sorted(names)[:8])}" if names else ""
        raise InputError(f"{what} holds no estimate{f' of {stream}' if stream else ''}{has}")
    return Curves(
        kept[0].stream,
        _seconds(kept),
        {
            name: np.array(
                [np.nan if (x := getattr(mood, name)) is None else x for mood in kept], np.float64
            )
            for name in _AXES
        },
        [mood.state for mood in kept],
        [mood.quadrant or "" for mood in kept],
        kept[0].t_publish,
    )


def spans_of(seconds: Float64, labels: Sequence[str]) -> list[tuple[float, float, str]]:
    """Return from when to when each label holds, in order."""
    ends = [*seconds[1:], seconds[-1] + (seconds[-1] - seconds[-2] if len(seconds) > 1 else 0.5)]
    spans: list[tuple[float, float, str]] = []
    for begin, end, label in zip(seconds, ends, labels, strict=True):
        if spans and spans[-1][2] == label:
            spans[-1] = spans[-1][0], float(end), label
        else:
            spans.append((float(begin), float(end), label))
    return spans


def _seconds(moods: Sequence[MoodEstimate]) -> Float64:
    if len({mood.epoch for mood in moods}) == 1:
        sound = np.array([mood.t_audio_s for mood in moods], np.float64)
        if np.all(np.diff(sound) > 0.0):
            return sound
    times = np.array([max(m.t_publish, m.t_capture) for m in moods], np.float64)
    return np.asarray(np.maximum.accumulate(times - times[0]), np.float64)


def _means(x: Float64, starts: npt.NDArray[np.intp]) -> Float64:
    there = np.isfinite(x)
    sums = np.add.reduceat(np.where(there, x, 0.0), starts)
    counts = np.add.reduceat(there.astype(np.float64), starts)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan), np.float64)
