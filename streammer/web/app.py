"""What a browser may ask for: the page, its one WebSocket, the session, a model's card."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from streammer.config import check_stream_name
from streammer.errors import UsageError
from streammer.web.board import MAX_CLIENTS, Board
from streammer.web.client import Client
from streammer.web.guard import Access, Guard
from streammer.web.messages import decode, say
from streammer.web.pages import answer, assets

__all__ = ["make_app"]

_TRY_AGAIN = 1013
_GONE_WRONG = 1008
_MAX_REQUESTS = 20
"""What a page may ask in a second."""


def make_app(
    board: Board,
    access: Access,
    *,
    card: Callable[[str], str | None],
    asked: Callable[[], None],
    track: Path | None = None,
) -> ASGIApp:
    """Return the application.

    Parameters
    ----------
    board : Board
    access : Access
    card : callable
        Returns the card of a model that ships with streammer, as HTML, or None.
    asked : callable
        Called when what the browsers look at may have changed.
    track : Path, optional
        The file that the stream plays, where a browser may have it.
    """

    async def page(request: Request) -> Response:
        asset = assets().get(request.path_params.get("path") or "index.html")
        if asset is None:
            return PlainTextResponse("there is no such page: try /\n", 404)
        return answer(asset, request.headers)

    async def model_card(request: Request) -> Response:
        text = card(request.path_params["name"])
        if text is None:
            return PlainTextResponse("no card of this model ships with streammer\n", 404)
        return Response(text, media_type="text/html")

    async def table(request: Request) -> Response:
        try:
            stream = check_stream_name(request.path_params["stream"])
        except UsageError as error:
            return PlainTextResponse(f"{error}\n", 404)
        headers = {
            "content-disposition": f'attachment; filename="{stream}.csv"',
            "cache-control": "no-store",
        }
        return StreamingResponse(
            board.session.table(stream), media_type="text/csv", headers=headers
        )

    async def sound(request: Request) -> Response:
        if track is None:
            return PlainTextResponse("the sound of this stream is not served\n", 404)
        return FileResponse(track, headers={"cache-control": "no-cache"})

    async def live(socket: WebSocket) -> None:
        await socket.accept()
        if len(board.clients) >= MAX_CLIENTS:
            await socket.close(_TRY_AGAIN, f"{MAX_CLIENTS} pages are open already")
            return
        client = Client()
        board.join(client)
        sending = asyncio.ensure_future(client.send_to(socket))
        asking = asyncio.ensure_future(_answer(socket, client, board, asked))
        try:
            await asyncio.wait((sending, asking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            board.leave(client)
            asked()
            for task in (sending, asking):
                task.cancel()
            await asyncio.gather(sending, asking, return_exceptions=True)
        _raise_bugs(sending, asking)

    routes = [
        Route("/", page),
        Route("/session/{stream}.csv", table),
        Route("/card/{name}", model_card),
        Route("/sound", sound),
        WebSocketRoute("/live", live),
        Route("/{path:path}", page),
    ]
    return Guard(Starlette(routes=routes), access)


async def _answer(
    socket: WebSocket, client: Client, board: Board, asked: Callable[[], None]
) -> None:
    """Do what a page asks until it goes; one that asks nonsense is sent away."""
    loop = asyncio.get_running_loop()
    count, since = 0, loop.time()
    while True:
        try:
            request = decode(await socket.receive_text())
        except (msgspec.MsgspecError, KeyError, ValueError, RecursionError):
            await socket.close(_GONE_WRONG, "not understood")
            return
        if loop.time() - since > 1.0:
            count, since = 0, loop.time()
        count += 1
        if count > _MAX_REQUESTS:
            client.put(say("problem", text=f"more than {_MAX_REQUESTS} requests a second"))
            continue
        board.ask(client, request)
        asked()


def _raise_bugs(*tasks: "asyncio.Future[None]") -> None:
    for task in tasks:
        with suppress(WebSocketDisconnect, TimeoutError, asyncio.CancelledError, OSError):
            task.result()
