"""`streammer dash`: the mood in a browser."""

import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from streammer.cli.messages import complain, inform
from streammer.cli.page import load_page, open_browser, page_server
from streammer.config import DEFAULT_ENDPOINT
from streammer.errors import NetworkError, OutputError, UsageError
from streammer.system.signals import stopping

if TYPE_CHECKING:
    from streammer.system.writer import Writer
    from streammer.web.messages import Mark

__all__ = ["dash"]

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
    from streammer.web.server import is_loopback

    secret = _checked_token(token, host, loopback=is_loopback(host))
    with ExitStack() as stack:
        keep = None
        if marks is not None:
            writer = _writer_of(marks)
            stack.callback(writer.close)
            keep = writer.put
        server = stack.enter_context(
            page_server(
                connect, port, host=host, token=secret, more_names=allow_host or (), keep=keep
            )
        )
        stack.enter_context(stopping(server))
        address = _address(host, server.port, secret)
        inform(f"the page of {connect}: {address}")
        if open:
            open_browser(address)
        server.run()
    return 0


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
    from urllib.parse import quote

    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/" + (f"?token={quote(token, safe='')}" if token else "")


def _writer_of(path: Path) -> "Writer[Mark]":
    from streammer.outputs.jsonl import LogFile
    from streammer.system.writer import Writer

    def lose(error: OutputError) -> None:
        complain(f"{error}; the page goes on without it")

    return Writer(LogFile(path, lose, inform), "marks")
