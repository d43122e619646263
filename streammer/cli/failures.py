"""The one place that turns an exception into a line on stderr and an exit code."""

import errno
import os
import sys
import traceback

from streammer.cli.messages import complain
from streammer.errors import OutputError, StreammerError, UsageError
from streammer.system.limits import limit_behind

__all__ = ["EXIT_BUG", "close_stdout", "report"]

EXIT_BUG = 70

_NO_NAME = {errno.ENAMETOOLONG, errno.ELOOP}
"""A name that is too long, or of links that lead in a circle."""

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""No room on the disk, beyond the limit of a file, beyond the quota of the user."""


def report(error: Exception, *, debug: bool) -> int:
    """Say what went wrong and return the exit code (docs/design.md, contract 4)."""
    if isinstance(error, BrokenPipeError) and not isinstance(error, StreammerError):
        close_stdout()
        return 0
    known = _known(error)
    if debug:
        traceback.print_exception(error)
    if known is None:
        complain(
            f"this is a bug: {type(error).__name__}: {error}. "
            "Please report it with the output of the same command with --debug"
        )
        return EXIT_BUG
    complain(known)
    return known.exit_code


def _known(error: Exception) -> StreammerError | None:
    """Return an exception as one of ours, or None if it is a bug."""
    limit = limit_behind(error)
    if limit is not None:
        return limit
    if isinstance(error, StreammerError):
        return error
    if isinstance(error, OSError) and error.errno in _NO_NAME:
        return UsageError(
            f"{error.filename} is no name that this system takes ({error.strerror}): choose another"
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        close_stdout()
        named = f" to {error.filename}" if error.filename else ""
        return OutputError(
            f"output cannot be written{named} ({error.strerror}): make room and start again"
        )
    return None


def close_stdout() -> None:
    """Point stdout at nothing: its reader is gone, and the interpreter would flush it at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
