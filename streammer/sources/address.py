"""What a URL and the server behind it tell without a decoder."""

import re
import socket
from http.client import HTTPException
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from streammer import __version__
from streammer.errors import UsageError

__all__ = ["USER_AGENT", "check_url", "diagnosis", "redacted", "sends_text", "takes_ranges"]

USER_AGENT = f"streammer/{__version__}"

_BEGINNING = 512
"""So much of a page is looked at [bytes]."""

_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def check_url(url: str) -> None:
    """Refuse a URL that no server can have.

    Raises
    ------
    UsageError
        If its host or port is missing or malformed.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{redacted(url)} is no URL ({error}): check host and port") from error
    if not host and parts.scheme.lower() not in ("udp", "rtp"):  # who listens needs a port alone
        raise UsageError(f"{redacted(url)} names no host: expected as in https://HOST/PATH")
    if host and ":" not in host:
        try:
            host.encode("idna")
        except UnicodeError as error:
            raise UsageError(
                f"{redacted(url)} has the host {host!r}, which cannot exist: expected labels of "
                "1 to 63 letters between its dots"
            ) from error
    if port == 0:
        raise UsageError(f"{redacted(url)} has the port 0: expected 1 to 65535")


def redacted(url: str) -> str:
    """Return a URL without user, password and query: it is shown, logged and published.

    Examples
    --------
    >>> redacted("https://me:secret@radio.example:8000/live.mp3?token=1")
    'https://radio.example:8000/live.mp3'
    """
    shown = re.sub(r"[?#].*", "", url, flags=re.DOTALL)
    return re.sub(r"//[^/]*@", "//", shown, count=1)


def diagnosis(url: str, reason: str) -> str:
    """Say what is behind FFmpeg's one error for everything on the way."""
    host = urlsplit(url).hostname
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return f"the host {host} is not known; check its name and the network"
    return f"{reason}; check the address"


def sends_text(url: str, timeout_s: float) -> bool:
    """Return whether the server answers with text.

    FFmpeg calls the end of a page whose length was not named an error of input and output, as it
    does an unknown host. So the server is asked for the beginning again.
    """
    try:
        request = Request(url, headers={"User-Agent": USER_AGENT})
        with urlopen(request, timeout=timeout_s) as answer:
            beginning = answer.read(_BEGINNING)
    except (OSError, HTTPException, ValueError):
        return False
    # A playlist is text, but what could not be read may be its sound.
    text = beginning.strip()
    return bool(text) and not text.startswith(b"#EXTM3U") and _NOT_TEXT.search(text) is None


def takes_ranges(url: str, timeout_s: float) -> bool:
    """Return whether the server can send a part of what is at a URL of HTTP."""
    try:
        request = Request(url, headers={"User-Agent": USER_AGENT, "Range": "bytes=1-1"})
        with urlopen(request, timeout=timeout_s) as answer:
            return bool(answer.status == 206)
    except (OSError, HTTPException, ValueError):
        return False
