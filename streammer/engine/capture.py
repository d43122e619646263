"""How the engine's loop gets its blocks: from a thread at live pace, directly at fast pace.

The thread exists so that nothing a source does (opening again, a stalled network) can hold up a
tick. What it hands over is bounded: a source that may wait is made to, and a device, which may
not, loses samples in its own ring and counts them.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from streammer.audio.block import Block, Source, SourceEnd, SourceInfo
from streammer.clock import Clock

__all__ = ["BUFFER_S", "Arrival", "Capture", "DirectCapture", "ThreadedCapture"]

BUFFER_S = 10.0
"""Sound that may wait between the source and the engine [s]."""

_POLL_S = 0.1
_LEAVE_S = 0.3
_CLOSE_S = 2.0


@dataclass(frozen=True)
class Arrival:
    """A block, and the source's properties when it came."""

    block: Block
    info: SourceInfo

    @property
    def seconds(self) -> float:
        """Length of the block [s]."""
        return len(self.block.samples) / self.info.sr


class Capture(Protocol):
    """Where the engine's loop gets its blocks; from `open` on, it owns the source."""

    def open(self) -> SourceInfo:
        """Open the source and begin to read it."""
        ...

    def get(self, timeout_s: float) -> Arrival | SourceEnd | None:
        """Return the next block, the end, or None if nothing came within `timeout_s`."""
        ...

    @property
    def waiting_s(self) -> float:
        """Sound that was read and waits for `get` [s]."""
        ...

    def close(self) -> None:
        """Stop reading and close the source."""
        ...


class DirectCapture:
    """Read the source where the engine runs: as fast as both can."""

    waiting_s = 0.0

    def __init__(self, source: Source, clock: Clock) -> None:
        self._source = source

    def open(self) -> SourceInfo:
        """Open the source."""
        return self._source.open()

    def get(self, timeout_s: float) -> Arrival | SourceEnd | None:
        """Return the next block, the end, or None if nothing came within `timeout_s`."""
        item = self._source.read(timeout_s)
        return Arrival(item, self._source.info) if isinstance(item, Block) else item

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class ThreadedCapture:
    """Read a source in a thread of its own, `BUFFER_S` of sound ahead at most.

    An exception that escapes the source is raised again by `get`.
    """

    def __init__(self, source: Source, clock: Clock) -> None:
        self._source = source
        self._items: deque[Arrival | SourceEnd | BaseException] = deque()
        self._waiting_s = 0.0
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._wanted_s = 0.0
        self._wake: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._run, name="streammer-capture", daemon=True)

    def open(self) -> SourceInfo:
        """Open the source here, where its errors are raised; then begin to read it."""
        info = self._source.open()
        self._thread.start()
        return info

    @property
    def waiting_s(self) -> float:
        """Sound that was read and waits for `get` [s]."""
        return max(0.0, self._waiting_s)

    def get(self, timeout_s: float) -> Arrival | SourceEnd | None:
        """Return the next block, the end, or None if nothing came within `timeout_s`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._items, max(0.0, timeout_s)):
                return None
            item = self._pop()
        if isinstance(item, BaseException):
            raise item
        return item

    def take(self, limit_s: float, timeout_s: float = 0.0) -> list[Arrival | SourceEnd]:
        """Return what waits: blocks that follow without a break, up to `limit_s`, or the end.

        Where there is less, it is waited for, for at most `timeout_s`.
        """
        taken: list[Arrival | SourceEnd] = []
        with self._changed:
            if timeout_s > 0.0:
                self._changed.wait_for(lambda: self._has(limit_s), timeout_s)
            while self._items and limit_s > 0.0:
                item = self._items[0]
                if taken and not (isinstance(item, Arrival) and _follows(item, taken[0])):
                    break
                self._pop()
                if isinstance(item, BaseException):
                    raise item
                taken.append(item)
                limit_s -= item.seconds if isinstance(item, Arrival) else limit_s
        return taken

    def _has(self, wanted_s: float) -> bool:
        """Return whether so much waits, or an end."""
        if not self._items:
            return False
        return self._waiting_s >= wanted_s or not isinstance(self._items[-1], Arrival)

    def _pop(self) -> "Arrival | SourceEnd | BaseException":
        item = self._items.popleft()
        if isinstance(item, Arrival):
            # Counted anew from nothing each time it runs empty: no error adds up.
            self._waiting_s = self._waiting_s - item.seconds if self._items else 0.0
        self._changed.notify_all()
        return item

    def wake_when(self, wanted_s: float, wake: Callable[[], None]) -> None:
        """Call `wake`, once, as soon as that much sound waits, or the end; maybe here and now.

        It is called with the lock of this capture held, from any thread.
        """
        with self._changed:
            self._wanted_s, self._wake = wanted_s, wake
            self._wake_if_wanted()

    def wake_now(self) -> bool:
        """Return whether anything waits; whoever is to be woken is, however little it is."""
        with self._changed:
            self._wanted_s = 0.0
            self._wake_if_wanted()
            return bool(self._items)

    def _wake_if_wanted(self) -> None:
        if self._wake is not None and self._has(self._wanted_s):
            wake, self._wake = self._wake, None
            wake()

    def close(self) -> None:
        """Stop the thread and close the source, which ends a read that waits."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        begun = self._thread.ident is not None
        if begun:  # most sources are read in no time, and are closed when nobody reads them
            self._thread.join(timeout=_LEAVE_S)
        self._source.close()
        if begun:
            self._thread.join(timeout=_CLOSE_S)

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
        with self._changed:
            self._changed.wait_for(lambda: self._stop.is_set() or self._waiting_s < BUFFER_S)
            self._items.append(item)
            if isinstance(item, Arrival):
                self._waiting_s += item.seconds
            self._changed.notify_all()
            self._wake_if_wanted()


def _follows(item: Arrival, first: "Arrival | SourceEnd") -> bool:
    """Return whether a block goes on where those before it ended."""
    same = isinstance(first, Arrival) and item.info == first.info
    return same and not item.block.lost and not item.block.discontinuity
