"""The hub: one place where publishers of many machines and their subscribers meet.

Publishers connect to its XSUB socket, subscribers to its XPUB socket as to any publisher. It keeps
nothing that a restart needs: publishers send their last values again to a hub that comes back.
"""

import logging
import math
from contextlib import ExitStack
from types import TracebackType

import zmq

from streammer import __version__
from streammer.bus.endpoint import PathLock, check_endpoint
from streammer.bus.hub_status import HUB_TOPIC, HubStatus, encode_hub
from streammer.bus.last_values import LastValues
from streammer.bus.sockets import (
    DESCRIPTORS,
    HIGH_WATER,
    ROUND,
    bind_socket,
    make_socket,
    receive,
)
from streammer.bus.switchboard import Switchboard
from streammer.bus.uplink import BEAT, BEAT_S, Uplink, is_same_place
from streammer.bus.wanted import WantedFeatures
from streammer.bus.wire import WireError
from streammer.clock import Clock, SystemClock
from streammer.config import DEFAULT_ENDPOINT, HUB_ENDPOINT
from streammer.errors import UsageError
from streammer.estimate import new_epoch
from streammer.system.descriptors import check_descriptors

__all__ = ["HUB_STATUS_S", "Hub"]

HUB_STATUS_S = 5.0
"""How often `hub/status` is published, beside every change of its conflicts [s]."""

_LOOK_S = 0.25
"""How soon `stop` is noticed [s]."""

_SHOWN_CONFLICTS = 20
_KEPT_A_STREAM = 4
_FROM_PUBLISHERS = 1000
"""Messages kept of a publisher that sends faster than they go on; then it has to wait."""

_log = logging.getLogger(__name__)


