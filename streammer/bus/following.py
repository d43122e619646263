"""What a subscriber knows of one stream: which epoch it follows, and how fresh that is.

No sockets: messages and times come in as arguments.
"""

import math

from streammer.estimate import MoodEstimate, StreamStatus

__all__ = ["STALE_S", "Following"]

STALE_S = 2.0
"""Without an estimate for so long, or for two of its steps, a subscriber calls its stream stale."""

_STEP_MAX_S = 10.0
"""Longest step that a model may have (docs/design.md, contract 1) [s]."""


class Following:
    """Follow one stream through duplicates, holes and restarts (docs/wire.md).

    Of two publishers under one name the one that started later (the greater epoch) is followed, as
    long as it is received; once it is stale or has ended, any other is.

    Parameters
    ----------
    now : float
        Monotonic time [s].

    Attributes
    ----------
    epoch : str
        The life of a publisher that is followed; empty before the first message.
    status : StreamStatus or None
        The last of this epoch.
    ended : bool
        Whether it has said that it ended, and no other has begun since.
    missed : int
        Estimates that were lost on the way: holes in `seq`.
    """

    def __init__(self, now: float) -> None:
        self.epoch = ""
        self.status: StreamStatus | None = None
        self.ended = False
        self.missed = 0
        self._seq = -1
        self._received_at = -math.inf
        self._since = now

    def take_mood(self, mood: MoodEstimate, now: float) -> bool:
        """Take an estimate in and return whether it is news, the last one (`ended`) included."""
        if mood.epoch == self.epoch:
            if mood.seq <= self._seq:
                return False  # sent again for somebody who joined
            self.missed += mood.seq - self._seq - 1 if self._seq >= 0 else 0
        elif not self._follow(mood.epoch, now):
            return False
        self._seq = mood.seq
        self._received_at = now
        self.ended |= mood.state == "ended"
        return True

    def take_status(self, status: StreamStatus, now: float) -> bool:
        """Take a status in and return whether it is of the epoch that is followed."""
        if status.epoch != self.epoch and not self._follow(status.epoch, now):
            return False
        self.status = status
        return True

    def age_s(self, now: float) -> float:
        """Return the time since an estimate came, or since the beginning if none did [s]."""
        return now - max(self._received_at, self._since)

    def stale(self, now: float) -> bool:
        """Return whether no estimate has come for over 2 s, or two steps if that is longer."""
        return self.age_s(now) > self.patience_s(STALE_S)

    def patience_s(self, least_s: float) -> float:
        """Return `least_s`, or two steps of the stream if that is longer [s]."""
        step_s = 0.0 if self.status is None else self.status.step_s
        return max(least_s, 2.0 * min(step_s, _STEP_MAX_S))

    def _follow(self, epoch: str, now: float) -> bool:
        """Turn to another epoch, if it began later or the one followed is no longer received."""
        if epoch < self.epoch and not self.stale(now) and not self.ended:
            return False
        self.epoch, self._seq, self.ended = epoch, -1, False
        self.status = None
        return True
