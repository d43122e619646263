"""What a hub sends on: of each stream the newest epoch, nothing twice, nothing malformed.

No sockets: messages come in as arguments. A stream is followed as a subscriber follows it.
"""

from dataclasses import dataclass, field

from streammer.bus.features import decode_features
from streammer.bus.following import Following
from streammer.bus.last_values import LastValues
from streammer.bus.wire import WireError, decode_mood, decode_status
from streammer.clock import Clock
from streammer.config import check_stream_name
from streammer.errors import UsageError
from streammer.estimate import MoodEstimate

__all__ = ["CONFLICT_S", "FORGET_S", "MAX_HUB_STREAMS", "Switchboard"]

MAX_HUB_STREAMS = 32_768
"""Streams of a hub; a program that invents names without end fills no memory."""

FORGET_S = 30.0
"""A stream of which nothing has come for so long is forgotten, its last values too [s]."""

CONFLICT_S = 60.0
"""How long two publishers of one name are remembered, and how often they are said [s]."""

_KINDS = ("mood", "status", "features")


@dataclass
class _Stream:
    name: str
    following: Following
    heard_at: float
    older: tuple[str, int] = ("", -1)  # epoch and seq of the last estimate that did not go on
    conflict_said_at: float | None = None


@dataclass
class Counts:
    """Messages since the hub began; see `HubStatus`."""

    received: int = 0
    forwarded: int = 0
    resent: int = 0
    duplicates: int = 0
    older: int = 0
    malformed: int = 0
    refused: int = 0


@dataclass
class Switchboard:
    """Tell what goes on to subscribers, and keep the last of it.

    Parameters
    ----------
    clock : Clock
    last : LastValues
        Is given what goes on.

    Attributes
    ----------
    counts : Counts
    """

    clock: Clock
    last: LastValues
    counts: Counts = field(default_factory=Counts)
    _streams: dict[str, _Stream] = field(default_factory=dict)
    _routes: dict[bytes, tuple[str, _Stream]] = field(default_factory=dict)
    _in_conflict: dict[str, float] = field(default_factory=dict)
    _full_said: bool = False

    def __len__(self) -> int:
        return len(self._streams)

    def take(self, topic: bytes, payload: bytes) -> bool:
        """Take a message of a publisher in, and return whether it goes on."""
        self.counts.received += 1
        now = self.clock.monotonic()
        try:
            kind, stream = self._routes.get(topic) or self._route(topic, payload, now)
            goes_on = self._goes_on(kind, stream, payload, now)
        except WireError:
            self.counts.malformed += 1
            return False
        except _FullError:
            self.counts.refused += 1
            return False
        stream.heard_at = now
        if goes_on:
            self.counts.forwarded += 1
            if kind != "features":  # old sound is of no use to who joins late
                self.last.keep(topic, payload)
        return goes_on

    def forget_silent(self) -> None:
        """Forget the streams of which nothing has come for long."""
        now = self.clock.monotonic()
        for stream in list(self._streams.values()):
            silent_s = now - stream.heard_at
            if silent_s > FORGET_S and silent_s > stream.following.patience_s(FORGET_S):
                del self._streams[stream.name]
                self._in_conflict.pop(stream.name, None)
                for kind in _KINDS:
                    topic = f"{kind}/{stream.name}".encode("ascii")
                    self._routes.pop(topic, None)
                    self.last.forget(topic)

    def conflicts(self) -> list[str]:
        """Return the streams that two publishers send at once."""
        now = self.clock.monotonic()
        for name, at in list(self._in_conflict.items()):
            if now - at >= CONFLICT_S:
                del self._in_conflict[name]
        return sorted(self._in_conflict)

    def to_say(self) -> list[str]:
        """Return the conflicts that were not said of late; they count as said then."""
        now = self.clock.monotonic()
        names = []
        for name in self.conflicts():
            stream = self._streams[name]
            if stream.conflict_said_at is None or now - stream.conflict_said_at >= CONFLICT_S:
                stream.conflict_said_at = now
                names.append(name)
        return names

    def full_to_say(self) -> bool:
        """Return, once, whether streams are refused."""
        if self.counts.refused and not self._full_said:
            self._full_said = True
            return True
        return False

    def _route(self, topic: bytes, payload: bytes, now: float) -> tuple[str, _Stream]:
        """Return kind and stream of a topic that is new; its stream is kept once it is valid."""
        try:
            kind, _, name = topic.decode("ascii").partition("/")
            check_stream_name(name)
        except (UnicodeDecodeError, UsageError) as error:
            raise WireError(f"topic {topic[:80]!r} names no stream") from error
        if kind not in _KINDS:
            raise WireError(f"topic {topic[:80]!r} is of no kind: {', '.join(_KINDS)}")
        stream = self._streams.get(name)
        if stream is None:
            decode = {"mood": decode_mood, "status": decode_status, "features": decode_features}
            decode[kind](payload, name)
            if len(self._streams) >= MAX_HUB_STREAMS:
                raise _FullError
            stream = self._streams[name] = _Stream(name, Following(now), now)
        self._routes[topic] = kind, stream
        return kind, stream

    def _goes_on(self, kind: str, stream: _Stream, payload: bytes, now: float) -> bool:
        following = stream.following
        if kind == "mood":
            mood = decode_mood(payload, stream.name)
            if following.take_mood(mood, now):
                return True
            epoch = mood.epoch
            if epoch != following.epoch:
                self._note_older(stream, mood, now)
        elif kind == "status":
            status, before = decode_status(payload, stream.name), following.status
            epoch = status.epoch
            again = before is not None and before.epoch == epoch and (
                # Hubs in a ring bring it back, the one before it perhaps after it.
                status.uptime_s < before.uptime_s or status == before
            )  # fmt: skip
            if not again and following.take_status(status, now):
                return True
        else:
            epoch = decode_features(payload, stream.name).epoch
            if epoch == following.epoch:
                return True
        if epoch == following.epoch:
            self.counts.duplicates += 1
        else:
            self.counts.older += 1
        return False

    def _note_older(self, stream: _Stream, mood: MoodEstimate, now: float) -> None:
        """Note that two publishers send a stream, once the older one has ticked again."""
        epoch, seq = stream.older
        if epoch == mood.epoch and mood.seq > seq:
            self._in_conflict[stream.name] = now
        stream.older = mood.epoch, mood.seq


class _FullError(Exception):
    """There is no room for another stream."""
