"""How many samples a device lost, judged by when the others come."""

__all__ = ["HoleFinder"]

DRIFT = 3e-4
"""How much slower than the machine's clock a sound card may honestly be."""

HOLE_S = 0.25
"""Samples that are late by more, and stay so, are not late: others are missing [s]."""

STAYS_S = 1.0
"""Long enough for a callback that was held up to have delivered all that waited [s]."""


class HoleFinder:
    """Compare the count of samples with the clock.

    Parameters
    ----------
    sr : int
        Rate [Hz].

    Notes
    -----
    Sample k is expected at ``start + k / sr``, where `start` is the earliest that any sample has
    suggested (delays only ever add), let go by `DRIFT`. A driver that reports an overflow is
    believed at once, and the jump of its capture time tells how much is gone. Without a report a
    block may just be late, as when the machine is busy: a hole is one only when all blocks of
    `STAYS_S` are late by more than `HOLE_S`, and the least late of them tells how much is gone.
    That is judged by arrival: PulseAudio's capture times move by half a second at the start.
    """

    def __init__(self, sr: int) -> None:
        self._sr = sr
        self._start: float | None = None
        self._count = 0
        self._previous = 0.0  # when the previous block began to arrive, and how late it was
        self._lag = 0.0
        self._captured_until: float | None = None
        self._late_since: float | None = None
        self._least_late = 0.0

    def lost(self, first: float, n: int, captured: float | None, overflow: bool) -> int:
        """Return how many samples were lost before a block, and count it.

        Parameters
        ----------
        first : float
            Time of its arrival less its length [s].
        n : int
            Samples in it.
        captured : float or None
            Time at which its first sample was captured, if that can be believed [s].
        overflow : bool
            Whether the driver reports that samples were discarded before it.
        """
        if self._start is None:
            self._start = first
        else:
            self._start += DRIFT * max(0.0, first - self._previous)
        self._start = min(self._start, first - self._count / self._sr)
        lag = first - self._count / self._sr - self._start
        lost = 0
        if overflow:
            jump = lag - self._lag
            if captured is not None and self._captured_until is not None:
                jump = captured - self._captured_until
            lost = max(1, round(jump * self._sr))
            self._late_since = None
        elif lag <= HOLE_S:
            self._late_since = None
        elif self._late_since is None:
            self._late_since, self._least_late = first, lag
        else:
            self._least_late = min(self._least_late, lag)
            if first - self._late_since >= STAYS_S:
                lost = round(self._least_late * self._sr)
                self._late_since = None
        self._count += lost + n
        self._captured_until = None if captured is None else captured + n / self._sr
        self._previous = first
        self._lag = max(0.0, lag - lost / self._sr)
        return lost
