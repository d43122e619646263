"""Time: one monotonic clock inside, Unix time only where an estimate leaves.

Everything that waits or stamps takes a `Clock`, so that tests run on a fake one.
"""

import threading
import time
from typing import Protocol

__all__ = ["Clock", "FakeClock", "SystemClock"]


class Clock(Protocol):
    """What the engine, the sources and the publishers know about time."""

    def monotonic(self) -> float:
        """Return seconds that never go back [s]."""
        ...

    def unix(self) -> float:
        """Return Unix time [s]."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until `event` is set or `timeout_s` has passed; return whether it is set."""
        ...


class SystemClock:
    """The clock of the machine."""

    def monotonic(self) -> float:
        """Return seconds that never go back [s]."""
        return time.monotonic()

    def unix(self) -> float:
        """Return Unix time [s]."""
        return time.time()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until `event` is set or `timeout_s` has passed; return whether it is set."""
        return event.wait(max(0.0, timeout_s))


class FakeClock:
    """A clock that moves only when told to, or when somebody waits on it.

    Parameters
    ----------
    start_s : float
        First value of `monotonic` [s].
    unix_offset_s : float
        Unix time minus monotonic time [s].
    """

    def __init__(self, start_s: float = 100.0, unix_offset_s: float = 1.7e9) -> None:
        self._now = start_s
        self._offset = unix_offset_s
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        """Return the fake time [s]."""
        with self._lock:
            return self._now

    def unix(self) -> float:
        """Return the fake Unix time [s]."""
        return self.monotonic() + self._offset

    def advance(self, seconds: float) -> None:
        """Move time on by `seconds`."""
        with self._lock:
            self._now += seconds

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Return at once; if `event` is not set, time has moved on by `timeout_s`."""
        if event.is_set():
            return True
        self.advance(max(0.0, timeout_s))
        return False
