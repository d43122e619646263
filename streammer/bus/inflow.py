"""How much has come over a connection without making up a message.

libzmq hands out a message once its last part is there. Until then it keeps the parts, as many as
come: its limits are on the size of a part and on the count of whole messages. A peer that never
sends the last part takes 250 MB a second from a reader who sees nothing of it, so what came over
the connection is asked of the system.
"""

import os
import socket
import struct
import sys
from contextlib import suppress

import zmq
from zmq.utils.monitor import recv_monitor_message

__all__ = ["Inflow"]

if sys.platform == "linux":
    import termios
    from fcntl import ioctl

_BYTES_RECEIVED = struct.Struct("=128xQ")
"""`tcpi_bytes_received` of Linux's `struct tcp_info`."""

_EVENTS = zmq.EVENT_CONNECTED | zmq.EVENT_DISCONNECTED


class Inflow:
    """Count the bytes that libzmq took from the connection of a SUB socket.

    Parameters
    ----------
    sock : zmq.Socket
        Not yet connected; of one connection at a time.

    Notes
    -----
    Only Linux tells, and only of TCP; elsewhere `unfinished_bytes` is always 0.
    """

    def __init__(self, sock: "zmq.Socket[bytes]") -> None:
        self._sock = sock
        self._monitor: zmq.Socket[bytes] | None = None
        if sys.platform == "linux":
            self._monitor = sock.get_monitor_socket(_EVENTS)
        self._descriptor, self._inode = -1, 0
        self._counted = 0

    def message_came(self) -> None:
        """Count afresh: all that came before belonged to messages."""
        self._follow()
        self._counted = self._received()

    def unfinished_bytes(self) -> int:
        """Return the bytes taken since the last message, or since the connection was made.

        They are of a message that has not ended only if none can be received after this call.
        """
        self._follow()
        return self._received() - self._counted

    def forget(self) -> None:
        """Look at this connection no more: it is being closed."""
        self._descriptor = -1

    def close(self) -> None:
        """End the monitor; the socket is still open."""
        if self._monitor is not None:
            self._sock.disable_monitor()
            self._monitor.close(linger=0)
            self._monitor = None

    def _follow(self) -> None:
        """Note which descriptor of libzmq is the connection."""
        while self._monitor is not None and self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)
            self._descriptor, self._counted = -1, 0
            if event["event"] == zmq.EVENT_CONNECTED:
                with suppress(OSError):  # closed again meanwhile
                    self._inode = os.fstat(event["value"]).st_ino
                    self._descriptor = event["value"]

    def _received(self) -> int:
        if sys.platform != "linux" or self._descriptor < 0:
            return 0
        try:
            # The number may be another file's by now. A duplicate would keep the connection open
            # after libzmq has closed it.
            if os.fstat(self._descriptor).st_ino != self._inode:
                return 0
            peer = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=self._descriptor)
            try:
                info = peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED.size)
            finally:
                peer.detach()
            waiting = struct.unpack("=i", ioctl(self._descriptor, termios.FIONREAD, bytes(4)))[0]
            # What still waits in the system may be any number of whole messages.
            return int(_BYTES_RECEIVED.unpack(info)[0]) - int(waiting)
        except (OSError, struct.error):  # closed, no TCP, or a kernel that does not count
            return 0
