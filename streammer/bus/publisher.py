"""The publisher of the bus.

It binds an XPUB socket that one thread owns, keeps the last value of every topic and sends it again
to whoever joins late. Nothing that a subscriber does holds it up.
"""

import errno
import math
import queue
import socket
import threading
from collections import deque
from contextlib import suppress
from types import TracebackType

import zmq

from streammer.bus.endpoint import PathLock, check_endpoint
from streammer.bus.features import Features, encode_features, features_topic
from streammer.bus.sockets import DESCRIPTORS, HIGH_WATER, ROUND, make_socket
from streammer.bus.wire import encode, mood_topic, status_topic
from streammer.clock import Clock, SystemClock
from streammer.config import DEFAULT_ENDPOINT
from streammer.errors import NetworkError
from streammer.estimate import MoodEstimate, StreamStatus
from streammer.system.descriptors import check_descriptors

__all__ = ["RESEND_GAP_S", "Publisher"]

RESEND_GAP_S = 0.05
"""A resend reaches everybody, so a topic is sent again at most once in this time."""

KEPT_A_STREAM = 4
"""An estimate and a status, twice: steps of many streams may come at one moment."""

_FEATURES = features_topic("")
_MAX_WANTED = 1024
"""Subscriptions to features that are kept: a peer that invents topics fills no memory."""


