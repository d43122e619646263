"""The files of the page, read once: their bytes, types and versions."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.datastructures import Headers
from starlette.responses import Response

__all__ = ["Asset", "answer", "assets"]

# The table of the system may say anything (Windows: that scripts are plain text).
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
_WORTH_PACKING = 1024


@dataclass(frozen=True)
class Asset:
    """A file of the page.

    Attributes
    ----------
    body, packed : bytes
        As it is, and compressed; empty where that is not worth while.
    media_type, etag : str
    """

    body: bytes
    packed: bytes
    media_type: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """Return the files by their paths, such as "app.js"; nothing else is ever served."""
    return dict(_walk(files("streammer.web") / "static", ""))


def answer(asset: Asset, headers: Headers) -> Response:
    """Return the response to a request for a file."""
    common = {"etag": asset.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if headers.get("if-none-match") == asset.etag:
        return Response(status_code=304, headers=common)
    body = asset.body
    if asset.packed and "gzip" in headers.get("accept-encoding", ""):
        body, common["content-encoding"] = asset.packed, "gzip"
    return Response(body, headers=common, media_type=asset.media_type)


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for item in folder.iterdir():
        if item.is_dir():
            found += _walk(item, f"{prefix}{item.name}/")
        elif media_type := _TYPES.get("." + item.name.rpartition(".")[2]):
            body = item.read_bytes()
            packed = gzip.compress(body, 6, mtime=0) if len(body) > _WORTH_PACKING else b""
            etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            found.append((prefix + item.name, Asset(body, packed, media_type, etag)))
    return found
