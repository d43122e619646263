"""Where a mood lies in the range that its room has had: for the ambient colours of the page."""

from streammer.bridges.ranges import Range, init_range, place, widen
from streammer.estimate import MoodEstimate

__all__ = ["Rooms"]

_TIME_CONSTANT_S = 600.0
_USUAL_P = (-0.8, 0.8)
"""Probabilities spread further than means do."""

_LONGEST_S = 2.0
"""What an estimate counts for at most, when those before it did not come [s]."""

_HEARD = ("live", "warming", "clipping")


class Rooms:
    """The range of each stream: running tenths of its last ten minutes."""

    def __init__(self) -> None:
        self._ranges: dict[str, tuple[Range, Range]] = {}
        self._at: dict[str, float] = {}

    def place(self, mood: MoodEstimate) -> tuple[float, float] | None:
        """Return how positive and how energetic a mood is for this room, each from 0 to 1.

        Probabilities are placed where there are both, as in the choice of the quadrant, else
        valence and arousal; None where there is neither pair, or no music.
        """
        if mood.state not in _HEARD:
            return None
        if mood.p_positive is not None and mood.p_energetic is not None:
            values, usual = (2.0 * mood.p_positive - 1.0, 2.0 * mood.p_energetic - 1.0), _USUAL_P
        elif mood.valence is not None and mood.arousal is not None:
            values, usual = (mood.valence, mood.arousal), (-0.2, 0.4)
        else:
            return None
        x, y = self._ranges.get(mood.stream) or (init_range(None, usual), init_range(None, usual))
        dt_s = mood.t_audio_s - self._at.get(mood.stream, 0.0)
        dt_s = dt_s if 0.0 < dt_s <= _LONGEST_S else _LONGEST_S
        self._at[mood.stream] = mood.t_audio_s
        x = widen(x, values[0], dt_s, _TIME_CONSTANT_S)
        y = widen(y, values[1], dt_s, _TIME_CONSTANT_S)
        self._ranges[mood.stream] = x, y
        return round(place(x, values[0]), 3), round(place(y, values[1]), 3)
