"""The clock of a stream at live pace: when the next estimate is due, with or without sound."""

__all__ = ["DEGRADED_AFTER_S", "Ticks"]

DEGRADED_AFTER_S = 0.75
"""No fresh sound for this long, and ticks go on without it [s]."""


class Ticks:
    """When a tick is due although no step has come, and how many such ticks were missed.

    A process that was stopped, or a machine that slept, does not make up for the ticks of that
    time: they would all come at once, each of them late. They are counted.

    Parameters
    ----------
    now : float
        Monotonic time [s].
    step_s : float
        Time between estimates [s].

    Attributes
    ----------
    due : float
        Monotonic time of the next tick without sound [s].
    skipped : int
        Ticks that were due and not made.
    """

    def __init__(self, now: float, step_s: float) -> None:
        self.skipped = 0
        self.due = now + DEGRADED_AFTER_S
        self._step_s = step_s
        self._last_at = now

    def sound(self, now: float, *, stepped: bool) -> None:
        """Put the next tick off: sound has come, and an estimate of it if it made a step.

        Sound that only trickles does not put it off for ever.
        """
        if stepped:
            self.skipped += self._missed(now)
            self._last_at = now
        self.due = min(now + DEGRADED_AFTER_S, self._last_at + self._step_s + DEGRADED_AFTER_S)

    def degraded(self, now: float) -> float:
        """Take a tick without sound and return when it was due: by less than a step before."""
        missed = self._missed(now)
        self.skipped += missed
        due = self.due + missed * self._step_s
        self._last_at = now
        self.due = due + self._step_s
        return due

    def _missed(self, now: float) -> int:
        return max(0, int((now - self.due) // self._step_s))
