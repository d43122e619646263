"""What `dash` and `demo` share: a page server, and the browser of this machine."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from streammer import __version__
from streammer.bus.streams import Streams
from streammer.cli.messages import inform
from streammer.errors import UsageError

if TYPE_CHECKING:
    from streammer.web.messages import Mark
    from streammer.web.server import PageServer

__all__ = ["load_page", "open_browser", "page_server"]

_NEEDED = (
    "the page needs starlette, uvicorn, websockets and markdown-it-py, not all of which are "
    "installed: pip install 'streammer[dash]'"
)


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
        raise UsageError(_NEEDED) from error


@contextmanager
def page_server(
    endpoint: str,
    port: int,
    *,
    host: str = "127.0.0.1",
    token: str = "",
    more_names: Iterable[str] = (),
    keep: "Callable[[Mark], None] | None" = None,
    track: Path | None = None,
) -> Iterator["PageServer"]:
    """Make a page server, which listens already, and leave its port and the bus at the end.

    Parameters
    ----------
    endpoint : str
        Of the bus.
    port : int
    host, token, more_names
        Who may ask for the page, see `Access`.
    keep : callable, optional
        Is given each mark.
    track : Path, optional
        What the stream plays, where the page may play it too.
    """
    from streammer.cli.rooms import Rooms
    from streammer.web.board import Board
    from streammer.web.guard import Access
    from streammer.web.server import PageServer, bind_page, is_loopback

    access = Access.of(token=token, loopback=is_loopback(host), more_names=more_names)
    with bind_page(host, port) as sock, Streams(endpoint) as streams:
        board = Board(
            streams.endpoint, __version__, keep, plays=track is not None, place=Rooms().place
        )
        yield PageServer(sock, streams, board, access, card=_card, track=track)


def _card(name: str) -> str | None:
    """Return the card of a model that ships with streammer, as HTML."""
    from streammer.inference.artefact import card_path, list_zoo
    from streammer.web.cards import card_html

    # From the bus may come any name, and a path is one to `find_artefact`.
    path = list_zoo().get(name)
    return None if path is None else card_html(card_path(path).read_text(encoding="utf-8"))


def open_browser(address: str) -> None:
    """Open a page in the browser of this machine, if it has one with a screen."""
    import webbrowser

    # Without a screen the library would start a browser of the terminal, and in it.
    screen = (
        sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if not (screen and webbrowser.open(address)):
        inform(f"no browser could be opened here: open {address} yourself")
