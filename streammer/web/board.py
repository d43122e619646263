"""What is known of the streams, and the browsers that are told of it.

Everything here runs in the event loop, and nothing waits: each browser has a queue of its own.
"""

from collections.abc import Callable, Iterable, Sequence

from streammer.bus.features import Features
from streammer.bus.streams import Message
from streammer.estimate import MoodEstimate, StreamStatus
from streammer.web.client import Client
from streammer.web.messages import MAX_LABEL, RECENT, Mark, MarkRequest, Watch, features_frame, say
from streammer.web.session import Session

__all__ = ["MAX_CLIENTS", "Board"]

MAX_CLIENTS = 200
"""Browsers at the same time."""

_MARKS_SENT = 200


class Board:
    """Keep what came, and tell every browser.

    Parameters
    ----------
    endpoint : str
        Where it comes from, as the page says it.
    version : str
        Of streammer.
    keep : callable, optional
        Is given each mark, to be written elsewhere; must not wait.
    plays : bool
        Whether a page can play the sound of the stream.
    place : callable, optional
        Returns how positive and how energetic a mood is for its room, each from 0 to 1.

    Attributes
    ----------
    session : Session
    clients : set of Client
    """

    def __init__(
        self,
        endpoint: str,
        version: str,
        keep: Callable[[Mark], None] | None = None,
        *,
        plays: bool = False,
        place: Callable[[MoodEstimate], tuple[float, float] | None] = lambda _mood: None,
    ) -> None:
        self.session = Session()
        self.clients: set[Client] = set()
        self._endpoint = endpoint
        self._version = version
        self._keep = keep
        self._plays = plays
        self._place = place
        self._moods: dict[str, MoodEstimate] = {}
        self._statuses: dict[str, StreamStatus] = {}
        self._stale: frozenset[str] = frozenset()

    @property
    def known(self) -> list[str]:
        """Names of the streams, in order."""
        return sorted(self._moods.keys() | self._statuses.keys())

    @property
    def wanted(self) -> frozenset[str]:
        """Streams whose features some browser shows."""
        return frozenset(c.stream for c in self.clients if c.features and c.stream)

    def receive(self, messages: Sequence[Message], stale: frozenset[str]) -> None:
        """Take in what came from the bus, and which streams are stale."""
        for message in messages:
            if isinstance(message, MoodEstimate):
                self._moods[message.stream] = message
                self.session.add(message)
                _tell(self.clients, say("mood", mood=message, room=self._place(message)))
            elif isinstance(message, StreamStatus):
                self._statuses[message.stream] = message
                _tell(self.clients, say("status", status=message))
            else:
                self._show_features(message)
        for stream in sorted(stale ^ self._stale):
            _tell(self.clients, say("stale", stream=stream, stale=stream in stale))
        self._stale = stale

    def join(self, client: Client) -> None:
        """Let a browser in, and tell it what there is."""
        streams = [
            {
                "stream": name,
                "mood": self._moods.get(name),
                "status": self._statuses.get(name),
                "stale": name in self._stale,
            }
            for name in self.known
        ]
        client.put(
            say(
                "hello",
                version=self._version,
                endpoint=self._endpoint,
                recorded=self._keep is not None,
                plays=self._plays,
                streams=streams,
            )
        )
        self.clients.add(client)

    def leave(self, client: Client) -> None:
        """Forget a browser."""
        self.clients.discard(client)

    def ask(self, client: Client, request: Watch | MarkRequest) -> None:
        """Do what a browser asks."""
        if isinstance(request, MarkRequest):
            self._mark(client, request)
            return
        client.stream, client.features = request.stream, request.features
        marks = [mark for mark in self.session.marks if mark.stream == request.stream]
        client.put(
            say(
                "history",
                stream=request.stream,
                keys=RECENT,
                rows=self.session.recent(request.stream),
                marks=marks[-_MARKS_SENT:],
            )
        )

    def _mark(self, client: Client, request: MarkRequest) -> None:
        # The moment is that of the key; words come seconds later.
        mood = self.session.find(request.stream, request.epoch, request.seq)
        if mood is None:
            client.put(say("problem", text="nothing was received of this stream yet to be marked"))
            return
        mark = Mark(
            t=mood.t_publish,
            stream=mood.stream,
            epoch=mood.epoch,
            seq=mood.seq,
            t_audio_s=mood.t_audio_s,
            label=" ".join(request.label.split())[:MAX_LABEL],
        )
        self.session.marks.append(mark)
        if self._keep is not None:
            self._keep(mark)
        _tell(self.clients, say("mark", mark=mark))

    def _show_features(self, features: Features) -> None:
        frame = features_frame(features)
        _tell((c for c in self.clients if c.features and c.stream == features.stream), frame)


def _tell(clients: Iterable[Client], message: str | bytes) -> None:
    for client in clients:
        client.put(message)
