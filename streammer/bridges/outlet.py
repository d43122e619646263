"""Frames on their way to one receiver, which may be absent, refuse, or come back.

An outlet is the target of a writer (`streammer.system.writer`): it lives in a thread of its own, so
that a receiver that takes nothing holds up neither the frame clock nor another receiver. What fails
is said once, tried again every second, and said once more when it works.
"""

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from streammer.bridges.frame import Frame
from streammer.clock import Clock
from streammer.errors import NetworkError

__all__ = ["Bridge", "Frames", "Outlet", "Refused"]

RETRY_S = 1.0
"""Time between two attempts to reach a receiver [s]."""

WELL_S = 1.0
"""A receiver is back once all has gone well for so long [s]: UDP tells of a failure late."""

Frames = Mapping[str, Frame]
"""The frames of one moment, by stream."""

_log = logging.getLogger("streammer.bridges")


class Refused(NetworkError):
    """A receiver that answers, and does not want us: trying again mends nothing."""


class Bridge(Protocol):
    """One protocol to one receiver; everything is called in one thread."""

    @property
    def where(self) -> str:
        """What is sent and to whom, for messages: ``OSC to 10.0.0.5:9000``."""
        ...

    def open(self) -> None:
        """Reach the receiver; OSError where it cannot be reached, `Refused` where it refuses."""
        ...

    def send(self, frames: Frames) -> None:
        """Send the frames of a moment; OSError where that fails."""
        ...

    def leave(self) -> None:
        """Say the last words: lights go dark, sensors become unavailable."""
        ...

    def close(self) -> None:
        """Let go of the receiver, whether it is there or not."""
        ...


class Outlet:
    """A bridge as the target of a writer.

    Parameters
    ----------
    bridge : Bridge
    clock : Clock

    Attributes
    ----------
    sent, failed : int
        Moments that were sent, and that could not be.
    refusal : Exception or None
        Why there is no use in going on: the receiver refused before anything was sent, or a bug.
    refused : threading.Event
        Whether there is one.
    """

    def __init__(self, bridge: Bridge, clock: Clock) -> None:
        self._bridge = bridge
        self._clock = clock
        self._open = False
        self._tried_at: float | None = None
        self._well_since: float | None = None
        self._said = False
        self.sent = self.failed = 0
        self.refusal: Exception | None = None
        self.refused = threading.Event()

    def ready(self) -> bool:
        """Reach the receiver if it is time to try; say whether frames can be sent."""
        now = self._clock.monotonic()
        if self._open or self.refused.is_set():
            return self._open
        if self._tried_at is not None and now - self._tried_at < RETRY_S:
            return False
        self._tried_at = now
        try:
            self._bridge.open()
        except Refused as error:
            if self.sent:
                self._fail(error)
            else:
                self._give_up(error)
        except OSError as error:
            self._fail(error)
        except Exception as error:
            self._give_up(error)
        else:
            self._open = True
        return self._open

    def write(self, item: Frames, /) -> int:
        """Send the frames of a moment, and return how many were lost."""
        try:
            self._bridge.send(item)
        except OSError as error:
            self._let_go()
            self._fail(error)
            return 1
        except Exception as error:
            self._let_go()
            self._give_up(error)
            return 1
        self.sent += 1
        if self._said:
            now = self._clock.monotonic()
            self._well_since = now if self._well_since is None else self._well_since
            if now - self._well_since >= WELL_S:
                self._said = False
                _log.warning("%s goes on", self._bridge.where)
        return 0

    def close(self) -> None:
        """Leave the receiver in order, if it is reached."""
        if self._open:
            with suppress(OSError):
                self._bridge.leave()
            self._let_go()

    def _give_up(self, error: Exception) -> None:
        self.refusal = error
        self.refused.set()

    def _let_go(self) -> None:
        self._open = False
        with suppress(OSError):
            self._bridge.close()

    def _fail(self, error: OSError) -> None:
        self.failed += 1
        self._well_since = None
        if not self._said:
            self._said = True
            reason = error.strerror or str(error)
            _log.warning(
                "%s fails (%s): trying again every %g s", self._bridge.where, reason, RETRY_S
            )
