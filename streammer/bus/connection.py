"""A connection to a publisher: whole messages of two parts, for as long as it takes.

It comes back after a publisher that went away, however it went, and hangs up on one whose message
does not end. What the parts say is not looked at here.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import zmq

from streammer.bus.endpoint import check_endpoint
from streammer.bus.inflow import Inflow
from streammer.bus.sockets import DESCRIPTORS, ROUND, make_socket, receive
from streammer.bus.wire import WireError
from streammer.clock import Clock
from streammer.system.descriptors import check_descriptors

__all__ = ["RECONNECT_S", "Connection"]

RECONNECT_S = 5.0
"""Without any message for so long, a subscriber connects anew [s].

libzmq connects again by itself when a peer says goodbye. It does not when one lost its power or its
network (who only receives never notices), and never after one that broke the protocol: a message
too large, a server of another kind for a moment on the port. A publisher that lives ticks.
"""

_LOOK_S = 0.05
"""How often a waiting reader looks for a message that does not end [s]."""

_MAX_UNFINISHED_BYTES = 1 << 20
"""More than this without a whole message is none of ours: one has 64 KiB at most."""


class Connection:
    """Receive the messages of some topics; belongs to one thread.

    Parameters
    ----------
    endpoint : str
        Where the publisher is; it need not be there yet.
    topics : sequence of bytes
        What topics begin with.
    clock : Clock
    patience_s : callable
        Returns for how long a publisher that lives may be silent [s]; see `RECONNECT_S`.

    Attributes
    ----------
    malformed : int
        Messages that had not two parts, or did not end.

    Raises
    ------
    UsageError
        The endpoint is malformed.
    LimitError
        Too few file descriptors are left.
    """

    def __init__(
        self,
        endpoint: str,
        topics: Sequence[bytes],
        *,
        clock: Clock,
        patience_s: Callable[[], float],
    ) -> None:
        self.endpoint = check_endpoint(endpoint)
        self.malformed = 0
        self.closed = False
        self._clock = clock
        self._silence_s = patience_s
        self._contact_at = clock.monotonic()
        check_descriptors(DESCRIPTORS)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sock = make_socket(self._context, zmq.SUB, (self.endpoint,))
        for topic in topics:
            self._sock.subscribe(topic)
        self._inflow = Inflow(self._sock)
        self._sock.connect(self.endpoint)

    def subscribe(self, topic: bytes) -> None:
        """Receive another topic too."""
        self._sock.subscribe(topic)

    def unsubscribe(self, topic: bytes) -> None:
        """Receive a topic no more."""
        self._sock.unsubscribe(topic)

    def arrived(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield topic and payload of what has arrived, up to a bound that lets a reader return."""
        if self.closed:
            return
        for taken in range(ROUND):
            try:
                message = receive(self._sock)
            except zmq.Again:
                if taken:
                    self._inflow.message_came()
                self._leave_if_endless()
                self._reconnect_if_silent()
                return
            except WireError:
                self.malformed += 1
                message = None
            self._contact_at = self._clock.monotonic()
            if message is not None:
                yield message

    def wait(self, wait_s: float) -> bool:
        """Wait for a message, at most `wait_s` [s]; return whether one came."""
        looks = max(1, math.ceil(wait_s / _LOOK_S))
        for _ in range(looks):
            if self._sock.poll(math.ceil(wait_s / looks * 1000.0)):
                return True
            self._leave_if_endless()
        return False

    def close(self) -> None:
        """Leave the bus."""
        if not self.closed:
            self.closed = True
            self._inflow.close()
            self._sock.close()
            self._context.term()

    def _leave_if_endless(self) -> None:
        """Hang up on a peer whose message does not end; `_reconnect_if_silent` comes back."""
        if self._inflow.unfinished_bytes() > _MAX_UNFINISHED_BYTES and not self._sock.poll(0):
            self.malformed += 1
            self._inflow.forget()
            self._contact_at = self._clock.monotonic()
            with suppress(zmq.ZMQError):
                self._sock.disconnect(self.endpoint)

    def _reconnect_if_silent(self) -> None:
        now = self._clock.monotonic()
        if now - self._contact_at < self._silence_s():
            return
        self._contact_at = now
        with suppress(zmq.ZMQError):  # libzmq has given it up already
            self._sock.disconnect(self.endpoint)
        self._sock.connect(self.endpoint)
