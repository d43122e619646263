"""What a stream has counted, and how its run went."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from streammer.estimate import MoodEstimate, StreamStatus

__all__ = ["LAGS_KEPT", "Counters", "Summary"]

LAGS_KEPT = 7200
"""Newest lags over which the summary's median and maximum are taken: an hour at 2 Hz."""


@dataclass(frozen=True)
class Summary:
    """How a run went.

    Attributes
    ----------
    estimates, steps, degraded_ticks, skipped_ticks : int
    lost_samples, nonfinite_samples, dropped_lines, reopened : int
    t_audio_s : float
        Sound input or known to be lost [s].
    seconds_by_state : dict
        Seconds of ticks by state [s].
    mean : dict
        Means of valence and arousal over ticks in `live` or `clipping`.
    lag_ms_p50, lag_ms_max : float
        Measured lag over the newest `LAGS_KEPT` ticks [ms].
    detail : str
        Why the source ended; empty if it ended in order.
    """

    estimates: int = 0
    steps: int = 0
    degraded_ticks: int = 0
    skipped_ticks: int = 0
    lost_samples: int = 0
    nonfinite_samples: int = 0
    dropped_lines: int = 0
    reopened: int = 0
    t_audio_s: float = 0.0
    seconds_by_state: dict[str, float] = field(default_factory=dict)
    mean: dict[str, float] = field(default_factory=dict)
    lag_ms_p50: float = 0.0
    lag_ms_max: float = 0.0
    detail: str = ""


class Counters:
    """Sums over the estimates of one stream.

    Parameters
    ----------
    step_s : float
        Time between estimates [s].
    """

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._estimates = 0
        self._seconds: dict[str, float] = {}
        self._sums = {"valence": (0, 0.0), "arousal": (0, 0.0)}
        self._lags: deque[float] = deque(maxlen=LAGS_KEPT)

    def add(self, estimate: MoodEstimate) -> None:
        """Count an estimate."""
        self._estimates += 1
        self._seconds[estimate.state] = self._seconds.get(estimate.state, 0.0) + self._step_s
        self._lags.append(estimate.lag_ms)
        if estimate.state in ("live", "clipping"):
            for axis, (n, total) in self._sums.items():
                value = getattr(estimate, axis)
                if value is not None:
                    self._sums[axis] = (n + 1, total + value)

    def summary(self, status: StreamStatus, t_audio_s: float, detail: str) -> Summary:
        """Return how the run went, given the stream's status and why its source ended."""
        return Summary(
            estimates=self._estimates,
            steps=status.steps,
            degraded_ticks=status.degraded_ticks,
            skipped_ticks=status.skipped_ticks,
            lost_samples=status.lost_samples,
            nonfinite_samples=status.nonfinite_samples,
            dropped_lines=status.dropped_lines,
            reopened=status.reopened,
            t_audio_s=t_audio_s,
            seconds_by_state=dict(self._seconds),
            mean={axis: total / n for axis, (n, total) in self._sums.items() if n},
            lag_ms_p50=float(np.median(self._lags)) if self._lags else 0.0,
            lag_ms_max=max(self._lags, default=0.0),
            detail=detail,
        )
