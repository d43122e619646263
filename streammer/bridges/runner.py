"""The one runner of all bridges: it follows the bus and keeps the frame clock."""

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

from streammer.bridges.frame import Frame, Received
from streammer.bridges.options import Shaping
from streammer.bridges.outlet import Bridge, Frames, Outlet
from streammer.bridges.shaping import init_shape, shape
from streammer.clock import Clock, SystemClock
from streammer.system.writer import Writer

__all__ = ["Runner"]

_FRAMES_WAITING = 2
"""What a receiver that does not keep up is behind at most; older frames are dropped."""


_ABSENT_S = 3.0
"""From the start, so long nothing is said of a stream that does not come [s]."""

_log = logging.getLogger("streammer.bridges")


class Source(Protocol):
    """Where the estimates of a stream come from."""

    def take(self) -> list[Received]:
        """Return what has come since, in order."""
        ...


class Runner:
    """Make a frame of every stream at a steady rate, and hand them to every bridge.

    Parameters
    ----------
    options : Shaping
    bridges : sequence of Bridge
        Each has a queue and a thread of its own: none waits for another.
    clock : Clock, optional

    Attributes
    ----------
    frames, skipped : int
        Moments for which frames were made, and those that were due while the process did not run:
        they are not made up for.
    """

    def __init__(
        self, options: Shaping, bridges: Sequence[Bridge], clock: Clock | None = None
    ) -> None:
        self._options = options
        self._clock = clock or SystemClock()
        self._stopped = threading.Event()
        self._outlets = [Outlet(bridge, self._clock) for bridge in bridges]
        self._absent: set[str] = set()
        self.frames = self.skipped = 0

    def stop(self) -> None:
        """End soon; from any thread or signal handler."""
        self._stopped.set()

    def run(self, sources: Mapping[str, Source], count: int | None = None) -> None:
        """Run until `stop`, or for `count` moments.

        Parameters
        ----------
        sources : mapping
            Of each stream, by its name.
        count : int, optional

        Raises
        ------
        StreammerError
            A receiver refuses what it is sent, or the bus cannot be followed any more.
        """
        with ExitStack() as stack:
            writers = []
            for outlet in self._outlets:
                writer: Writer[Frames] = Writer(outlet, "bridge", depth=_FRAMES_WAITING)
                stack.callback(writer.close)
                writers.append(writer)
            self._tick(sources, writers, count)
            for writer in writers:
                writer.end()  # all at once: each may take a second
        for outlet in self._outlets:
            if outlet.refusal is not None:
                raise outlet.refusal

    def _tick(
        self, sources: Mapping[str, Source], writers: Sequence[Writer[Frames]], count: int | None
    ) -> None:
        period_s = 1.0 / self._options.rate
        states = {name: init_shape(self._options) for name in sources}
        since, tick = self._clock.monotonic(), 0
        while count is None or self.frames < count:
            if any(outlet.refused.is_set() for outlet in self._outlets):
                return
            frames: dict[str, Frame] = {}
            for name, source in sources.items():
                now = since + tick * period_s
                states[name], frames[name] = shape(self._options, states[name], source.take(), now)
                self._tell(name, frames[name].state, now - since)
            for writer in writers:
                writer.put(frames)
            self.frames += 1
            late = int((self._clock.monotonic() - since) / period_s) - tick
            self.skipped += max(0, late - 1)
            tick += 1 + max(0, late - 1)
            due = since + tick * period_s
            if self._clock.wait(self._stopped, due - self._clock.monotonic()):
                return

    def _tell(self, name: str, state: str, after_s: float) -> None:
        """Say when nothing of a stream comes, and when it comes again."""
        absent = state == "stale" and after_s >= _ABSENT_S
        if absent and name not in self._absent:
            self._absent.add(name)
            _log.info("no estimate of %s comes: is its publisher running?", name)
        elif state != "stale" and name in self._absent:
            self._absent.remove(name)
            _log.info("stream %s is received", name)

    def summary(self) -> str:
        """Return one line: what was sent."""
        sent = sum(outlet.sent for outlet in self._outlets)
        return f"{sent} frames sent, {self.frames * len(self._outlets) - sent} not"