class Publisher:
    """Publish the estimates and the status of streams to whoever subscribes.

    `publish` may be called from any thread and returns at once, whatever the subscribers do.

    Parameters
    ----------
    endpoint : str
        ``tcp://HOST:PORT`` or ``ipc://PATH``; port 0 or ``*`` takes a free one.
    insecure : bool
        Allow a bind that other machines can reach.
    clock : Clock, optional
        Times the resends.
    streams : int
        How many are published: of each, a few messages are kept for a subscriber that is slow for
        a moment, at least `HIGH_WATER` in all.

    Attributes
    ----------
    endpoint : str
        What subscribers connect to, with the real port.
    sent, resent, dropped : int
        Messages handed to the socket; sent again to late joiners; dropped, oldest first, because
        more than `HIGH_WATER` of one topic were handed over at once. (What libzmq drops for one
        slow subscriber is not counted: it does not tell.)

    Raises
    ------
    UsageError
        The endpoint is malformed.
    NetworkError
        The endpoint is taken, is not of this machine, or is open to others without `insecure`.
    LimitError
        Too few file descriptors are left.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_ENDPOINT,
        *,
        insecure: bool = False,
        clock: Clock | None = None,
        streams: int = 1,
    ) -> None:
        endpoint = check_endpoint(endpoint, insecure=insecure, bind=True)
        check_descriptors(DESCRIPTORS)
        self._clock = clock or SystemClock()
        self._queues: dict[bytes, deque[bytes]] = {}  # by topic, so that none loses its newest
        self._lock = threading.Lock()
        self._close_lock = threading.RLock()  # a signal handler may close what is being closed
        self._last: dict[bytes, bytes] = {}
        # Replaced as a whole: the thread of the socket writes it, any other reads it.
        self._wanted: frozenset[bytes] = frozenset()
        self._resend_at: dict[bytes, float] = {}
        self._resent_at: dict[bytes, float] = {}
        self._closing = False
        self.sent = self.resent = self.dropped = 0
        self._path_lock = PathLock(endpoint[6:]) if endpoint.startswith("ipc://") else None
        # Wakes the thread: a ZeroMQ socket may be used by one thread only, this pair by any.
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._failure: Exception | None = None
        bound: queue.Queue[str | Exception] = queue.Queue()
        self._thread = threading.Thread(
            target=self._run,
            args=(endpoint, bound, max(HIGH_WATER, KEPT_A_STREAM * streams)),
            name="streammer-bus",
            daemon=True,
        )
        self._thread.start()
        result = bound.get()
        if isinstance(result, Exception):
            self.close()
            raise _bind_error(endpoint, result) from result
        self.endpoint = result

    def publish(self, estimate: MoodEstimate) -> None:
        """Publish an estimate under ``mood/<stream>``.

        Raises
        ------
        WireError
            The estimate breaks a rule of the wire format (a bug of the caller).
        NetworkError
            The publisher is closed.
        """
        self._hand_over(mood_topic(estimate.stream), encode(estimate))

    def publish_status(self, status: StreamStatus) -> None:
        """Publish a status under ``status/<stream>``; raises as `publish` does."""
        self._hand_over(status_topic(status.stream), encode(status))

    def wants_features(self, stream: str) -> bool:
        """Return whether somebody has subscribed to the features of a stream."""
        return any(features_topic(stream).startswith(topic) for topic in self._wanted)

    def publish_features(self, features: Features) -> None:
        """Publish the features of a step under ``features/<stream>``; raises as `publish` does."""
        self._hand_over(features_topic(features.stream), encode_features(features))

    def close(self) -> None:
        """Send what was handed over, for at most `LINGER_MS`, and give the endpoint back.

        May be called from any thread, and again; the endpoint is free when any call returns.
        """
        self._closing = True
        self._wake()
        with self._close_lock:
            self._thread.join()
            self._wake_in.close()
            self._wake_out.close()
            if self._path_lock is not None:
                self._path_lock.release()

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _hand_over(self, topic: bytes, payload: bytes) -> None:
        if self._failure is not None:
            raise NetworkError(f"the bus has failed: {self._failure}") from self._failure
        if self._closing:
            raise NetworkError("this publisher is closed; make a new one to publish more")
        with self._lock:
            waiting = self._queues.setdefault(topic, deque(maxlen=HIGH_WATER))
            self.dropped += len(waiting) == HIGH_WATER
            waiting.append(payload)
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):  # full: it is awake already; closed: nobody is left to wake
            self._wake_in.send(b"\0")

    # ---- everything below runs in the thread that owns the socket ----

    def _run(self, endpoint: str, bound: "queue.Queue[str | Exception]", high_water: int) -> None:
        with zmq.Context() as context:  # leaving it waits until what lingers has left
            try:
                with make_socket(context, zmq.XPUB, endpoint, high_water) as sock:
                    sock.bind(endpoint)
                    bound.put(sock.getsockopt_string(zmq.LAST_ENDPOINT))
                    self._serve(sock)
            except Exception as error:  # told where it matters: in the caller's thread
                self._failure = error
                bound.put(error)

    def _serve(self, sock: "zmq.Socket[bytes]") -> None:
        poller = zmq.Poller()
        poller.register(sock, zmq.POLLIN)
        poller.register(self._wake_out, zmq.POLLIN)
        while True:
            poller.poll(self._ms_to_next_resend())
            with suppress(BlockingIOError):
                self._wake_out.recv(4096)
            closing = self._closing  # read before the queue: what came before it still leaves
            self._send_new(sock)
            self._take_subscriptions(sock)
            self._resend_due(sock)
            if closing:
                return

    def _send_new(self, sock: "zmq.Socket[bytes]") -> None:
        with self._lock:
            queues, self._queues = self._queues, {}
        for topic, payload in ((topic, p) for topic, waiting in queues.items() for p in waiting):
            sock.send_multipart((topic, payload), zmq.NOBLOCK)
            if not topic.startswith(_FEATURES):  # old sound is of no use to who joins late
                self._last[topic] = payload
            self._resend_at.pop(topic, None)  # joiners got this one
            self.sent += 1

    def _take_subscriptions(self, sock: "zmq.Socket[bytes]") -> None:
        """Note which topics are due again because somebody has joined them."""
        for _ in range(ROUND):
            try:
                frame = sock.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._note_wanted(frame)
            if frame[:1] != b"\x01":
                continue
            now = self._clock.monotonic()
            for topic in self._last:
                if topic.startswith(frame[1:]) and topic not in self._resend_at:
                    earliest = self._resent_at.get(topic, -math.inf) + RESEND_GAP_S
                    self._resend_at[topic] = max(now, earliest)

    def _note_wanted(self, frame: bytes) -> None:
        """Keep the subscriptions that bring features, until the last subscriber of each leaves."""
        topic = frame[1:]
        if not (topic.startswith(_FEATURES) or _FEATURES.startswith(topic)):
            return
        if frame[:1] == b"\x00":
            self._wanted -= {topic}
        elif frame[:1] == b"\x01" and len(self._wanted) < _MAX_WANTED:
            self._wanted |= {topic}

    def _resend_due(self, sock: "zmq.Socket[bytes]") -> None:
        now = self._clock.monotonic()
        for topic in [topic for topic, due in self._resend_at.items() if due <= now]:
            sock.send_multipart((topic, self._last[topic]), zmq.NOBLOCK)
            del self._resend_at[topic]
            self._resent_at[topic] = now
            self.resent += 1

    def _ms_to_next_resend(self) -> int | None:
        if not self._resend_at:
            return None
        wait_s = min(self._resend_at.values()) - self._clock.monotonic()
        return max(0, math.ceil(wait_s * 1000.0))


def _bind_error(endpoint: str, error: Exception) -> NetworkError:
    """Return what a failed bind means, and what to do about it."""
    number = getattr(error, "errno", None)
    port = endpoint.rpartition(":")[2]
    if number == zmq.EADDRINUSE and port.isdecimal():
        other = int(port) + 1 if int(port) < 65535 else 5580
        return NetworkError(
            f"port {port} is taken ({endpoint}; another streammer?): stop what uses it, or choose "
            f"another port, for example tcp://127.0.0.1:{other}"
        )
    if number in (zmq.EADDRNOTAVAIL, errno.ENODEV):
        return NetworkError(
            f"{endpoint} cannot be bound: this machine has no such address; use {DEFAULT_ENDPOINT}"
        )
    if number == errno.EACCES:
        return NetworkError(
            f"{endpoint} cannot be bound: permission denied; use a port from 1024 on, or a "
            "directory that you may write"
        )
    return NetworkError(f"{endpoint} cannot be bound: {error}; try {DEFAULT_ENDPOINT}")
