"""The connection to a hub, seen from who sends: how it comes back, and what is said of it.

A hub says every `BEAT_S` that it is there. libzmq connects again by itself after a hub that said
goodbye, not after one that lost its power, nor after something else stood on the port for a moment.
"""

import logging
import socket
from contextlib import suppress

import zmq

from streammer.clock import Clock
from streammer.errors import NetworkError

__all__ = ["BEAT", "BEAT_S", "LOOK_S", "Uplink", "is_same_place"]

BEAT = b"\x02"
"""Begins what a hub sends to its publishers; the epoch of the hub follows."""

BEAT_S = 1.0
"""How often a hub says that it is there [s]."""

LOOK_S = 1.0
"""How often a publisher looks after its hub [s]."""

_SAY_S = 3.0
"""Without an answer for so long, it is said [s]."""

_RECONNECT_S = 5.0
"""Without an answer for so long, a publisher connects anew [s]."""

_log = logging.getLogger(__name__)


class Uplink:
    """Look after the connection of an XPUB socket to a hub; belongs to its thread.

    Parameters
    ----------
    endpoint : str
        Where the hub takes publishers, checked.
    clock : Clock
    own : str
        The epoch of the hub whose socket it is, if it is one's.
    """

    def __init__(self, endpoint: str, clock: Clock, own: str = "") -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._own = own.encode("ascii")
        self._contact_at = self._connected_at = clock.monotonic()
        self._absent = False

    def connect(self, sock: "zmq.Socket[bytes]") -> None:
        """Connect for the first time; the hub need not be there yet."""
        sock.connect(self.endpoint)

    def take(self, frame: bytes) -> None:
        """Take in what a peer has sent that is no subscription.

        Raises
        ------
        NetworkError
            It comes from the hub itself that is connected here.
        """
        if frame[:1] != BEAT:
            return
        if self._own and frame[1:] == self._own:
            raise NetworkError(
                f"{self.endpoint} leads back to this hub: --connect names another one, for "
                "example tcp://central:5581"
            )
        self._contact_at = self._clock.monotonic()
        if self._absent:
            self._absent = False
            _log.info("the hub %s answers; it is published there", self.endpoint)

    def look_after(self, sock: "zmq.Socket[bytes]") -> None:
        """Connect anew when the hub has not answered for long, and say so once."""
        now = self._clock.monotonic()
        silent_s = now - self._contact_at
        if silent_s > _SAY_S and not self._absent:
            self._absent = True
            _log.warning(
                "no hub answers at %s: start `streammer hub` there, or name the port where it "
                "takes publishers; trying again",
                self.endpoint,
            )
        if silent_s > _RECONNECT_S and now - self._connected_at > _RECONNECT_S:
            self._connected_at = now
            with suppress(zmq.ZMQError):  # libzmq has given it up already
                sock.disconnect(self.endpoint)
            sock.connect(self.endpoint)


def is_same_place(connect: str, bound: str) -> bool:
    """Return whether an endpoint to connect to is one that is bound on this machine.

    Only what can be told beforehand: a name that leads here by another way is found by its beat.
    """
    if connect == bound:
        return True
    if not (connect.startswith("tcp://") and bound.startswith("tcp://")):
        return False
    host, _, port = connect[6:].rpartition(":")
    bound_host, _, bound_port = bound[6:].rpartition(":")
    if port != bound_port:
        return False
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_DGRAM)
    except OSError:
        return False  # a name that nobody knows yet
    addresses = {str(address[0]) for *_, address in found}
    if bound_host.strip("[]") in addresses:
        return True
    every = bound_host in ("*", "0.0.0.0", "[::]")
    return every and any(_is_own(address) for address in addresses)


def _is_own(address: str) -> bool:
    """Return whether this machine has an address: it can be bound then."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
