"""The one place that makes ZeroMQ sockets, and where encryption will go."""

import zmq

__all__ = ["DESCRIPTORS", "HIGH_WATER", "LINGER_MS", "ROUND", "make_socket"]

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


def make_socket(
    context: zmq.Context[zmq.Socket[bytes]],
    kind: int,
    endpoint: str,
    high_water: int = HIGH_WATER,
) -> "zmq.Socket[bytes]":
    """Make a socket of the bus.

    Parameters
    ----------
    context : zmq.Context
        Context that will own the socket.
    kind : int
        `zmq.XPUB` (not yet bound on return) or `zmq.SUB` (not yet connected).
    endpoint : str
        A checked endpoint.
    high_water : int
        Messages kept for a peer that does not keep up.
    """
    sock = context.socket(kind)
    sock.ipv6 = "[" in endpoint
    sock.sndhwm = sock.rcvhwm = high_water
    if kind == zmq.XPUB:
        sock.setsockopt(zmq.XPUB_VERBOSE, 1)  # tell of every joiner, not of each topic's first
        sock.setsockopt(zmq.MAXMSGSIZE, _MAX_SUBSCRIPTION_BYTES)
        sock.setsockopt(zmq.TCP_KEEPALIVE, 1)
        sock.linger = LINGER_MS
    else:
        sock.setsockopt(zmq.MAXMSGSIZE, _MAX_PART_BYTES)
        sock.linger = 0
    return sock
