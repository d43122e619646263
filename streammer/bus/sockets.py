"""The one place that makes ZeroMQ sockets and binds them, and where encryption will go."""

import errno
from collections.abc import Sequence

import zmq

from streammer.bus.wire import WireError
from streammer.config import DEFAULT_ENDPOINT
from streammer.errors import NetworkError

__all__ = [
    "DESCRIPTORS",
    "HIGH_WATER",
    "LINGER_MS",
    "ROUND",
    "bind_socket",
    "make_socket",
    "receive",
]

HIGH_WATER = 100
"""Messages kept for a peer that does not keep up; beyond it they are dropped."""

LINGER_MS = 500
"""How long closing waits for the last messages (`ended` among them) to leave."""

ROUND = 256
"""Messages taken from a socket before its owner looks at everything else again."""

_MAX_SUBSCRIPTION_BYTES = 1024
_MAX_PART_BYTES = 1 << 20
DESCRIPTORS = 16
"""What a socket takes with its context, its threads, its monitor and its first peers."""


_HEARTBEAT_MS = 1000
_HEARTBEAT_TIMEOUT_MS = 3000
"""A publisher of a hub that lost its power says no goodbye; its connection is closed then."""


def make_socket(
    context: zmq.Context[zmq.Socket[bytes]],
    kind: int,
    addresses: Sequence[str | None],
    high_water: int = HIGH_WATER,
) -> "zmq.Socket[bytes]":
    """Make a socket of the bus, neither bound nor connected yet.

    Parameters
    ----------
    context : zmq.Context
        Context that will own the socket.
    kind : int
        `zmq.XPUB` sends to subscribers and to a hub, `zmq.SUB` receives, `zmq.XSUB` is where a hub
        takes publishers.
    addresses : sequence of str or None
        The checked endpoints that it is for.
    high_water : int
        Messages kept for a peer that does not keep up.
    """
    sock = context.socket(kind)
    sock.ipv6 = any("[" in address for address in addresses if address is not None)
    sock.sndhwm = sock.rcvhwm = high_water
    if kind == zmq.XSUB:
        sock.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
        sock.setsockopt(zmq.HEARTBEAT_TIMEOUT, _HEARTBEAT_TIMEOUT_MS)
    if kind == zmq.XPUB:
        sock.setsockopt(zmq.XPUB_VERBOSE, 1)  # tell of every joiner, not of each topic's first
        sock.setsockopt(zmq.MAXMSGSIZE, _MAX_SUBSCRIPTION_BYTES)
        sock.setsockopt(zmq.TCP_KEEPALIVE, 1)
        sock.linger = LINGER_MS
    else:
        sock.setsockopt(zmq.MAXMSGSIZE, _MAX_PART_BYTES)
        sock.linger = 0
    return sock


def bind_socket(sock: "zmq.Socket[bytes]", endpoint: str) -> str:
    """Bind a socket, and return its endpoint with the real port.

    Raises
    ------
    NetworkError
        The endpoint is taken, or is not of this machine.
    """
    try:
        sock.bind(endpoint)
    except zmq.ZMQError as error:
        raise _bind_error(endpoint, error) from error
    return sock.getsockopt_string(zmq.LAST_ENDPOINT)


def receive(sock: "zmq.Socket[bytes]") -> tuple[bytes, bytes]:
    """Return topic and payload of the next message, if one is there.

    Raises
    ------
    zmq.Again
        None is there.
    WireError
        It has not two parts; those of another count are not kept.
    """
    topic, payload = sock.recv(zmq.NOBLOCK), b""
    parts = 1
    while sock.getsockopt(zmq.RCVMORE):
        frame = sock.recv()
        parts += 1
        if parts == 2:
            payload = frame
    if parts != 2:
        raise WireError(f"{parts} frames; expected topic and payload")
    return topic, payload


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
