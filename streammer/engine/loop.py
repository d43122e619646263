"""The one loop: steps that are due go through the models together, and ticks never stop.

Feeds join and leave while it runs, and none waits for another: what is due is stepped at once, or
after `GATHER_S` at most while another feed's step is being worked on.
"""

import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count

from streammer.clock import Clock, SystemClock
from streammer.engine.batch import step_due
from streammer.engine.feed import Feed
from streammer.engine.intake import Intake
from streammer.engine.outlet import Bus, Outlet
from streammer.estimate import MoodEstimate

__all__ = ["GATHER_S", "Loop"]

GATHER_S = 0.01
"""Longest wait for other feeds' steps before those that are due are made [s]."""

BATCH_MAX = 64
"""Steps that are made together at most: estimates of the first do not wait for hundreds."""

FLOOD = 8.0
"""Among others, a feed that may run ahead (a pipe) makes at most so many steps a step's time."""

_log = logging.getLogger("streammer.engine")

_STOP_POLL_S = 0.25
_TICK_LOOK_S = 0.02
_LEAVE_S = 3.0
"""A source that does not close is left behind after this [s]."""


class Loop:
    """Run feeds until all have ended, or until `stop`.

    Parameters
    ----------
    intake : Intake
        Works on the feeds.
    live : bool
        Whether ticks keep coming whatever the sources do.
    publisher : Bus, optional
        Where estimates and status go.
    clock : Clock, optional
    ended : callable, optional
        Told, in the loop's thread, of every feed that has ended or could not be opened.
    refill : callable, optional
        Asked, in the loop's thread, before each wait: it may `add` feeds, and returns whether
        there are any. By default the loop is over when its feeds are.

    Notes
    -----
    `join`, `leave` and `stop` may be called from any thread, `stop` from a signal handler too.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        live: bool,
        publisher: Bus | None = None,
        clock: Clock | None = None,
        ended: Callable[[Feed], None] | None = None,
        refill: Callable[[], bool] | None = None,
    ) -> None:
        self._intake = intake
        self._live = live
        self._outlet = Outlet(publisher)
        self._clock = clock or SystemClock()
        self._ended = ended or (lambda feed: None)
        self._refill = refill
        self._stopped = False
        self._joining: dict[Feed, threading.Thread] = {}
        self._feeds: set[Feed] = set()
        self._ready: deque[Feed] = deque()
        self._gather_until = 0.0
        self._tick_at = float("inf")
        self._held: list[tuple[float, int, Feed]] = []
        self._order = count()
        self._leaving: list[threading.Thread] = []
        self._last: Feed | None = None
        self._after: dict[Feed, Callable[[], None]] = {}
        self._coming = 0  # calls that follow a feed that leaves: the run is not over before them

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """The feeds that are open."""
        return tuple(self._feeds)

    def stop(self) -> None:
        """Ask the loop to end in order."""
        self._stopped = True
        for feed in (*tuple(self._joining), *tuple(self._feeds)):
            feed.stop()
        self._intake.call()

    def add(self, feed: Feed) -> None:
        """Take a feed that is open; before the loop runs, or in its thread."""
        self._feeds.add(feed)
        if self._live:
            self._tick_at = min(self._tick_at, feed.opened.ticks.due)
        self._intake.add(feed)

    def join(self, feed: Feed) -> None:
        """Open a feed in a thread of its own, and take it."""
        if self._stopped:
            feed.stop()
        thread = threading.Thread(
            target=self._open, args=(feed,), name=f"streammer-open-{feed.name}", daemon=True
        )
        self._joining[feed] = thread
        thread.start()

    def leave(self, feed: Feed, then: Callable[[], None] | None = None) -> None:
        """End a feed; the others go on.

        Parameters
        ----------
        then : callable, optional
            Called, in the loop's thread, once its source is closed: what follows may need it.
        """
        feed.stop()
        if then is not None:
            self._after[feed] = then
            self._coming += 1
        self.call(lambda: self._remove(feed))

    def call(self, call: Callable[[], None]) -> None:
        """Have a call made in the loop's thread, between two steps."""
        self._intake.call(call)

    def estimates(self) -> Generator[MoodEstimate]:
        """Yield estimates, already published, until all feeds have ended.

        However it ends, `ended` is published for every stream, the sources are closed and the
        models' slots are given back, in this order, each whatever the others raise.
        """
        with ExitStack() as teardown:
            teardown.callback(self._intake.close)
            teardown.callback(self._close_all)
            while not self._stopped and self._goes_on():
                for news in self._intake.wait(self._patience_s()):
                    if isinstance(news, Feed):
                        self._note(news)
                    elif news is not None:
                        news()
                yield from self._step_ready()
                if self._live and self._clock.monotonic() >= self._tick_at:
                    yield from self._tick()

    # ---- feeds that come and go ----

    def _goes_on(self) -> bool:
        more = self._refill is not None and self._refill()
        return more or bool(self._feeds or self._joining or self._coming)

    def _open(self, feed: Feed) -> None:
        try:
            feed.open()
        except Exception as error:  # told in the loop's thread
            feed.failure = error
        if feed.stopped:
            feed.close()
        self._intake.call(lambda: self._opened(feed))

    def _opened(self, feed: Feed) -> None:
        self._joining.pop(feed, None)
        if feed.failure is None and not feed.stopped:
            self.add(feed)
            return
        if feed.stopped:
            feed.failure = None  # it was broken off
        self._close_aside(feed)
        self._ended(feed)

    def _remove(self, feed: Feed) -> None:
        """Let go of a feed that has ended or is to leave; the others go on."""
        if feed not in self._feeds:
            return
        self._feeds.remove(feed)
        self._intake.remove(feed)
        feed.conclude()
        if not (self._feeds or self._joining or self._coming or self._refill):
            self._last = feed  # nobody else to be held up: it is closed where the loop ends
            return
        feed.say_ended(self._outlet.publish)
        self._close_aside(feed)
        self._ended(feed)

    def _close_aside(self, feed: Feed) -> None:
        """Close a feed without waiting for its source."""
        thread = threading.Thread(
            target=self._close, args=(feed,), name=f"streammer-close-{feed.name}", daemon=True
        )
        self._leaving = [t for t in self._leaving if t.is_alive()] + [thread]
        thread.start()

    def _close(self, feed: Feed) -> None:
        try:
            feed.close()
        except Exception as error:  # nobody waits for it
            _log.warning("%s does not close in order: %s", feed.name, error)
        if (then := self._after.pop(feed, None)) is not None:
            self._intake.call(partial(self._follow, then))

    def _follow(self, then: Callable[[], None]) -> None:
        self._coming -= 1
        then()

    def _close_all(self) -> None:
        for feed in self._joining:
            feed.stop()
        left, self._feeds = list(self._feeds), set()
        if self._last is not None:
            left.append(self._last)
        alone = len(left) == 1
        with ExitStack() as teardown:  # each, whatever the others raise
            for feed in left:
                teardown.callback(self._ended, feed)
            teardown.callback(self._await_leaving)
            for feed in left:
                teardown.callback(feed.close if alone else partial(self._close_aside, feed))
            for feed in left:
                teardown.callback(feed.say_ended, self._outlet.publish)

    def _await_leaving(self) -> None:
        until = time.monotonic() + _LEAVE_S
        for thread in (*self._joining.values(), *self._leaving):
            thread.join(max(0.0, until - time.monotonic()))

    # ---- steps ----

    def _patience_s(self) -> float:
        if not self._live:
            return _STOP_POLL_S
        now = self._clock.monotonic()
        if self._ready:
            return max(0.0, self._gather_until - now) if self._intake.nearly_due else 0.0
        until = min(now + _STOP_POLL_S, self._tick_at)
        if self._held:
            until = min(until, self._held[0][0])
        return max(0.0, until - now)

    def _note(self, feed: Feed) -> None:
        """Take in a feed that was worked on."""
        if feed.due:
            if not self._ready:
                self._gather_until = self._clock.monotonic() + GATHER_S
            self._ready.append(feed)
        else:
            self._go_on(feed)

    def _step_ready(self) -> Iterator[MoodEstimate]:
        now = self._clock.monotonic()
        while self._held and self._held[0][0] <= now:
            self._intake.resume(heapq.heappop(self._held)[2])
        if not self._ready or (
            self._intake.nearly_due and now < self._gather_until and len(self._ready) < BATCH_MAX
        ):
            return
        batch = [self._ready.popleft() for _ in range(min(BATCH_MAX, len(self._ready)))]
        yield from self._step([feed for feed in batch if feed in self._feeds and feed.due])
        for feed in batch:
            if feed.due and feed in self._feeds:
                self._ready.append(feed)
            else:
                self._go_on(feed)

    def _step(self, batch: Sequence[Feed], *, sound: bool = True) -> Iterator[MoodEstimate]:
        """Make the oldest step of each feed; where that fails, each by itself."""
        try:
            estimates = step_due([(feed.opened, feed.due[0]) for feed in batch])
        except Exception as error:
            if len(batch) > 1:
                for feed in batch:
                    yield from self._step([feed])
            else:
                batch[0].failure = error
                batch[0].due.clear()
            return
        for feed, estimate in zip(batch, estimates, strict=True):
            due = feed.due.popleft()
            self._outlet.publish_features(due, estimate)
            self._outlet.publish(feed, estimate)
            feed.delivered(estimate, sound=sound)
            yield estimate

    def _go_on(self, feed: Feed) -> None:
        """Let a feed be worked on, or let go of it; one that runs ahead waits for its turn."""
        if feed not in self._feeds:
            return
        if feed.over:
            self._remove(feed)
            return
        now = self._clock.monotonic()
        at = feed.turn_until(now, FLOOD)
        if self._live and len(self._feeds) > 1 and now < at:
            heapq.heappush(self._held, (at, next(self._order), feed))
        else:
            self._intake.resume(feed)

    # ---- ticks without sound ----

    def _tick(self) -> Iterator[MoodEstimate]:
        self._tick_at = float("inf")
        for feed in tuple(self._feeds):
            now, ticks = self._clock.monotonic(), feed.opened.ticks
            if now >= ticks.due:
                if feed.due or self._intake.look(feed):
                    self._tick_at = min(self._tick_at, now + _TICK_LOOK_S)
                    continue
                yield from self._tick_one(feed, now)
            self._tick_at = min(self._tick_at, ticks.due)

    def _tick_one(self, feed: Feed, now: float) -> Iterator[MoodEstimate]:
        # What waits in a resampler is not held back until sound comes again.
        feed.flush()
        stream = feed.opened
        if now < stream.ticks.due:
            return  # a worker was quicker
        while feed.due:
            yield from self._step([feed], sound=False)
        estimate = stream.tick_degraded(stream.ticks.degraded(now))
        self._outlet.publish(feed, estimate)
        stream.counters.add(estimate)
        yield estimate
