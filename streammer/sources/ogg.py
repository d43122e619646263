"""Where the streams of an Ogg file begin, and whether they are whole.

An Ogg file may be a chain: one stream after another, each with headers, a rate and channels of its
own, as recorders of internet radio write it. libsndfile reads the first one and takes the others
for junk, so each link is given to it as a file of its own.

References
----------
RFC 3533, section 6: a page begins with 'OggS', a version, flags (2: first page of a stream, 4:
last page), the granule position (8 bytes), the serial number of its stream (4), the page's number
in it (4), a checksum (4) and the sizes of its segments.
"""

import io
from dataclasses import dataclass
from typing import IO, Any

__all__ = ["Link", "Window", "links"]

_MAGIC = b"OggS"
_HEADER = 27
_FIRST, _LAST = 2, 4
_SEARCH = 1 << 16


@dataclass(frozen=True)
class Link:
    """One stream of a chain, or several that were interleaved.

    Attributes
    ----------
    start, stop : int
        Its bytes in the file.
    ends : bool
        Whether the last page of every stream in it is there.
    gaps : int
        Places at which pages are missing or destroyed.
    """

    start: int
    stop: int
    ends: bool
    gaps: int


@dataclass(frozen=True)
class _Page:
    start: int
    stop: int
    flags: int
    granule: bytes
    serial: bytes
    number: int


class _Scan:
    """What was seen of the link whose pages are being read."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.stop = start
        self.has_sound = False
        self._open: set[bytes] = set()
        self._last: dict[bytes, _Page] = {}
        self._gaps = 0

    def add(self, page: _Page) -> None:
        last = self._last.get(page.serial)
        # Who joins a station later gets the headers, whose position is 0, and then the present.
        joined = last is not None and not any(last.granule)
        follows = last is None or joined or page.number == last.number + 1
        self._gaps += page.start != self.stop or not follows
        self._last[page.serial] = page
        self.stop = page.stop
        if page.flags & _FIRST:
            self._open.add(page.serial)
        else:
            self.has_sound = True
        if page.flags & _LAST:
            self._open.discard(page.serial)

    def link(self) -> Link:
        return Link(self.start, self.stop, not self._open, self._gaps)


def links(file: IO[bytes]) -> list[Link]:
    """Return the links of a chain in their order; one for a plain Ogg file.

    Parameters
    ----------
    file : binary file
        Seekable; only the headers of its pages are read.
    """
    found: list[Link] = []
    scan = _Scan(0)
    at = 0
    while (page := _next_page(file, at)) is not None:
        if page.flags & _FIRST and scan.has_sound:
            found.append(scan.link())
            scan = _Scan(page.start)
        scan.add(page)
        at = page.stop
    if scan.stop > scan.start:
        found.append(scan.link())
    return found


def _next_page(file: IO[bytes], at: int) -> _Page | None:
    """Return the first whole page from a place on; a page that the file's end cuts is none."""
    size = file.seek(0, io.SEEK_END)
    while at + _HEADER <= size:
        file.seek(at)
        head = file.read(_HEADER + 255)
        if head[:4] != _MAGIC:
            at = _find_magic(file, at + 1, size)
            continue
        segments = head[_HEADER : _HEADER + head[26]]
        stop = at + _HEADER + len(segments) + sum(segments)
        if stop > size:
            return None
        number = int.from_bytes(head[18:22], "little")
        return _Page(at, stop, head[5], head[6:14], head[14:18], number)
    return None


def _find_magic(file: IO[bytes], at: int, size: int) -> int:
    while at < size:
        file.seek(at)
        part = file.read(_SEARCH)
        found = part.find(_MAGIC)
        if found >= 0:
            return at + found
        at += max(1, len(part) - len(_MAGIC) + 1)
    return size


class Window(io.RawIOBase):
    """A part of a file as a file of its own, for a library that reads from objects.

    Parameters
    ----------
    file : binary file
        Seekable, and used by nobody else meanwhile.
    start, stop : int
        Its part.
    """

    def __init__(self, file: IO[bytes], start: int, stop: int) -> None:
        self._file = file
        self._start = start
        self._size = stop - start
        self._at = 0

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place in the part."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place in the part and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = min(max(0, base + offset), self._size)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the part goes; return the count of bytes."""
        view = memoryview(buffer)
        self._file.seek(self._start + self._at)
        data = self._file.read(min(len(view), self._size - self._at))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
