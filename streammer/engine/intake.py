"""How the loop gets its steps: feeds are worked off by a pool of threads, or where the loop runs.

What reaches the loop is a feed with steps that are due, or at its end; and calls that others want
made in the loop's thread (a feed joins, another leaves).
"""

import os
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from streammer.audio.block import SourceEnd
from streammer.clock import Clock
from streammer.engine.capture import Arrival, Capture, ThreadedCapture
from streammer.engine.feed import Feed
from streammer.engine.pipeline import PORTION_S

__all__ = ["Intake", "Pooled", "Pulled"]

News = Feed | Callable[[], None] | None
"""A feed that was worked on, a call to be made in the loop's thread, or just a reason to look."""

PORTIONS_UP_TO = 8
"""Feeds up to which sound is transformed in portions while a step is gathered, so that little is
left to do at its end; with more of them, others' steps fill that time anyway."""

WORK_S = 0.5
"""Sound of one feed that is worked off at once: one that floods waits for the others' turns [s]."""

_WORKERS = 4


class Intake(Protocol):
    """Where the loop waits; all but `call` belongs to the loop's thread."""

    def add(self, feed: Feed) -> None:
        """Begin to work on a feed that is open."""
        ...

    def resume(self, feed: Feed) -> None:
        """Go on with a feed whose steps were made."""
        ...

    def remove(self, feed: Feed) -> None:
        """Work on a feed no more."""
        ...

    def look(self, feed: Feed) -> bool:
        """Return whether sound of a feed waits, and have it worked on though it is little."""
        ...

    def wait(self, timeout_s: float) -> list[News]:
        """Return what is new, empty if nothing was within the time."""
        ...

    def call(self, call: Callable[[], None] | None = None) -> None:
        """Have a call made in the loop's thread; from any thread or signal handler."""
        ...

    @property
    def nearly_due(self) -> bool:
        """Whether a feed whose step has been captured is being worked on."""
        ...

    def close(self) -> None:
        """End the threads."""
        ...


class Pulled:
    """Work in the loop's thread: read each feed that has nothing due, block by block.

    For feeds at fast pace, which may wait for one another.
    """

    nearly_due = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._feeds: list[Feed] = []
        self._calls: queue.SimpleQueue[News] = queue.SimpleQueue()

    def add(self, feed: Feed) -> None:
        """Begin to read a feed."""
        self._feeds.append(feed)

    def resume(self, feed: Feed) -> None:
        """Nothing is to be resumed: what has nothing due is read."""

    def remove(self, feed: Feed) -> None:
        """Read a feed no more."""
        self._feeds.remove(feed)

    def look(self, feed: Feed) -> bool:
        """Say no: whatever there was has been read."""
        return False

    def wait(self, timeout_s: float) -> list[News]:
        """Read a block of every feed that has nothing due."""
        news: list[News] = []
        with suppress(queue.Empty):
            while True:
                news.append(self._calls.get_nowait())
        for feed in self._feeds:
            if feed.due or feed.over:
                continue
            try:
                items = _items(feed.capture, timeout_s)
            except Exception as error:
                feed.failure = error
            else:
                if not items:
                    continue
                feed.work(items, self._clock.monotonic())
            news.append(feed)
        return news

    def call(self, call: Callable[[], None] | None = None) -> None:
        """Have a call made in the loop's thread."""
        self._calls.put(call)

    def close(self) -> None:
        """Nothing is to be ended."""


def _items(capture: Capture, timeout_s: float) -> Sequence[Arrival | SourceEnd]:
    if isinstance(capture, ThreadedCapture):
        return capture.take(WORK_S, timeout_s)
    item = capture.get(timeout_s)
    return () if item is None else (item,)


class Pooled:
    """Work in a few threads, on whatever feed has sound: the front ends run without the GIL.

    A single feed is worked on in the loop's thread, which has nothing else to do.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[tuple[Feed, float] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._feeds = 0
        self._at_work: set[Feed] = set()  # with a step that has been captured
        self._threads: list[threading.Thread] = []

    @property
    def nearly_due(self) -> bool:
        """Whether a feed whose step has been captured is being worked on."""
        return bool(self._at_work)

    def add(self, feed: Feed) -> None:
        """Begin to work on a feed that is open."""
        self._feeds += 1
        if self._feeds > 1 and not self._threads:
            for k in range(min(_WORKERS, os.cpu_count() or 1)):
                thread = threading.Thread(target=self._run, name=f"streammer-work-{k}", daemon=True)
                self._threads.append(thread)
                thread.start()
        self.resume(feed)

    def resume(self, feed: Feed) -> None:
        """Have a feed worked on as soon as there is enough of its sound."""
        if feed.over or feed.stopped:
            return
        assert isinstance(feed.capture, ThreadedCapture)
        wanted_s = feed.opened.wanted_s
        if self._feeds <= PORTIONS_UP_TO:
            wanted_s = min(wanted_s, PORTION_S)
        whole = wanted_s == feed.opened.wanted_s
        feed.capture.wake_when(wanted_s, lambda: self._wake(feed, whole))

    def remove(self, feed: Feed) -> None:
        """Work on a feed no more."""
        self._feeds -= 1

    def look(self, feed: Feed) -> bool:
        """Return whether sound of a feed waits, and have it worked on though it is little."""
        assert isinstance(feed.capture, ThreadedCapture)
        return feed.capture.wake_now()

    def wait(self, timeout_s: float) -> list[News]:
        """Return what is new, empty if nothing was within the time."""
        news: list[News] = []
        with suppress(queue.Empty):
            news.append(self._news.get(timeout=max(0.0, timeout_s)))
            while True:
                news.append(self._news.get_nowait())
        return news

    def call(self, call: Callable[[], None] | None = None) -> None:
        """Have a call made in the loop's thread."""
        self._news.put(call)

    def close(self) -> None:
        """End the threads."""
        for _ in self._threads:
            self._ready.put(None)
        for thread in self._threads:
            thread.join(1.0)

    def _wake(self, feed: Feed, whole: bool) -> None:
        # Called by the capture's thread, with its lock held.
        if not self._threads:
            began = self._clock.monotonic()
            self._news.put(lambda: self._work(feed, began))
            return
        if whole:
            with self._lock:
                self._at_work.add(feed)
        self._ready.put((feed, self._clock.monotonic()))

    def _run(self) -> None:
        while (item := self._ready.get()) is not None:
            self._work(*item)

    def _work(self, feed: Feed, began: float) -> None:
        capture = feed.capture
        assert isinstance(capture, ThreadedCapture)
        try:
            items = capture.take(WORK_S)
        except Exception as error:
            feed.failure = error
        else:
            if items:
                feed.work(items, began)
        with self._lock:
            self._at_work.discard(feed)
        if feed.due or feed.over:
            self._news.put(feed)
        else:
            self.resume(feed)
