"""The mood bus: estimates over ZeroMQ, from one publisher to any number of subscribers.

`Publisher` binds an XPUB socket that one thread owns, keeps the last value of every topic and
sends it again to whoever joins late. `Subscriber` follows one stream, drains to its newest
estimate, and drops and counts what is malformed. docs/wire.md says what is on the wire.
"""

import errno
import math
import queue
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType

import zmq

from streammer.clock import Clock, SystemClock
from streammer.config import DEFAULT_ENDPOINT, check_stream_name
from streammer.endpoint import PathLock, check_endpoint
from streammer.errors import NetworkError
from streammer.estimate import MoodEstimate, StreamStatus
from streammer.wire import (
    WireError,
    decode_mood,
    decode_status,
    encode,
    mood_topic,
    status_topic,
)

__all__ = ["DEFAULT_ENDPOINT", "Publisher", "Subscriber", "check_endpoint"]

HIGH_WATER = 100
"""Messages kept for a peer that does not keep up; beyond it they are dropped."""

RESEND_GAP_S = 0.05
"""A resend reaches everybody, so a topic is sent again at most once in this time."""

STALE_S = 2.0
"""Without an estimate for so long, a subscriber calls its stream stale."""

RECONNECT_S = 5.0
"""Without any message for so long, a subscriber connects anew [s].

libzmq connects again by itself when a peer says goodbye. It does not when one lost its power or its
network (who only receives never notices), and never after one that broke the protocol: a message
too large, a server of another kind for a moment on the port. A publisher that lives ticks.
"""

LINGER_MS = 500
"""How long closing waits for the last messages (`ended` among them) to leave."""

_MAX_SUBSCRIPTION_BYTES = 1024
_MAX_MESSAGE_BYTES = 1 << 20
_ROUND = 256
"""Messages taken from a socket before the loop looks at everything else again."""


def _make_socket(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, endpoint: str
) -> "zmq.Socket[bytes]":
    """Make a socket of the bus: the one place that does, and where encryption will go.

    Parameters
    ----------
    context : zmq.Context
        Context that will own the socket.
    kind : int
        `zmq.XPUB` (not yet bound on return) or `zmq.SUB` (not yet connected).
    endpoint : str
        A checked endpoint.
    """
    sock = context.socket(kind)
    sock.ipv6 = "[" in endpoint
    sock.sndhwm = sock.rcvhwm = HIGH_WATER
    if kind == zmq.XPUB:
        sock.setsockopt(zmq.XPUB_VERBOSE, 1)  # tell of every joiner, not of each topic's first
        sock.setsockopt(zmq.MAXMSGSIZE, _MAX_SUBSCRIPTION_BYTES)
        sock.setsockopt(zmq.TCP_KEEPALIVE, 1)
        sock.linger = LINGER_MS
    else:
        sock.setsockopt(zmq.MAXMSGSIZE, _MAX_MESSAGE_BYTES)
        sock.linger = 0
    return sock


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
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_ENDPOINT,
        *,
        insecure: bool = False,
        clock: Clock | None = None,
    ) -> None:
        endpoint = check_endpoint(endpoint, insecure=insecure, bind=True)
        self._clock = clock or SystemClock()
        self._queues: dict[bytes, deque[bytes]] = {}  # by topic, so that none loses its newest
        self._lock = threading.Lock()
        self._last: dict[bytes, bytes] = {}
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
            target=self._run, args=(endpoint, bound), name="streammer-bus", daemon=True
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

    def close(self) -> None:
        """Send what was handed over, for at most `LINGER_MS`, and give the endpoint back."""
        self._closing = True
        self._wake()
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

    def _run(self, endpoint: str, bound: "queue.Queue[str | Exception]") -> None:
        with zmq.Context() as context:  # leaving it waits until what lingers has left
            try:
                with _make_socket(context, zmq.XPUB, endpoint) as sock:
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
            self._last[topic] = payload
            self._resend_at.pop(topic, None)  # joiners got this one
            self.sent += 1

    def _take_subscriptions(self, sock: "zmq.Socket[bytes]") -> None:
        """Note which topics are due again because somebody has joined them."""
        for _ in range(_ROUND):
            try:
                frame = sock.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            if frame[:1] != b"\x01":
                continue
            now = self._clock.monotonic()
            for topic in self._last:
                if topic.startswith(frame[1:]) and topic not in self._resend_at:
                    earliest = self._resent_at.get(topic, -math.inf) + RESEND_GAP_S
                    self._resend_at[topic] = max(now, earliest)

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


