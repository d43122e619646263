"""Who is answered: the checks that stand before every request.

A page on loopback is still reachable by every other page that is open in the same browser. Their
requests carry their own name: in `Host`, where a name was made to point here (DNS rebinding), and
in `Origin`, where a script of theirs opens a WebSocket.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["COOKIE", "MAX_BODY_BYTES", "Access", "Guard", "security_headers"]

COOKIE = "streammer-token"

MAX_BODY_BYTES = 4096
"""What a request may carry: nothing but a token is ever sent."""

_WRONG_TOKEN_S = 0.5
"""How long the answer to a wrong token takes: guessing is slow, and nobody else waits [s]."""

_HANG_UP = {"connection": "close"}
"""With an answer to what is not read to its end."""

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?")


@dataclass(frozen=True)
class Access:
    """Who may use the page.

    Attributes
    ----------
    token : str
        What a browser must know; empty where only this machine reaches the page.
    names : frozenset of str
        Names, beside addresses, under which this machine may be asked.
    loopback : bool
        Whether the page is bound to this machine alone; then only its own names count.
    """

    token: str = ""
    names: frozenset[str] = field(default_factory=frozenset)
    loopback: bool = True

    @classmethod
    def of(cls, *, token: str, loopback: bool, more_names: Iterable[str] = ()) -> "Access":
        """Return the access of a page on this machine, under its own names and `more_names`."""
        own = socket.gethostname().lower()
        names = {"localhost", *(name.lower() for name in more_names)}
        return cls(token, frozenset(names if loopback else names | {own, f"{own}.local"}), loopback)

    def host_is_ours(self, host: str) -> bool:
        """Return whether a `Host` header names this machine."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found.group(1).lower()
        try:
            address = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return name in self.names
        # No name server stands behind an address, so that none can be made to point here.
        return address.is_loopback or not self.loopback

    def origin_is_ours(self, origin: str | None, host: str) -> bool:
        """Return whether a request comes from our own page, or from no page at all."""
        if origin is None:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    def knows(self, given: str | None) -> bool:
        """Return whether this is the token, in a time that does not tell how much of it is."""
        return given is not None and hmac.compare_digest(_digest(given), _digest(self.token))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class Guard:
    """Let through what may be answered; an ASGI application around another.

    Parameters
    ----------
    app : ASGIApp
    access : Access
    wrong_token_s : float, optional
        How long the answer to a wrong token takes [s].
    """

    def __init__(
        self, app: ASGIApp, access: Access, *, wrong_token_s: float = _WRONG_TOKEN_S
    ) -> None:
        self._app = app
        self._access = access
        self._wrong_token_s = wrong_token_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand over to the application."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers) or await self._token_wanted(scope, headers, receive)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send, headers.get("host", "")))
        elif scope["type"] == "websocket":
            # A browser shows a script nothing but that it was refused.
            await send({"type": "websocket.close", "code": 1008})
        else:
            host = headers.get("host", "") if refusal.status_code not in (421, 400) else ""
            await refusal(scope, receive, _with_headers(send, host))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self._access.host_is_ours(host):
            return PlainTextResponse(
                f"this page is not served under the name {host[:80]!r}: open it by its address, or "
                "start `streammer dash` with --allow-host NAME\n", 421,
            )  # fmt: skip
        if not self._access.origin_is_ours(headers.get("origin"), host):
            return PlainTextResponse("another page may not use this one\n", 403)
        if "transfer-encoding" in headers:
            return PlainTextResponse("a request must say how long it is\n", 411, _HANG_UP)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 12 or int(length) > MAX_BODY_BYTES:
            return PlainTextResponse(
                f"a request of {length[:20]} bytes is refused: expected at most {MAX_BODY_BYTES}\n",
                413,
                _HANG_UP,
            )
        return None

    async def _token_wanted(
        self, scope: Scope, headers: Headers, receive: Receive
    ) -> Response | None:
        """Return what is said to a browser that has not shown the token, or takes it."""
        if not self._access.token:
            return None
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == "/token":
            given = (await _form(receive)).get("token")
        else:
            given = _query(scope).get("token")
            if given is None:
                return None if self._access.knows(_cookie(headers)) else _ask("")
        if not self._access.knows(given):
            await asyncio.sleep(self._wrong_token_s)
            return _ask("That token is wrong. It stands where `streammer dash` was started.")
        if scope["type"] == "websocket":
            return None
        # Out of the address line, the history and the pictures that people take of their screen.
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, self._access.token, httponly=True, samesite="strict")
        return answer


def security_headers(host: str) -> dict[str, str]:
    """Return the headers of every answer; scripts and connections are ours alone."""
    live = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'{live}; "
        "img-src 'self' blob: data:; media-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )
    return {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        # Not "no-referrer": with that, a browser says "null" for the origin of our own form.
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
    }


def _with_headers(send: Send, host: str) -> Send:
    added = [(k.encode(), v.encode("latin-1")) for k, v in security_headers(host).items()]

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return wrapped


def _query(scope: Scope) -> Mapping[str, str]:
    return _last(scope["query_string"].decode("latin-1"))


def _last(text: str) -> Mapping[str, str]:
    try:
        return {key: values[-1] for key, values in parse_qs(text, max_num_fields=20).items()}
    except ValueError:
        return {}


async def _form(receive: Receive) -> Mapping[str, str]:
    body = b""
    while len(body) <= MAX_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return _last(body.decode("utf-8", "replace"))
    return {}


def _cookie(headers: Headers) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None


def _ask(wrong: str) -> Response:
    page = _TOKEN_PAGE.replace("<!-- wrong -->", wrong and f'<p role="alert">{wrong}</p>')
    return HTMLResponse(page, 401)


_TOKEN_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>streammer: token</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"></head>
<body><main><h1>streammer</h1>
<p>This page wants the token that was printed, or chosen, where it was started.</p>
<!-- wrong -->
<form method="post" action="/token"><label>Token
<input name="token" type="password" autocomplete="current-password" required></label>
<button>Open</button></form></main></body></html>
"""
