"""Datagrams to one receiver or group: what OSC, sACN, Art-Net and WLED are sent in."""

import ipaddress
import socket
from contextlib import suppress

from streammer.errors import UsageError

__all__ = ["Datagrams", "check_host", "check_port"]

_TTL = 16
"""Routers that a multicast may pass."""


class Datagrams:
    """A socket that sends to one place, and tells when nobody is there.

    Parameters
    ----------
    host : str
        Name or address; of a multicast group or a broadcast too.
    port : int
    interface : str, optional
        Address of the network interface that multicast leaves by.

    Notes
    -----
    The socket is connected: only so does the system report that a machine is there but takes
    nothing on the port. It never waits; what the network does not take at once is an OSError.
    """

    def __init__(self, host: str, port: int, *, interface: str = "") -> None:
        self._place = host, port
        self._interface = interface
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Look the host up and connect."""
        self.close()
        found = socket.getaddrinfo(*self._place, type=socket.SOCK_DGRAM)
        # Most visuals and nodes listen on IPv4 alone, and localhost is mostly IPv6 first.
        found.sort(key=lambda each: each[0] != socket.AF_INET)
        family, kind, protocol, _, place = found[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            if family == socket.AF_INET and ipaddress.ip_address(place[0]).is_multicast:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _TTL)
                if self._interface:
                    address = socket.inet_aton(self._interface)
                    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, address)
            sock.connect(place)
        except BaseException:
            sock.close()
            raise
        self._socket = sock

    def send(self, datagram: bytes) -> None:
        """Send a datagram; OSError if it cannot be sent, or the one before was not taken."""
        assert self._socket is not None
        self._socket.send(datagram)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None


def check_port(port: int) -> int:
    """Return a port, or raise `UsageError` if there is none of that number."""
    if not 1 <= port <= 65535:
        raise UsageError(f"--port is {port}: 1 to 65535 is expected")
    return port


def check_host(host: str) -> str:
    """Return a host, or raise `UsageError` if it can be none."""
    if not host or any(character in host for character in " /\0") or host.count(":") == 1:
        raise UsageError(
            f"--host {host!r} is no host: a name or an address is expected, such as 10.0.0.5"
        )
    return host
