"""The publisher of the bus.

It owns an XPUB socket in one thread, bound, connected to a hub, or both; it keeps the last value of
every topic and sends it again to whoever joins late: to a hub that was restarted, too. Nothing that
a subscriber or a hub does holds it up.
"""

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
from streammer.bus.last_values import LastValues
from streammer.bus.sockets import DESCRIPTORS, HIGH_WATER, ROUND, bind_socket, make_socket
from streammer.bus.uplink import LOOK_S, Uplink
from streammer.bus.wanted import WantedFeatures
from streammer.bus.wire import encode, mood_topic, status_topic
from streammer.clock import Clock, SystemClock
from streammer.config import DEFAULT_ENDPOINT
from streammer.errors import NetworkError, UsageError
from streammer.estimate import MoodEstimate, StreamStatus
from streammer.system.descriptors import check_descriptors

__all__ = ["Publisher"]

KEPT_A_STREAM = 4
"""An estimate and a status, twice: steps of many streams may come at one moment."""

_FEATURES = features_topic("")


class Publisher:
    """Publish the estimates and the status of streams to whoever subscribes.

    `publish` may be called from any thread and returns at once, whatever the subscribers do.

    Parameters
    ----------
    endpoint : str or None
        ``tcp://HOST:PORT`` or ``ipc://PATH``; port 0 or ``*`` takes a free one. None binds
        nothing, where `connect` is given.
    connect : str, optional
        The hub that everything goes to: where it takes publishers. It need not be there yet, and
        it may come back; a log record says when it does not answer.
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
        What subscribers connect to, with the real port; empty if nothing is bound.
    where : str
        The same in words, for people: the hub, if there is one.
    sent, resent, dropped : int
        Messages handed to the socket; sent again to late joiners; dropped, oldest first, because
        more than `HIGH_WATER` of one topic were handed over at once. (What libzmq drops for one
        slow subscriber is not counted: it does not tell.)

    Raises
    ------
    UsageError
        An endpoint is malformed, or there is none.
    NetworkError
        The endpoint is taken, is not of this machine, or is open to others without `insecure`.
    LimitError
        Too few file descriptors are left.
    """

    def __init__(
        self,
        endpoint: str | None = DEFAULT_ENDPOINT,
        *,
        connect: str | None = None,
        insecure: bool = False,
        clock: Clock | None = None,
        streams: int = 1,
    ) -> None:
        if endpoint is None and connect is None:
            raise UsageError("a publisher needs an endpoint to bind, or a hub to connect to")
        if endpoint is not None:
            endpoint = check_endpoint(endpoint, insecure=insecure, bind=True)
        clock = clock or SystemClock()
        uplink = None if connect is None else Uplink(check_endpoint(connect), clock)
        check_descriptors(DESCRIPTORS)
        self._queues: dict[bytes, deque[bytes]] = {}  # by topic, so that none loses its newest
        self._lock = threading.Lock()
        self._close_lock = threading.RLock()  # a signal handler may close what is being closed
        self._last = LastValues(clock)
        self._wanted = WantedFeatures()
        self._uplink = uplink
        self._closing = False
        self.sent = self.resent = self.dropped = 0
        ipc = endpoint is not None and endpoint.startswith("ipc://")
        self._path_lock = PathLock(str(endpoint)[6:]) if ipc else None
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
            raise result
        self.endpoint = result
        self.where = result if uplink is None else f"the hub {uplink.endpoint}"

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
        return self._wanted.wants(stream)

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

    def _run(
        self, endpoint: str | None, bound: "queue.Queue[str | Exception]", high_water: int
    ) -> None:
        with zmq.Context() as context:  # leaving it waits until what lingers has left
            try:
                hub = None if self._uplink is None else self._uplink.endpoint
                with make_socket(context, zmq.XPUB, (endpoint, hub), high_water) as sock:
                    at = "" if endpoint is None else bind_socket(sock, endpoint)
                    if self._uplink is not None:
                        self._uplink.connect(sock)
                    bound.put(at)
                    self._serve(sock)
            except Exception as error:  # told where it matters: in the caller's thread
                self._failure = error
                bound.put(error)

    def _serve(self, sock: "zmq.Socket[bytes]") -> None:
        poller = zmq.Poller()
        poller.register(sock, zmq.POLLIN)
        poller.register(self._wake_out, zmq.POLLIN)
        while True:
            poller.poll(self._wait_ms())
            with suppress(BlockingIOError):
                self._wake_out.recv(4096)
            closing = self._closing  # read before the queue: what came before it still leaves
            self._send_new(sock)
            self._take_subscriptions(sock)
            for topic, payload in self._last.due():
                sock.send_multipart((topic, payload), zmq.NOBLOCK)
                self.resent += 1
            if self._uplink is not None:
                self._uplink.look_after(sock)
            if closing:
                return

    def _send_new(self, sock: "zmq.Socket[bytes]") -> None:
        with self._lock:
            queues, self._queues = self._queues, {}
        for topic, payload in ((topic, p) for topic, waiting in queues.items() for p in waiting):
            sock.send_multipart((topic, payload), zmq.NOBLOCK)
            if not topic.startswith(_FEATURES):  # old sound is of no use to who joins late
                self._last.keep(topic, payload)
            self.sent += 1

    def _take_subscriptions(self, sock: "zmq.Socket[bytes]") -> None:
        """Note which topics are due again because somebody has joined them."""
        for _ in range(ROUND):
            try:
                frame = sock.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._wanted.note(frame)
            if frame[:1] == b"\x01":
                self._last.joined(frame[1:])
            elif self._uplink is not None:
                self._uplink.take(frame)

    def _wait_ms(self) -> int | None:
        wait_s = self._last.wait_s()
        if self._uplink is not None:
            wait_s = min(wait_s, LOOK_S)
        return None if math.isinf(wait_s) else math.ceil(wait_s * 1000.0)
