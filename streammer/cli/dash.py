"""`streammer dash`: the mood in a browser."""

import secrets
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from streammer import __version__
from streammer.bus.streams import Streams
from streammer.cli.messages import complain, inform
from streammer.config import DEFAULT_ENDPOINT
from streammer.errors import NetworkError, OutputError, UsageError
from streammer.system.signals import stopping

if TYPE_CHECKING:
    from streammer.system.writer import Writer
    from streammer.web.messages import Mark

__all__ = ["NEEDED", "dash", "load_page"]

NEEDED = (
    "the page needs starlette, uvicorn, websockets and markdown-it-py, not all of which are "
    "installed: "
    "pip install 'streammer[dash]'"
)
"""What is said where the extra is missing."""

_MIN_TOKEN = 8


def dash(
    *,
    connect: str = DEFAULT_ENDPOINT,
    port: int = 8765,
    host: str = "127.0.0.1",
    token: Annotated[str | None, Parameter(env_var="STREAMMER_TOKEN")] = None,
    allow_host: Annotated[list[str] | None, Parameter(negative=())] = None,
    marks: Path | None = None,
    open: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Show the mood in a browser: a page for this machine, or for all that know a token.

    Parameters
    ----------
    connect
        Endpoint of the publisher. It need not be there yet, and it may come back.
    port
        Port of the page; 0 takes a free one.
    host
        Address that the page is reached under; 0.0.0.0 is every network of this machine.
    token
        What a browser must know, at least 8 characters, or new for a fresh one; needed beyond
        this machine.
    allow_host
        Another name under which the page is asked for, such as that of a proxy; repeatable.
    marks
        Append each moment that is marked on the page to this file, as a line of JSON.
    open
        Open the page in this machine's browser.
    """
    load_page()
    from streammer.web.board import Board
    from streammer.web.cards import card_html
    from streammer.web.guard import Access
    from streammer.web.server import PageServer, bind_page, is_loopback

    loopback = is_loopback(host)
    secret = _checked_token(token, host, loopback=loopback)

    def card(name: str) -> str | None:
        from streammer.inference.artefact import card_path, list_zoo

        # From the bus may come any name, and a path is one to `find_artefact`.
        path = list_zoo().get(name)
        return None if path is None else card_html(card_path(path).read_text(encoding="utf-8"))

    with ExitStack() as stack:
        sock = stack.enter_context(bind_page(host, port))
        streams = stack.enter_context(Streams(connect))
        writer = None if marks is None else _writer_of(marks)
        if writer is not None:
            stack.callback(writer.close)
        board = Board(streams.endpoint, __version__, None if writer is None else writer.put)
        access = Access.of(token=secret, loopback=loopback, more_names=allow_host or ())
        server = PageServer(sock, streams, board, access, card=card)
        stack.enter_context(stopping(server))
        address = _address(host, server.port, secret)
        inform(f"the page of {streams.endpoint}: {address}")
        if open:
            open_browser(address)
        server.run()
    return 0


def load_page() -> None:
    """Load what the page is made with.

    Raises
    ------
    UsageError
        The extra is not installed.
    """
    try:
        for name in ("starlette.applications", "uvicorn", "websockets", "markdown_it"):
            import_module(name)
    except ImportError as error:
        raise UsageError(NEEDED) from error


def open_browser(address: str) -> None:
    """Open a page in the browser of this machine, if it has one."""
    import webbrowser

    if not webbrowser.open(address):
        inform("no browser could be opened here: open the page yourself")


def _checked_token(token: str | None, host: str, *, loopback: bool) -> str:
    if token == "new":
        return secrets.token_urlsafe(16)
    if token is None and not loopback:
        raise NetworkError(
            f"--host {host} can be reached from other machines: add --token WORD, which a browser "
            "must then know, or --token new for a fresh one"
        )
    if token is not None and not (len(token) >= _MIN_TOKEN and token.isascii()):
        raise UsageError(
            f"--token has {len(token)} characters; expected at least {_MIN_TOKEN} of ASCII, or new"
        )
    return token or ""


def _address(host: str, port: int, token: str) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host.strip("[]"), host)
    if ":" in name and not name.startswith("["):
        name = f"[{name}]"
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")


def _writer_of(path: Path) -> "Writer[Mark]":
    from streammer.outputs.jsonl import LogFile
    from streammer.system.writer import Writer

    def lose(error: OutputError) -> None:
        complain(f"{error}; the page goes on without it")

    return Writer(LogFile(path, lose, inform), "marks")
