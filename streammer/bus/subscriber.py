"""The subscriber of the bus.

It follows one stream, drains to its newest estimate, and drops and counts what is malformed.
"""

import math
from collections.abc import Iterator
from types import TracebackType

from streammer.bus.connection import RECONNECT_S, Connection
from streammer.bus.following import Following
from streammer.bus.wire import WireError, decode_mood, decode_status, mood_topic, status_topic
from streammer.clock import Clock, SystemClock
from streammer.config import DEFAULT_ENDPOINT, check_stream_name
from streammer.estimate import MoodEstimate, StreamStatus

__all__ = ["Subscriber"]


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
        self._clock = clock or SystemClock()
        self._topics = mood_topic(stream), status_topic(stream)
        self._newest: MoodEstimate | None = None  # arrived, not yet handed out
        self._following = Following(self._clock.monotonic())
        self._overtaken = self._malformed = 0
        self._connection = Connection(
            endpoint,
            self._topics,
            clock=self._clock,
            patience_s=lambda: self._following.patience_s(RECONNECT_S),
        )
        self.endpoint = self._connection.endpoint

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
        while not self._connection.closed:
            self._drain()
            newest, self._newest = self._newest, None
            if newest is not None:
                return newest
            wait_s = deadline - self._clock.monotonic()
            if wait_s <= 0.0:
                return None
            came = self._connection.wait(min(wait_s, RECONNECT_S))
            if not came and wait_s <= RECONNECT_S:
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
        return self._following.status

    @property
    def ended(self) -> bool:
        """Whether the stream has announced that it ended, and no other has begun since."""
        self._drain()
        return self._following.ended

    @property
    def age_s(self) -> float:
        """Seconds since an estimate came, or since this subscriber was made if none did [s]."""
        self._drain()
        return self._following.age_s(self._clock.monotonic())

    @property
    def stale(self) -> bool:
        """Whether no estimate has come for over 2 s, or two steps if that is longer.

        How long a step is, the status tells. Estimates that were sent again do not count.
        """
        self._drain()
        return self._following.stale(self._clock.monotonic())

    @property
    def skipped(self) -> int:
        """Estimates published after the first one that came here, but never handed out.

        Either overtaken by a newer one before they were read, or lost on the way (a hole in
        `seq`). What a publisher sent before its first estimate came here is not counted.
        """
        self._drain()
        return self._overtaken + self._following.missed

    @property
    def malformed(self) -> int:
        """Messages dropped because they do not keep the wire format (or are not of v 1)."""
        self._drain()
        return self._malformed + self._connection.malformed

    def close(self) -> None:
        """Leave the bus; iteration ends."""
        self._connection.close()

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
        for topic, payload in self._connection.arrived():
            try:
                self._take(topic, payload)
            except WireError:
                self._malformed += 1

    def _take(self, topic: bytes, payload: bytes) -> None:
        # ZeroMQ filters by prefix: main2 comes to who asked for main.
        now = self._clock.monotonic()
        if topic == self._topics[0]:
            mood = decode_mood(payload, self.stream)
            if self._following.take_mood(mood, now) and mood.state != "ended":
                self._overtaken += self._newest is not None
                self._newest = mood
        elif topic == self._topics[1]:
            self._following.take_status(decode_status(payload, self.stream), now)
