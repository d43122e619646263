"""Whether the models keep up with the sound, and the warning when they do not."""

import logging
from collections import deque

__all__ = ["BACKLOG_S", "Load"]

BACKLOG_S = 3.0
"""Sound that may wait for models that are too slow, before it is given up [s]. More than the
longest hole that is filled with zeros, which would have to be computed too."""

_STEPS = 8
_LEAST_STEPS = 4
_WARN_EVERY_S = 60.0

_log = logging.getLogger("streammer.engine")


class Load:
    """How long the steps of a stream take to compute.

    Parameters
    ----------
    step_s : float
        Time between estimates [s].
    name : str
        Name of the stream, for messages.
    """

    def __init__(self, step_s: float, name: str) -> None:
        self._step_s = step_s
        self._name = name
        self._busy_s = 0.0
        self._costs: deque[float] = deque(maxlen=_STEPS)
        self._skipped_s = 0.0
        self._warned_at: float | None = None

    @property
    def step_cost_s(self) -> float:
        """Mean time that a step takes, the slowest of the last few left out [s]."""
        if len(self._costs) < _LEAST_STEPS:
            return 0.0
        return (sum(self._costs) - max(self._costs)) / (len(self._costs) - 1)

    @property
    def overloaded(self) -> bool:
        """Whether a step takes longer than its sound lasts."""
        return self.step_cost_s > self._step_s

    def note(self, seconds: float, steps: int) -> None:
        """Note time spent on sound, and how many steps came of it."""
        self._busy_s += seconds
        for _ in range(steps):
            self._costs.append(self._busy_s / steps)
        if steps:
            self._busy_s = 0.0

    def skipped(self, seconds: float) -> None:
        """Note sound that was given up."""
        self._skipped_s += seconds

    def warn(self, now: float) -> None:
        """Warn that the stream is overloaded, at most once a minute."""
        if not self.overloaded or (
            self._warned_at is not None and now - self._warned_at < _WARN_EVERY_S
        ):
            return
        self._warned_at = now
        skipped_s, self._skipped_s = self._skipped_s, 0.0
        _log.warning(
            "%s is overloaded: a step of %g s takes %.2f s (%.1f s of sound skipped); choose a "
            "smaller model, such as --model small, or a faster machine",
            self._name,
            self._step_s,
            self.step_cost_s,
            skipped_s,
        )
