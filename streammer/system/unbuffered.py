"""A text file that keeps nothing back and locks nothing.

A thread that waits in a buffered file, for a terminal that is stopped, holds the lock of its
buffer, and the interpreter, which flushes that buffer as it ends, would abort.
"""

import io
import os
import select
from typing import TextIO, cast

from streammer.system.escape import ESCAPE

__all__ = ["unbuffered", "write_all"]


def unbuffered(stream: TextIO) -> TextIO:
    """Return a text file that writes straight to the descriptor of a stream, if that has one."""
    try:
        stream.flush()
        return cast(TextIO, _Unbuffered(stream.fileno(), stream.encoding))
    except (OSError, ValueError):
        return stream


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data` to a descriptor, however long that takes.

    Whoever shares a pipe or terminal may have made it non-blocking: it is waited for all the same.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(fd, left) :]
        except BlockingIOError:
            select.select([], [fd], [])


class _Unbuffered(io.TextIOBase):
    def __init__(self, fd: int, encoding: str) -> None:
        self._fd = fd
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        write_all(self._fd, text.encode(self._encoding, ESCAPE))
        return len(text)
