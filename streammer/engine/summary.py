"""How a run went."""

from dataclasses import dataclass

__all__ = ["LAGS_KEPT", "Summary"]

LAGS_KEPT = 7200
"""Newest lags over which the summary's median and maximum are taken: an hour at 2 Hz."""


@dataclass(frozen=True)
class Summary:
    """How a run went.

    Attributes
    ----------
    estimates, steps, degraded_ticks, lost_samples, nonfinite_samples, reopened : int
    t_audio_s : float
        Sound heard or known to be lost [s].
    seconds_by_state : dict
        Seconds of ticks by state [s].
    mean : dict
        Means of valence and arousal over ticks in `live` or `clipping`.
    lag_ms_p50, lag_ms_max : float
        Measured lag over the newest `LAGS_KEPT` ticks [ms].
    detail : str
        What the source said at its end; empty if it ended in order.
    """

    estimates: int
    steps: int
    degraded_ticks: int
    lost_samples: int
    nonfinite_samples: int
    reopened: int
    t_audio_s: float
    seconds_by_state: dict[str, float]
    mean: dict[str, float]
    lag_ms_p50: float
    lag_ms_max: float
    detail: str