class Hub:
    """Send on what publishers send; belongs to the thread that calls `run`.

    Parameters
    ----------
    publishers : str
        Endpoint where publishers connect; port 0 or ``*`` takes a free one.
    endpoint : str
        Endpoint where subscribers connect, likewise.
    connect : str, optional
        Another hub that everything goes on to.
    insecure : bool
        Allow endpoints that other machines can reach.
    clock : Clock, optional

    Attributes
    ----------
    publishers, endpoint : str
        The same with their real ports.

    Raises
    ------
    UsageError
        An endpoint is malformed, both are one, or the hub would connect to itself.
    NetworkError
        An endpoint is taken, is not of this machine, or is open to others without `insecure`.
    LimitError
        Too few file descriptors are left.
    """

    def __init__(
        self,
        publishers: str = HUB_ENDPOINT,
        endpoint: str = DEFAULT_ENDPOINT,
        *,
        connect: str | None = None,
        insecure: bool = False,
        clock: Clock | None = None,
    ) -> None:
        publishers = check_endpoint(publishers, insecure=insecure, bind=True)
        endpoint = check_endpoint(endpoint, insecure=insecure, bind=True)
        if publishers == endpoint and not endpoint.endswith(":*"):
            raise UsageError(
                f"publishers and subscribers are both given {endpoint}: they need a port each, "
                f"for example {HUB_ENDPOINT} and {DEFAULT_ENDPOINT}"
            )
        self._clock = clock or SystemClock()
        self.epoch = new_epoch(self._clock)
        self._uplink = None
        if connect is not None:
            connect = check_endpoint(connect)
            if any(is_same_place(connect, own) for own in (publishers, endpoint)):
                raise UsageError(
                    f"{connect} is this hub itself: --connect names another one, for example "
                    "tcp://central:5581"
                )
            self._uplink = Uplink(connect, self._clock, self.epoch)
        check_descriptors(2 * DESCRIPTORS)
        self._last = LastValues(self._clock)
        self._board = Switchboard(self._clock, self._last)
        self._wanted = WantedFeatures()
        self._room = HIGH_WATER
        self._began = self._beat_at = self._status_at = self._clock.monotonic()
        self._conflicts: list[str] = []
        self._stopped = False
        with ExitStack() as stack:
            for path in (publishers, endpoint):
                if path.startswith("ipc://"):
                    stack.callback(PathLock(path[6:]).release)
            context = stack.enter_context(zmq.Context())
            self._in = stack.enter_context(
                make_socket(context, zmq.XSUB, (publishers,), _FROM_PUBLISHERS)
            )
            self._out = stack.enter_context(make_socket(context, zmq.XPUB, (endpoint, connect)))
            self.publishers = bind_socket(self._in, publishers)
            self.endpoint = bind_socket(self._out, endpoint)
            for topic in (b"mood/", b"status/"):
                self._in.send(b"\x01" + topic)
            if self._uplink is not None:
                self._uplink.connect(self._out)
            self._open = stack.pop_all()

    def stop(self) -> None:
        """End soon; may be called from any thread or signal handler."""
        self._stopped = True

    def run(self) -> None:
        """Send on until `stop`.

        Raises
        ------
        NetworkError
            `connect` leads back to this hub.
        """
        poller = zmq.Poller()
        poller.register(self._in, zmq.POLLIN)
        poller.register(self._out, zmq.POLLIN)
        while not self._stopped:
            wait_s = min(_LOOK_S, self._last.wait_s())
            poller.poll(math.ceil(wait_s * 1000.0))
            self._send_on()
            self._take_subscriptions()
            for topic, payload in self._last.due():
                self._send(topic, payload)
                self._board.counts.resent += 1
            self._tend()

    def status(self) -> HubStatus:
        """Return how it fares."""
        counts = self._board.counts
        return HubStatus(
            epoch=self.epoch,
            streams=len(self._board),
            received=counts.received,
            forwarded=counts.forwarded,
            resent=counts.resent,
            duplicates=counts.duplicates,
            older=counts.older,
            malformed=counts.malformed,
            refused=counts.refused,
            conflicts=self._conflicts[:_SHOWN_CONFLICTS],
            uptime_s=self._clock.monotonic() - self._began,
            version=__version__,
        )

    def close(self) -> None:
        """Give the endpoints back."""
        self._open.close()

    def __enter__(self) -> "Hub":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _send_on(self) -> None:
        for _ in range(ROUND):
            try:
                topic, payload = receive(self._in)
            except zmq.Again:
                return
            except WireError:
                self._board.counts.received += 1
                self._board.counts.malformed += 1
                continue
            if self._board.take(topic, payload):
                self._send(topic, payload)

    def _send(self, topic: bytes, payload: bytes) -> None:
        if len(self._board) * _KEPT_A_STREAM > self._room:
            # All streams may step at one moment, and be sent again at once to who joins.
            self._room = 2 * len(self._board) * _KEPT_A_STREAM
            self._out.sndhwm = self._room
        self._out.send_multipart((topic, payload), zmq.NOBLOCK)

    def _take_subscriptions(self) -> None:
        """Note who has joined, and ask publishers for the features that somebody wants."""
        before = self._wanted.topics
        for _ in range(ROUND):
            try:
                frame = self._out.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            self._wanted.note(frame)
            if frame[:1] == b"\x01":
                self._last.joined(frame[1:])
            elif self._uplink is not None:
                self._uplink.take(frame)
        for topic in self._wanted.topics - before:
            self._in.send(b"\x01" + topic)
        for topic in before - self._wanted.topics:
            self._in.send(b"\x00" + topic)

    def _tend(self) -> None:
        """Do what is due by the clock."""
        now = self._clock.monotonic()
        if self._uplink is not None:
            self._uplink.look_after(self._out)
        if now < self._beat_at:
            return
        self._beat_at = now + BEAT_S
        self._in.send(BEAT + self.epoch.encode("ascii"))
        self._board.forget_silent()
        before, self._conflicts = self._conflicts, self._board.conflicts()
        for name in self._board.to_say():
            _log.warning(
                "two publishers send %s: the one that began later goes on; give each a name of "
                "its own (--name)", name,
            )  # fmt: skip
        if self._board.full_to_say():
            _log.warning(
                "%d streams are here, as many as a hub keeps: those that came last are left out; "
                "divide them over several hubs", len(self._board),
            )  # fmt: skip
        if now >= self._status_at or before != self._conflicts:
            self._status_at = now + HUB_STATUS_S
            payload = encode_hub(self.status())
            self._last.keep(HUB_TOPIC, payload)
            self._send(HUB_TOPIC, payload)
