"""What is said on stderr: errors always, the rest unless ``--quiet`` was given.

A stream that runs must not wait for a terminal that is stopped. While it does, `said_aside` hands
lines to a writer of their own.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from streammer.system.escape import ESCAPE
from streammer.system.unbuffered import write_all
from streammer.system.writer import Writer

__all__ = ["DASH", "complain", "configured", "inform", "is_quiet", "said_aside", "undash"]

DASH = "stdin:"
"""Stands for a lone '-', which the command-line library would take for an option."""

_quiet = False
_aside: "Writer[str] | None" = None


def undash(value: str) -> str:
    """Return '-' for the stand-in of a lone '-', any other value as it is."""
    return "-" if value == DASH else value


def is_quiet() -> bool:
    """Return whether only errors are to be said."""
    return _quiet


def complain(message: object) -> None:
    """Print one line on stderr: something is wrong."""
    line = f"streammer: {' '.join(str(message).split())}".replace(DASH, "-")
    if _aside is not None:
        _aside.put(line)
    else:
        print(line, file=sys.stderr)


def inform(message: object) -> None:
    """Print one line on stderr unless ``--quiet`` was given: nothing is wrong."""
    if not _quiet:
        complain(message)


@contextmanager
def configured(*, quiet: bool) -> Iterator[None]:
    """Set what is said while the block runs, and let the log of streammer speak as we do."""
    global _quiet
    before, _quiet = _quiet, quiet
    log, handler = logging.getLogger("streammer"), _Log()
    propagated, log.propagate = log.propagate, False
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagated
        _quiet = before


class _Log(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        (complain if record.levelno >= logging.WARNING else inform)(record.getMessage())


@contextmanager
def said_aside(above: Callable[[str], bool]) -> Iterator[None]:
    """Hand lines to a writer of their own while the block runs.

    Parameters
    ----------
    above : callable
        Is given each line first; says whether it has shown it, above a picture.
    """
    global _aside
    _aside = Writer(_Stderr(above), "messages")
    try:
        yield
    finally:
        aside, _aside = _aside, None
        aside.close()


class _Stderr:
    """Standard error as the target of a writer.

    Its descriptor is a duplicate: what `quiet` keeps off the terminal is not meant.
    """

    def __init__(self, above: Callable[[str], bool]) -> None:
        self._above = above
        try:
            sys.stderr.flush()
            self._fd = os.dup(sys.stderr.fileno())
        except (OSError, ValueError):
            self._fd = -1  # an object in memory

    def ready(self) -> Literal[True]:
        """Say that it is there."""
        return True

    def write(self, item: str, /) -> int:
        """Write a line; one that cannot be written is nobody's loss."""
        if self._above(item):
            return 0
        if self._fd < 0:
            print(item, file=sys.stderr)
            return 0
        try:
            write_all(self._fd, f"{item}\n".encode(sys.stderr.encoding or "utf-8", ESCAPE))
        except OSError:
            return 1
        return 0

    def close(self) -> None:
        """Close the duplicate."""
        if self._fd >= 0:
            os.close(self._fd)
