"""Follow every stream of the bus: each of its estimates and statuses, in order of arrival."""

from collections.abc import Iterator
from types import TracebackType

from streammer.bus.connection import RECONNECT_S, Connection
from streammer.bus.features import Features, decode_features, features_topic
from streammer.bus.following import Following
from streammer.bus.wire import WireError, decode_mood, decode_status
from streammer.clock import Clock, SystemClock
from streammer.config import DEFAULT_ENDPOINT, check_stream_name
from streammer.errors import UsageError
from streammer.estimate import MoodEstimate, StreamStatus

__all__ = ["MAX_STREAMS", "Message", "Streams"]

MAX_STREAMS = 1024
"""Names that are followed; a program that invents names without end fills no memory."""

Message = MoodEstimate | StreamStatus | Features


class Streams:
    """Follow all streams of a publisher or hub; belongs to one thread.

    A `Subscriber` hands out the newest estimate of one stream; this hands out every message of
    every stream, the last estimate of each (`ended`) included, duplicates and malformed ones not.

    Parameters
    ----------
    endpoint : str
        Where the publisher is; it need not be there yet.
    clock : Clock, optional
        Tells when a stream is stale.

    Attributes
    ----------
    following : dict
        Name of a stream -> what is known of it.

    Raises
    ------
    UsageError
        The endpoint is malformed.
    LimitError
        Too few file descriptors are left.
    """

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self.following: dict[str, Following] = {}
        self._malformed = 0
        self._wanted: set[str] = set()
        self._features_of: dict[str, tuple[str, int]] = {}
        self._connection = Connection(
            endpoint, (b"mood/", b"status/"), clock=self._clock, patience_s=self._patience_s
        )
        self.endpoint = self._connection.endpoint

    @property
    def malformed(self) -> int:
        """Messages dropped because they do not keep the wire format (or are not of v 1)."""
        return self._malformed + self._connection.malformed

    def read(self, timeout_s: float) -> list[Message]:
        """Return what has arrived; wait for something, at most `timeout_s` [s], if nothing has."""
        messages = list(self._arrived())
        if not messages and self._connection.wait(timeout_s):
            messages = list(self._arrived())
        return messages

    def want_features(self, streams: set[str]) -> None:
        """Receive the features of these streams, and of no others."""
        for stream in streams - self._wanted:
            self._connection.subscribe(features_topic(check_stream_name(stream)))
        for stream in self._wanted - streams:
            self._connection.unsubscribe(features_topic(stream))
        self._wanted = set(streams)

    def stale(self, stream: str) -> bool:
        """Return whether no estimate of a stream has come for 2 s, or two of its steps."""
        return self.following[stream].stale(self._clock.monotonic())

    def close(self) -> None:
        """Leave the bus."""
        self._connection.close()

    def __enter__(self) -> "Streams":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _arrived(self) -> Iterator[Message]:
        for topic, payload in self._connection.arrived():
            try:
                message = self._taken(topic, payload)
            except WireError:
                self._malformed += 1
                continue
            if message is not None:
                yield message

    def _taken(self, topic: bytes, payload: bytes) -> Message | None:
        """Return the message if it is news."""
        kind, _, rest = topic.partition(b"/")
        try:
            stream = check_stream_name(rest.decode("ascii"))
        except (UnicodeDecodeError, UsageError) as error:
            raise WireError(f"topic {topic[:80]!r} names no stream") from error
        now = self._clock.monotonic()
        if kind == b"mood":
            mood = decode_mood(payload, stream)
            followed = self._followed(stream, now)
            return mood if followed and followed.take_mood(mood, now) else None
        if kind == b"status":
            status = decode_status(payload, stream)
            followed = self._followed(stream, now)
            return status if followed and followed.take_status(status, now) else None
        if kind == b"features" and stream in self._wanted:
            features = decode_features(payload, stream)
            step = features.epoch, features.seq
            if self._features_of.get(stream) != step:
                self._features_of[stream] = step
                return features
        return None

    def _followed(self, stream: str, now: float) -> Following | None:
        if stream not in self.following and len(self.following) < MAX_STREAMS:
            self.following[stream] = Following(now)
        return self.following.get(stream)

    def _patience_s(self) -> float:
        return max(
            (followed.patience_s(RECONNECT_S) for followed in self.following.values()),
            default=RECONNECT_S,
        )
