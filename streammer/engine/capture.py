"""How the engine's loop gets its blocks: from a thread at live pace, directly at fast pace.

The thread exists so that nothing a source does (opening again, a stalled network) can hold up a
tick. What it hands over is bounded: a source that may wait is made to, and a device, which may
not, loses samples in its own ring and counts them.
"""

import queue
import threading
from dataclasses import dataclass
from typing import Protocol

from streammer.audio.block import BLOCK, Block, Source, SourceEnd, SourceInfo
from streammer.clock import Clock

__all__ = ["Arrival", "Capture", "DirectCapture", "ThreadedCapture"]

BUFFER_S = 10.0
"""Sound that may wait between the source and the engine [s]."""

_POLL_S = 0.1


@dataclass(frozen=True)
class Arrival:
    """A block, and the source's properties when it came."""

    block: Block
    info: SourceInfo


class Capture(Protocol):
    """Where the engine's loop gets its blocks."""

    def get(self, timeout_s: float) -> Arrival | SourceEnd | None:
        """Return the next block, the end, or None if nothing came within `timeout_s`."""
        ...

    def close(self) -> None:
        """Stop reading and close the source."""
        ...


class DirectCapture:
    """Read the source where the engine runs: as fast as both can."""

    def __init__(self, source: Source, clock: Clock) -> None:
        self._source = source
        self._clock = clock

    def get(self, timeout_s: float) -> Arrival | SourceEnd | None:
        """Return the next block, the end, or None if nothing came within `timeout_s`."""
        item = self._source.read(timeout_s)
        if isinstance(item, Block):
            return Arrival(item, self._source.info)
        return item

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class ThreadedCapture:
    """Read an open source in a thread of its own.

    An exception that escapes the source is raised again by `get`.
    """

    def __init__(self, source: Source, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        blocks = max(4, int(BUFFER_S * source.info.sr / BLOCK))
        self._queue: queue.Queue[Arrival | SourceEnd | BaseException] = queue.Queue(blocks)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streammer-capture", daemon=True)
        self._thread.start()

    def get(self, timeout_s: float) -> Arrival | SourceEnd | None:
        """Return the next block, the end, or None if nothing came within `timeout_s`."""
        try:
            item = self._queue.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """Stop the thread, then close the source."""
        self._stop.set()
        self._thread.join(timeout=2.0)
        self._source.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                item = self._source.read(_POLL_S)
                if isinstance(item, Block):
                    self._put(Arrival(item, self._source.info))
                elif isinstance(item, SourceEnd):
                    self._put(item)
                    return
        except BaseException as error:  # carried to the engine's thread, where it is raised
            self._put(error)

    def _put(self, item: Arrival | SourceEnd | BaseException) -> None:
        while not self._stop.is_set():
            try:
                return self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
