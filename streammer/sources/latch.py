"""A flag that any thread may set and that ends waiting by the clock."""

import threading

from streammer.clock import Clock

__all__ = ["Latch"]


class Latch:
    """Set once; whoever waits until a time wakes at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = threading.Event()

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._event.is_set()

    def set(self) -> None:
        """Set it, for good."""
        self._event.set()

    def wait_until(self, monotonic_s: float) -> bool:
        """Wait until the clock shows `monotonic_s` or the latch is set; return whether it is."""
        left = monotonic_s - self._clock.monotonic()
        if left <= 0:
            return self._event.is_set()
        return self._clock.wait(self._event, left)
