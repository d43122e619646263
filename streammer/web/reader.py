"""The bus on one side, the event loop of the page server on the other: a thread between."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from streammer.bus.streams import Message, Streams

__all__ = ["Reader", "Receiver"]

_LOOK_S = 0.1
"""How soon a stream that went stale, or a wish for features, is noticed [s]."""


class Receiver(Protocol):
    """Who is told what came; called in the reader's thread."""

    def __call__(self, messages: Sequence[Message], stale: frozenset[str], /) -> None:
        """Take it over; must not wait."""
        ...


class Reader:
    """Follow the bus in a thread of its own.

    Parameters
    ----------
    streams : Streams
        From now on the reader's.
    receive : Receiver
        Is given what came, and which streams are stale.
    failed : callable
        Is given an exception that is nobody's fault but ours.
    """

    def __init__(
        self, streams: Streams, receive: Receiver, failed: Callable[[BaseException], None]
    ) -> None:
        self.wanted: frozenset[str] = frozenset()
        """Streams whose features are received; replaced as a whole."""
        self._streams = streams
        self._receive = receive
        self._failed = failed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streammer-page", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; the bus may be left then."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        stale: frozenset[str] = frozenset()
        try:
            while not self._stopping.is_set():
                self._streams.want_features(set(self.wanted))
                messages = self._streams.read(_LOOK_S)
                now = frozenset(filter(self._streams.stale, self._streams.following))
                if messages or now != stale:
                    stale = now
                    self._receive(messages, stale)
        except BaseException as error:
            self._failed(error)
