"""Estimates as lines of JSON: on stdout for `listen` and `watch`, and in a file.

Both are targets of a `Writer`: they may wait, and everything here runs in its thread.
"""

import errno
import os
import select
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import msgspec

from streammer.errors import OutputError
from streammer.estimate import MoodEstimate
from streammer.system.escape import ESCAPE
from streammer.system.unbuffered import write_all

__all__ = ["LogFile", "StdoutLines"]


class StdoutLines:
    """Write estimates as lines of JSON, until nobody reads them any more.

    Parameters
    ----------
    out : text file
        With a descriptor of its own; what it buffers is passed by.
    gone : callable
        Called once when the reader has gone.
    failed : callable
        Called once, with an `OutputError`, when nothing can be written any more.
    """

    def __init__(
        self, out: TextIO, gone: Callable[[], None], failed: Callable[[OutputError], None]
    ) -> None:
        self._fd = out.fileno()
        self._encoding = out.encoding
        self._gone = gone
        self._failed = failed
        self._over = False
        self._poll = None
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(self._fd, 0)

    def ready(self) -> bool:
        """Notice a reader that has gone, even while there is nothing to write."""
        if not self._over and self._poll is not None and self._poll.poll(0):
            self._end(self._gone)
        return True

    def write(self, item: MoodEstimate, /) -> int:
        """Write one line, at once, and return how many were lost."""
        if self._over:
            return 1
        line = msgspec.json.encode(item) + b"\n"
        if not line.isascii():
            line = line.decode().encode(self._encoding, ESCAPE)
        try:
            write_all(self._fd, line)
        except BrokenPipeError:
            self._end(self._gone)
            return 1
        except OSError as error:
            refusal = OutputError(
                f"stdout cannot be written ({error.strerror}); send the lines somewhere else"
            )
            self._end(lambda: self._failed(refusal))
            return 1
        return 0

    def close(self) -> None:
        """Leave stdout as it is."""

    def _end(self, tell: Callable[[], None]) -> None:
        self._over = True
        tell()


class LogFile:
    """A file of JSON lines, appended to and flushed every tick.

    A file that is moved away (logrotate) is opened anew under its name. A named pipe without a
    reader is waited for, as often as its reader goes.

    Parameters
    ----------
    path : Path
    failed : callable
        Called once, with an `OutputError`, when it cannot be written any more (disk full).
    say : callable
        Is given a line when a pipe has no reader.

    Raises
    ------
    OutputError
        If the file cannot be opened.
    """

    def __init__(
        self, path: Path, failed: Callable[[OutputError], None], say: Callable[[str], None]
    ) -> None:
        self._path = path
        self._failed = failed
        self._say = say
        self._over = False
        self._waited = False
        self._fd: int | None = None
        try:
            self._is_pipe = path.exists() and stat.S_ISFIFO(path.stat().st_mode)
            if not self._is_pipe:
                self._open()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(
                f"{path} cannot be written ({reason}): choose another place"
            ) from error

    def ready(self) -> bool:
        """Open what was moved away, and a pipe that has a reader; say whether it is open."""
        if self._over:
            return True
        try:
            if self._fd is None or (not self._is_pipe and self._moved()):
                self._open()
        except OSError as error:
            if not (self._is_pipe and error.errno == errno.ENXIO):
                self._fail(error)
            elif not self._waited:
                self._waited = True
                self._say(f"{self._path} is a pipe that nobody reads: waiting for its reader")
        return self._over or self._fd is not None

    def write(self, item: msgspec.Struct, /) -> int:
        """Append one line, and return how many were lost."""
        if self._over or self._fd is None:
            return 1
        line = msgspec.json.encode(item) + b"\n"
        size = os.fstat(self._fd).st_size
        try:
            write_all(self._fd, line)
        except BrokenPipeError:
            self.close()
            return 1
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._fd, size)  # no half line stays behind
            self._fail(error)
            return 1
        return 0

    def close(self) -> None:
        """Close the file."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        if self._is_pipe:
            flags = os.O_WRONLY | os.O_NONBLOCK  # does not wait for a reader
        fd = os.open(self._path, flags | getattr(os, "O_BINARY", 0), 0o666)
        self.close()
        if self._is_pipe:
            os.set_blocking(fd, True)
        self._fd = fd
        self._is_regular = stat.S_ISREG(os.fstat(fd).st_mode)

    def _moved(self) -> bool:
        assert self._fd is not None
        if not self._is_regular:
            return False
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._fd))
        except FileNotFoundError:
            return True

    def _fail(self, error: OSError) -> None:
        self._over = True
        self._failed(
            OutputError(
                f"{self._path} cannot be written any more ({error.strerror}): "
                "make room and start again"
            )
        )
