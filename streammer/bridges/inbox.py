"""What a stream of the bus brings, with the time at which it came."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from streammer.bridges.frame import Received
from streammer.bus import Subscriber
from streammer.clock import Clock

__all__ = ["Inbox", "following"]

_POLL_S = 0.05
"""How soon the end of a stream, and of this, is noticed [s]."""

_MOST = 64
"""Estimates kept for a reader that does not come; two a second are taken at least once."""


class Inbox:
    """Read a stream in a thread of its own, so that every estimate has the time at which it came.

    Parameters
    ----------
    endpoint, stream : str
        Where the publisher is, and what is followed (`Subscriber`).
    clock : Clock
        On which the times are.
    """

    def __init__(self, endpoint: str, stream: str, clock: Clock) -> None:
        self._clock = clock
        self._moods = Subscriber(endpoint, stream, clock=clock)
        self._came: deque[Received] = deque(maxlen=_MOST)
        self._failure: Exception | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"streammer-inbox-{stream}", daemon=True
        )
        self._thread.start()

    def take(self) -> list[Received]:
        """Return what has come since, in order; raise what ended the reading, if it did."""
        if self._failure is not None:
            raise self._failure
        came = []
        while self._came:
            came.append(self._came.popleft())
        return came

    def close(self) -> None:
        """Leave the bus."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._moods as moods:
                self._read(moods)
        except Exception as error:  # raised again by `take`
            self._failure = error

    def _read(self, moods: Subscriber) -> None:
        ended = False
        while not self._closing.is_set():
            mood = moods.read(_POLL_S)
            if mood is not None:
                self._came.append(Received(self._clock.monotonic(), mood))
            if moods.ended and not ended:
                self._came.append(Received(self._clock.monotonic(), None))
            ended = moods.ended


@contextmanager
def following(endpoint: str, streams: Sequence[str], clock: Clock) -> Iterator[dict[str, Inbox]]:
    """Follow streams of a bus while the block runs; each once, by its name."""
    with ExitStack() as stack:
        inboxes: dict[str, Inbox] = {}
        for name in streams:
            if name not in inboxes:
                inboxes[name] = Inbox(endpoint, name, clock)
                stack.callback(inboxes[name].close)
        yield inboxes
