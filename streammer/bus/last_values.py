"""The last value of every topic, for those who join late.

Publisher and hub keep them by the same rules. ZeroMQ cannot send to one subscriber alone, so what
is sent again reaches everybody, and is held back to once in `RESEND_GAP_S` for each topic.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Iterator

from streammer.clock import Clock

__all__ = ["RESEND_GAP_S", "LastValues"]

RESEND_GAP_S = 0.05
"""A resend reaches everybody, so a topic is sent again at most once in this time."""


class LastValues:
    """Keep the last message of each topic, and tell which are due again.

    Parameters
    ----------
    clock : Clock
        Times the resends.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[bytes, bytes] = {}
        self._topics: list[bytes] = []  # sorted: a hub has thousands, and each joiner asks for two
        self._resend_at: dict[bytes, float] = {}
        self._resent_at: dict[bytes, float] = {}

    def keep(self, topic: bytes, payload: bytes) -> None:
        """Keep a message that is being sent: who has just joined gets this one."""
        if topic not in self._last:
            insort(self._topics, topic)
        self._last[topic] = payload
        self._resend_at.pop(topic, None)

    def forget(self, topic: bytes) -> None:
        """Keep nothing of a topic any more."""
        if self._last.pop(topic, None) is not None:
            del self._topics[bisect_left(self._topics, topic)]
        self._resend_at.pop(topic, None)
        self._resent_at.pop(topic, None)

    def joined(self, prefix: bytes) -> None:
        """Note that somebody has subscribed to all topics that begin with `prefix`."""
        now = self._clock.monotonic()
        for k in range(bisect_left(self._topics, prefix), len(self._topics)):
            topic = self._topics[k]
            if not topic.startswith(prefix):
                return
            if topic not in self._resend_at:
                earliest = self._resent_at.get(topic, -math.inf) + RESEND_GAP_S
                self._resend_at[topic] = max(now, earliest)

    def due(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the messages that are to be sent again now."""
        now = self._clock.monotonic()
        for topic in [topic for topic, due in self._resend_at.items() if due <= now]:
            del self._resend_at[topic]
            self._resent_at[topic] = now
            yield topic, self._last[topic]

    def wait_s(self) -> float:
        """Return the time until a message is due [s]; infinite if none is."""
        if not self._resend_at:
            return math.inf
        return max(0.0, min(self._resend_at.values()) - self._clock.monotonic())