class Subscriber:
    """Follow one stream of the bus: always its newest estimate.

    Iterate over it (it waits, and never ends by itself: a restarted publisher is followed), or
    call `read`. A reader that is slower than the publisher gets the newest estimate and skips
    those in between. One subscriber belongs to one thread.

    Parameters
    ----------
    endpoint : str
        Where the publisher is; it need not be there yet.
    stream : str
        Name of the stream.
    clock : Clock, optional
        Tells when the stream is stale.

    Raises
    ------
    UsageError
        Endpoint or stream name is malformed.

    Notes
    -----
    Of two publishers under one name the one that started later (the greater epoch) is followed,
    as long as it is heard; once it is stale or has ended, any other is.

    The last tick of a stream, in state ``ended``, is not handed out: `ended` tells.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_ENDPOINT,
        stream: str = "main",
        *,
        clock: Clock | None = None,
    ) -> None:
        self.stream = check_stream_name(stream)
        self.endpoint = check_endpoint(endpoint)
        self._clock = clock or SystemClock()
        self._mood_topic, self._status_topic = mood_topic(stream), status_topic(stream)
        self._newest: MoodEstimate | None = None  # arrived, not yet handed out
        self._status: StreamStatus | None = None
        self._epoch = ""
        self._seq = -1
        self._ended = False
        self._skipped = self._malformed = 0
        self._heard_at = -math.inf
        self._since = self._contact_at = self._clock.monotonic()
        self._closed = False
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sock = _make_socket(self._context, zmq.SUB, self.endpoint)
        self._sock.subscribe(self._mood_topic)
        self._sock.subscribe(self._status_topic)
        self._sock.connect(self.endpoint)

    def read(self, timeout_s: float | None = None) -> MoodEstimate | None:
        """Return the newest estimate not yet handed out.

        Parameters
        ----------
        timeout_s : float, optional
            How long to wait for one [s]; None waits until there is one.

        Returns
        -------
        MoodEstimate or None
            None when none came in time, or the subscriber is closed.
        """
        deadline = math.inf if timeout_s is None else self._clock.monotonic() + timeout_s
        while not self._closed:
            self._drain()
            newest, self._newest = self._newest, None
            if newest is not None:
                return newest
            wait_s = deadline - self._clock.monotonic()
            if wait_s <= 0.0:
                return None
            arrived = self._sock.poll(math.ceil(min(wait_s, RECONNECT_S) * 1000.0))
            if not arrived and wait_s <= RECONNECT_S:
                return None
        return None

    def __iter__(self) -> Iterator[MoodEstimate]:
        return self

    def __next__(self) -> MoodEstimate:
        mood = self.read()
        if mood is None:
            raise StopIteration
        return mood

    @property
    def status(self) -> StreamStatus | None:
        """The last status of the stream that is followed, or None before the first."""
        self._drain()
        return self._status

    @property
    def ended(self) -> bool:
        """Whether the stream has said that it ended, and no other has begun since."""
        self._drain()
        return self._ended

    @property
    def age_s(self) -> float:
        """Seconds since an estimate came, or since this subscriber was made if none did [s]."""
        self._drain()
        return self._clock.monotonic() - max(self._heard_at, self._since)

    @property
    def stale(self) -> bool:
        """Whether no estimate has come for more than `STALE_S` (resent ones do not count)."""
        return self.age_s > STALE_S

    @property
    def skipped(self) -> int:
        """Estimates published after the first one that came here, but never handed out.

        Either overtaken by a newer one before they were read, or lost on the way (a hole in
        `seq`). What a publisher sent before its first estimate came here is not counted.
        """
        self._drain()
        return self._skipped

    @property
    def malformed(self) -> int:
        """Messages dropped because they do not keep the wire format (or are not of v 1)."""
        self._drain()
        return self._malformed

    def close(self) -> None:
        """Leave the bus; iteration ends."""
        if not self._closed:
            self._closed = True
            self._sock.close()
            self._context.term()

    def __enter__(self) -> "Subscriber":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _drain(self) -> None:
        """Take in what has arrived, up to a bound that lets a flooded reader return."""
        if self._closed:
            return
        for _ in range(_ROUND):
            try:
                frames = self._sock.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                self._reconnect_if_silent()
                return
            self._contact_at = self._clock.monotonic()
            try:
                self._take(frames)
            except WireError:
                self._malformed += 1

    def _reconnect_if_silent(self) -> None:
        now = self._clock.monotonic()
        if now - self._contact_at < RECONNECT_S:
            return
        self._contact_at = now
        with suppress(zmq.ZMQError):  # libzmq has given it up already
            self._sock.disconnect(self.endpoint)
        self._sock.connect(self.endpoint)

    def _take(self, frames: list[bytes]) -> None:
        if len(frames) != 2:
            raise WireError(f"{len(frames)} frames; expected topic and JSON object")
        topic, payload = frames
        # ZeroMQ filters by prefix: main2 comes to who asked for main.
        if topic == self._mood_topic:
            self._take_mood(decode_mood(payload, self.stream))
        elif topic == self._status_topic:
            self._take_status(decode_status(payload, self.stream))

    def _take_mood(self, mood: MoodEstimate) -> None:
        if mood.epoch == self._epoch:
            if mood.seq <= self._seq:
                return  # sent again for somebody who joined
            self._skipped += mood.seq - self._seq - 1 if self._seq >= 0 else 0
        elif not self._follow(mood.epoch):
            return
        self._seq = mood.seq
        self._heard_at = self._clock.monotonic()
        if mood.state == "ended":
            self._ended = True
            return
        self._skipped += self._newest is not None
        self._newest = mood

    def _take_status(self, status: StreamStatus) -> None:
        if status.epoch == self._epoch or self._follow(status.epoch):
            self._status = status

    def _follow(self, epoch: str) -> bool:
        """Turn to another epoch, if it began later or the one followed is no longer heard."""
        silent = self._clock.monotonic() - max(self._heard_at, self._since) > STALE_S
        if epoch < self._epoch and not silent and not self._ended:
            return False
        self._epoch, self._seq, self._ended = epoch, -1, False
        self._status = None
        return True


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
