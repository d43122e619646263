"""A queue and a thread between a loop that must not wait and an output that may.

A terminal that is stopped, a pipe that nobody reads, a disk that stands still: each holds up only
the thread that writes to it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

__all__ = ["DEPTH", "Target", "Writer"]

DEPTH = 1024
"""Lines that wait for an output: over eight minutes at two a second, half a megabyte."""

LOOK_S = 0.25
"""How often an output is looked at while nothing is to be written [s]."""

PATIENCE_S = 1.0
"""At the end, an output that takes nothing for this long is given up [s]."""

Item = TypeVar("Item")
In = TypeVar("In", contravariant=True)


class Target(Protocol[In]):
    """What a `Writer` writes to; everything is called in the writer's thread."""

    def write(self, item: In, /) -> int:
        """Write one item, however long it takes, and return how many were lost by it."""
        ...

    def ready(self) -> bool:
        """Look at the output, several times a second; say whether it is there to be written to."""
        ...

    def close(self) -> None:
        """Leave the output."""
        ...


class Writer(Generic[Item]):
    """Write items in a thread of their own.

    Parameters
    ----------
    target : Target
    name : str
        Of the thread.
    waiting : callable, optional
        Whether `put` is to wait for room, asked again and again while it does: at fast pace, until
        the run is stopped. By default it never waits: of more than `depth` items the oldest are
        dropped and counted.
    depth : int, optional
        Items that wait at most.

    Attributes
    ----------
    dropped : int
        Items that were not written.
    """

    def __init__(
        self,
        target: Target[Item],
        name: str,
        *,
        waiting: Callable[[], bool] | None = None,
        depth: int = DEPTH,
    ) -> None:
        self._target = target
        self._waiting = waiting
        self._depth = depth
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._given_up = False
        self._busy = False
        self._over = False
        self._progress_at = 0.0
        self._failure: BaseException | None = None
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name=f"streammer-{name}", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand over an item."""
        with self._changed:
            while len(self._items) >= self._depth:
                if self._waiting is not None and self._waiting() and self._failure is None:
                    self._changed.wait(LOOK_S)
                else:
                    self._items.popleft()
                    self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()

    def end(self) -> None:
        """Take nothing more; `close` then waits. Several writers are ended at the same time so."""
        with self._changed:
            if not self._closing:
                self._closing = True
                self._progress_at = time.monotonic()
            self._changed.notify_all()

    def close(self) -> None:
        """Write what waits, and leave the output.

        At fast pace that takes as long as it takes. Otherwise an output that takes nothing for
        `PATIENCE_S` is given up; what it has not taken counts as dropped.

        Raises
        ------
        BaseException
            What the target raised, if it did: a bug.
        """
        self.end()
        with self._changed:
            while not self._over:
                if self._waiting is None or not self._waiting():
                    left = self._progress_at + PATIENCE_S - time.monotonic()
                    if left <= 0.0:
                        self._give_up()
                        return
                self._changed.wait(LOOK_S)
        if self._failure is not None:
            raise self._failure

    def _give_up(self) -> None:
        self._given_up = True
        self.dropped += len(self._items) + self._busy
        self._items.clear()

    def _run(self) -> None:
        try:
            while self._write_next():
                pass
            self._target.close()
        except BaseException as error:  # raised again by `close`
            self._failure = error
        finally:
            with self._changed:
                self._over = True
                if not self._given_up:
                    self._give_up()
                self._changed.notify_all()

    def _write_next(self) -> bool:
        ready = self._target.ready()
        with self._changed:
            if self._given_up or (self._closing and not self._items):
                return False
            if not (ready and self._items):
                self._changed.wait(LOOK_S)
                return True
            item = self._items.popleft()
            self._busy = True
        lost = self._target.write(item)
        with self._changed:
            self._busy = False
            self._progress_at = time.monotonic()
            if not self._given_up:
                self.dropped += lost
            self._changed.notify_all()
            return True
