"""The server of the page: its port, its loop, and the reader of the bus beside them."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import uvicorn

from streammer.bus.streams import Message, Streams
from streammer.errors import NetworkError, UsageError
from streammer.web.app import make_app
from streammer.web.board import Board
from streammer.web.guard import Access
from streammer.web.reader import Reader

__all__ = ["DEFAULT_PORT", "PageServer", "bind_page", "is_loopback"]

DEFAULT_PORT = 8765

_MAX_MESSAGE_BYTES = 4096
_MAX_CONNECTIONS = 512
_CLOSING_S = 1


def bind_page(host: str, port: int) -> socket.socket:
    """Return a socket that listens for browsers.

    Raises
    ------
    UsageError
        `host` is no address, or `port` no port.
    NetworkError
        The port is taken, or the address is not of this machine.
    """
    address = _parsed(host)
    if not 0 <= port <= 65535:
        raise UsageError(f"--port is {port}; expected 1 to 65535, such as --port 8765")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((str(address), port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise _bind_error(address.compressed, port, error) from error
    return sock


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine alone; `UsageError` if it is none."""
    return _parsed(host).is_loopback


def _parsed(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
    except ValueError:
        raise UsageError(
            f"--host {host!r} is no address; expected one of this machine, such as 127.0.0.1 "
            "(this machine alone) or 0.0.0.0 (all its networks)"
        ) from None


def _bind_error(host: str, port: int, error: OSError) -> NetworkError:
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < 65535 else DEFAULT_PORT
        return NetworkError(
            f"port {port} of {host} is taken (another page?): stop what uses it, or choose another "
            f"port, such as --port {other}"
        )
    if error.errno == errno.EACCES:
        return NetworkError(f"port {port} may not be used: take one from 1024 on")
    return NetworkError(f"{host} port {port} cannot be used: {error.strerror}; use 127.0.0.1")


class PageServer:
    """Serve the page of what comes over a bus; may be stopped from any thread.

    Parameters
    ----------
    sock : socket.socket
        See `bind_page`.
    streams : Streams
        The bus; the server's as long as it runs.
    board : Board
    access : Access
    card, track
        See `make_app`.
    """

    def __init__(
        self,
        sock: socket.socket,
        streams: Streams,
        board: Board,
        access: Access,
        *,
        card: Callable[[str], str | None],
        track: Path | None = None,
    ) -> None:
        self._sock = sock
        self._board = board
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader = Reader(streams, self._receive, self._fail)
        app = make_app(board, access, card=card, asked=self._asked, track=track)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="websockets-sansio",
                ws_max_size=_MAX_MESSAGE_BYTES,
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=_MAX_CONNECTIONS,
                timeout_graceful_shutdown=_CLOSING_S,
            )
        )

        # Signals have one policy, streammer.system.signals.
        vars(self._server)["capture_signals"] = contextlib.nullcontext

    @property
    def port(self) -> int:
        """The real port."""
        return int(self._sock.getsockname()[1])

    def stop(self) -> None:
        """End soon; may be called from a signal handler."""
        self._server.should_exit = True

    def run(self) -> None:
        """Serve until `stop`."""
        with _quiet_library():
            asyncio.run(self._serve())
        if self._failure is not None:
            raise self._failure

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader.start()
        try:
            await self._server.serve([self._sock])
        finally:
            self._reader.close()

    def _receive(self, messages: Sequence[Message], stale: frozenset[str]) -> None:
        """Hand what came over to the loop; in the reader's thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._board.receive, messages, stale)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self.stop()

    def _asked(self) -> None:
        self._reader.wanted = self._board.wanted


@contextlib.contextmanager
def _quiet_library() -> Iterator[None]:
    """Let what the library has to say of errors be a line of ours, and the rest be nothing."""
    log, handler = logging.getLogger("uvicorn.error"), _Lines(logging.ERROR)
    before = log.propagate, log.level
    log.propagate = False
    log.setLevel(logging.ERROR)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate, level = before
        log.setLevel(level)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[1] if record.exc_info else None
        reason = f": {cause!r}" if cause else ""
        text = record.getMessage().partition("\n")[0].strip()
        logging.getLogger("streammer").error("the page: %s%s", text, reason)
