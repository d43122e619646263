"""Endpoints: what an address of the bus may look like, and who holds an ``ipc://`` path.

libzmq takes port 99999 as another port, and lets a second ``ipc://`` bind silently take the path
from the first. So every endpoint is checked here first, and an ``ipc://`` path is bound only under
a lock that dies with its process.
"""

import ipaddress
import os
import re
import socket
import stat
import sys
from contextlib import suppress
from pathlib import Path

import zmq

from streammer.errors import NetworkError, UsageError
from streammer.system.locks import locked

__all__ = ["PathLock", "check_endpoint"]

_EXAMPLES = "expected tcp://HOST:PORT or ipc://PATH, for example tcp://127.0.0.1:5580"
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
    r"(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)
_MAX_IPC_PATH = 107 if sys.platform.startswith("linux") else 103
"""Bytes that fit into sun_path beside its closing zero."""


def check_endpoint(endpoint: str, *, insecure: bool = False, bind: bool = False) -> str:
    """Check an endpoint before libzmq sees it.

    Parameters
    ----------
    endpoint : str
        ``tcp://HOST:PORT`` (IPv6 in brackets) or ``ipc://PATH``.
    insecure : bool
        Allow a bind that other machines can reach. There is no encryption and no key: whoever
        reaches the port may listen.
    bind : bool
        Whether the endpoint is to be bound (publisher) or connected to (subscriber). Only a bind
        may leave the port to the system (``0`` or ``*``) or name all interfaces (``*``).

    Returns
    -------
    str
        The endpoint as libzmq is to be given it.

    Raises
    ------
    UsageError
        Malformed, whatever the state of the machine.
    NetworkError
        A bind beyond loopback without `insecure`.
    """
    if not isinstance(endpoint, str):
        raise UsageError(f"endpoint {endpoint!r} is no string; {_EXAMPLES}")
    scheme, separator, rest = endpoint.partition("://")
    if not separator or scheme not in ("tcp", "ipc") or not rest:
        raise UsageError(f"endpoint {endpoint!r} is malformed; {_EXAMPLES}")
    if scheme == "ipc":
        return _check_ipc(endpoint, rest)
    host, separator, port_text = rest.rpartition(":")
    if not separator or not host:
        raise UsageError(f"endpoint {endpoint!r} has no port; {_EXAMPLES}")
    port = _check_port(endpoint, port_text, bind=bind)
    host, loopback = _check_host(endpoint, host, bind=bind)
    if bind and not loopback and not insecure:
        raise NetworkError(
            f"{endpoint} can be reached from other machines, and the bus has no keys: bind to "
            "127.0.0.1, or add --insecure if everybody on that network may listen"
        )
    return f"tcp://{host}:{port}"


def _check_port(endpoint: str, text: str, *, bind: bool) -> str:
    """Return the port as libzmq wants it: 1..65535, or ``*`` for any free one."""
    if bind and text in ("0", "*"):
        return "*"
    # isdecimal alone would take digits of every script
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise UsageError(
            f"endpoint {endpoint!r} has port {text!r}; expected 1 to 65535, "
            "for example tcp://127.0.0.1:5580"
        )
    return str(int(text))


def _check_host(endpoint: str, host: str, *, bind: bool) -> tuple[str, bool]:
    """Return the host as libzmq wants it, and whether only this machine reaches it."""
    if host == "*" and bind:
        return "*", False
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        address = None
    if address is not None and (address.version == 6) == bracketed:
        return host, address.is_loopback
    if address is not None or bracketed or ":" in host:
        raise UsageError(
            f"endpoint {endpoint!r} is malformed; IPv6 addresses stand in brackets, "
            "for example tcp://[::1]:5580"
        )
    if host == "localhost" and bind:
        return "127.0.0.1", True
    # four numbers that are no address would be asked of the name server
    if bind or not _HOST_NAME.fullmatch(host) or re.fullmatch(r"[0-9.]+", host):
        what = "an address of this machine, localhost or *" if bind else "a host name or an address"
        raise UsageError(
            f"endpoint {endpoint!r} has host {host!r}; expected {what}, "
            "for example tcp://127.0.0.1:5580"
        )
    return host, False


def _check_ipc(endpoint: str, path: str) -> str:
    """Check the path of an ``ipc://`` endpoint."""
    if not zmq.has("ipc"):
        raise UsageError(f"{endpoint}: this system has no ipc://; use tcp://127.0.0.1:5580")
    if path[0] in "@*" or "\0" in path or path.endswith(("/", os.sep)):
        raise UsageError(
            f"endpoint {endpoint!r} names no file; expected a path, "
            "for example ipc:///tmp/streammer.ipc"
        )
    if len(os.fsencode(path)) > _MAX_IPC_PATH:
        raise UsageError(
            f"endpoint {endpoint!r} has a path of {len(os.fsencode(path))} bytes; the system takes "
            f"{_MAX_IPC_PATH}: choose a shorter one, for example ipc:///tmp/streammer.ipc"
        )
    return endpoint


class PathLock:
    """Hold the path of an ``ipc://`` socket, through a locked file beside it.

    The lock goes when its process does, however it ends, so that a path left behind by a killed
    publisher is free again, and one in use is not.

    Parameters
    ----------
    path : str
        Path of the socket.

    Raises
    ------
    NetworkError
        The path is in use, is no socket, or cannot be written.
    """

    def __init__(self, path: str) -> None:
        self._file = Path(path + ".lock")
        self._socket: Path | None = None
        try:
            self._fd = locked(self._file)
        except BlockingIOError:
            raise NetworkError(
                f"ipc://{path} is in use by another publisher: stop it, or choose another path"
            ) from None
        except OSError as error:
            raise NetworkError(
                f"ipc://{path} cannot be bound: {self._file}: {error.strerror}; choose a path in "
                "a directory that you may write, for example ipc:///tmp/streammer.ipc"
            ) from error
        try:
            _check_free(path)
        except NetworkError:
            self.release()
            raise
        self._socket = Path(path)

    def release(self) -> None:
        """Remove the socket, which libzmq leaves behind, and give its path back."""
        if self._fd < 0:
            return
        if self._socket is not None:
            with suppress(OSError):
                self._socket.unlink()
        # Removed while still locked: whoever opened it before finds that it is no longer the
        # file at this path (see `locked`). Windows does not remove open files; there it stays.
        with suppress(OSError):
            self._file.unlink()
        os.close(self._fd)
        self._fd = -1


def _check_free(path: str) -> None:
    """Refuse a path that libzmq would remove although it is no left-over socket."""
    try:
        is_socket = stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NetworkError(f"ipc://{path} cannot be bound: {error.strerror}") from error
    if sys.platform == "win32":
        return
    if not is_socket:
        raise NetworkError(
            f"ipc://{path}: there is a file at this path that is no socket; it would be removed. "
            "Choose another path"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        served = probe.connect_ex(path) == 0
    if served:
        raise NetworkError(
            f"ipc://{path} is in use by another program: stop it, or choose another path"
        )
