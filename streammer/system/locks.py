"""Locks on files that go when their process does, however it ends."""

import os
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["locked"]


def locked(file: Path, mode: int = 0o600) -> int:
    """Open a file, made if it is not there, and return a descriptor that holds a lock on it.

    Parameters
    ----------
    file : Path
    mode : int
        Of a file that is made.

    Raises
    ------
    BlockingIOError
        If another descriptor holds it.
    OSError
        If it cannot be opened, or this file system knows no locks.
    """
    while True:
        fd = os.open(file, os.O_RDWR | os.O_CREAT, mode)
        try:
            _lock_descriptor(fd)
            # Who held it before may have removed the file meanwhile.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), os.stat(file)):
                    return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


if sys.platform == "win32":
    import msvcrt

    def _lock_descriptor(fd: int) -> None:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from error

else:
    import fcntl

    def _lock_descriptor(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
