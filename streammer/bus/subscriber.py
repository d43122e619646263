"""The subscriber of the bus.

It follows one stream, drains to its newest estimate, and drops and counts what is malformed.
"""

import math
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType

import zmq

from streammer.bus.endpoint import check_endpoint
from streammer.bus.inflow import Inflow
from streammer.bus.sockets import DESCRIPTORS, ROUND, make_socket
from streammer.bus.wire import WireError, decode_mood, decode_status, mood_topic, status_topic
from streammer.clock import Clock, SystemClock
from streammer.config import DEFAULT_ENDPOINT, check_stream_name
from streammer.estimate import MoodEstimate, StreamStatus
from streammer.system.descriptors import check_descriptors

__all__ = ["RECONNECT_S", "STALE_S", "Subscriber"]

STALE_S = 2.0
"""Without an estimate for so long, or for two of its steps, a subscriber calls its stream stale."""

_STEP_MAX_S = 10.0
"""Longest step that a model may have (docs/design.md, contract 1) [s]."""

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
    LimitError
        Too few file descriptors are left.

    Notes
    -----
    Of two publishers under one name the one that started later (the greater epoch) is followed,
    as long as it is received; once it is stale or has ended, any other is.

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
        self._received_at = -math.inf
        self._since = self._contact_at = self._clock.monotonic()
        self._closed = False
        check_descriptors(DESCRIPTORS)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sock = make_socket(self._context, zmq.SUB, self.endpoint)
        self._sock.subscribe(self._mood_topic)
        self._sock.subscribe(self._status_topic)
        self._inflow = Inflow(self._sock)
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
            if not self._await(min(wait_s, RECONNECT_S)) and wait_s <= RECONNECT_S:
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
        """Whether the stream has announced that it ended, and no other has begun since."""
        self._drain()
        return self._ended

    @property
    def age_s(self) -> float:
        """Seconds since an estimate came, or since this subscriber was made if none did [s]."""
        self._drain()
        return self._clock.monotonic() - max(self._received_at, self._since)

    @property
    def stale(self) -> bool:
        """Whether no estimate has come for over 2 s, or two steps if that is longer.

        How long a step is, the status tells. Estimates that were sent again do not count.
        """
        return self.age_s > self._patience_s(STALE_S)

    def _patience_s(self, least_s: float) -> float:
        step_s = 0.0 if self._status is None else self._status.step_s
        return max(least_s, 2.0 * min(step_s, _STEP_MAX_S))

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
            self._inflow.close()
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
        for taken in range(ROUND):
            try:
                frames = self._receive()
            except zmq.Again:
                if taken:
                    self._inflow.message_came()
                self._leave_if_endless()
                self._reconnect_if_silent()
                return
            except WireError:
                self._malformed += 1
                continue
            try:
                self._take(frames)
            except WireError:
                self._malformed += 1

    def _await(self, wait_s: float) -> bool:
        """Wait for a message; return whether one came."""
        looks = max(1, math.ceil(wait_s / _LOOK_S))
        for _ in range(looks):
            if self._sock.poll(math.ceil(wait_s / looks * 1000.0)):
                return True
            self._leave_if_endless()
        return False

    def _receive(self) -> list[bytes]:
        """Return the two parts of the next message; those of another count are not kept."""
        frames = [self._sock.recv(zmq.NOBLOCK)]
        self._contact_at = self._clock.monotonic()
        parts = 1
        while self._sock.getsockopt(zmq.RCVMORE):
            frame = self._sock.recv()
            parts += 1
            if parts == 2:
                frames.append(frame)
        if parts != 2:
            raise WireError(f"{parts} frames; expected topic and JSON object")
        return frames

    def _leave_if_endless(self) -> None:
        """Hang up on a peer whose message does not end; `_reconnect_if_silent` comes back."""
        if self._inflow.unfinished_bytes() > _MAX_UNFINISHED_BYTES and not self._sock.poll(0):
            self._malformed += 1
            self._inflow.forget()
            self._contact_at = self._clock.monotonic()
            with suppress(zmq.ZMQError):
                self._sock.disconnect(self.endpoint)

    def _reconnect_if_silent(self) -> None:
        now = self._clock.monotonic()
        if now - self._contact_at < self._patience_s(RECONNECT_S):
            return
        self._contact_at = now
        with suppress(zmq.ZMQError):  # libzmq has given it up already
            self._sock.disconnect(self.endpoint)
        self._sock.connect(self.endpoint)

    def _take(self, frames: list[bytes]) -> None:
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
        self._received_at = self._clock.monotonic()
        if mood.state == "ended":
            self._ended = True
            return
        self._skipped += self._newest is not None
        self._newest = mood

    def _take_status(self, status: StreamStatus) -> None:
        if status.epoch == self._epoch or self._follow(status.epoch):
            self._status = status

    def _follow(self, epoch: str) -> bool:
        """Turn to another epoch, if it began later or the one followed is no longer received."""
        age_s = self._clock.monotonic() - max(self._received_at, self._since)
        silent = age_s > self._patience_s(STALE_S)
        if epoch < self._epoch and not silent and not self._ended:
            return False
        self._epoch, self._seq, self._ended = epoch, -1, False
        self._status = None
        return True
