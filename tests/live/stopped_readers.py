"""Pipes and terminals that take nothing any more, from the start."""

import contextlib
import os
import pty
import termios
from collections.abc import Iterator
from pathlib import Path


def fill(fd: int) -> None:
    """Write until nothing more is taken; what is written next waits."""
    os.set_blocking(fd, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(fd, b"." * 4096)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(fd, b".")
    os.set_blocking(fd, True)


@contextlib.contextmanager
def full_pipe() -> Iterator[int]:
    """Yield the end of a full pipe to write to; its reader is there and does not read."""
    ours, theirs = os.pipe()
    try:
        fill(theirs)
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


@contextlib.contextmanager
def full_named_pipe(path: Path) -> Iterator[None]:
    """Make a full named pipe; its reader is there and does not read."""
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR)
    try:
        fill(fd)
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def full_terminal() -> Iterator[int]:
    """Yield a terminal of 100 x 40 characters whose screen has stopped."""
    ours, theirs = pty.openpty()
    try:
        termios.tcsetwinsize(theirs, (40, 100))
        fill(theirs)
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)
