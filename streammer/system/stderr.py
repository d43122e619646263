"""Keep C libraries off the user's terminal: they write to file descriptor 2.

libmpg123 (damaged MP3), ALSA and PortAudio (every device they fail to find) print there; FFmpeg
is silent through PyAV as long as nobody asks it to speak. `quiet` points the descriptor at nothing
while such a library is at work, and at no other time. Meanwhile Python's own stderr writes to a
duplicate of the terminal, in place, so that whatever holds `sys.stderr` (a logger, rich) keeps
working, from any thread; afterwards it writes to descriptor 2 again, so that a program that
redirects that (a daemon, a test runner) redirects Python too.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["quiet", "terminal"]

_STDERR = 2

_lock = threading.Lock()
_depth = 0
_terminal: int | None = None  # a duplicate of descriptor 2 while it points at nothing
_aside: int | None = None  # Python's stderr meanwhile; never closed, a thread may be writing to it
_moved = False


@contextmanager
def quiet() -> Iterator[None]:
    """Discard what is written to descriptor 2 while the block runs.

    May be nested and used by several threads at once: the first to enter redirects, the last to
    leave restores. Where descriptor 2 is closed there is nothing to discard.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def terminal() -> int:
    """Return the descriptor that reaches the user now, for last words from a signal's handler."""
    return _STDERR if _terminal is None else _terminal


def _enter() -> None:
    global _depth, _terminal
    with _lock:
        _depth += 1
        if _depth > 1:
            return
        try:
            terminal = os.dup(_STDERR)
        except OSError:
            return
        _move_python_stderr(terminal)
        _terminal = terminal
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, _STDERR)
        finally:
            os.close(nowhere)


def _leave() -> None:
    global _depth, _terminal
    with _lock:
        _depth -= 1
        if _depth or _terminal is None:
            return
        os.dup2(_terminal, _STDERR)
        ours, _terminal = _terminal, None
        os.close(ours)
        _move_python_stderr_back()


def _move_python_stderr(terminal: int) -> None:
    """Let Python's stderr write to a duplicate, if it writes to descriptor 2.

    The raw file is initialised anew rather than replaced: the objects above it, and whoever holds
    them, stay as they are.
    """
    global _aside, _moved
    raw = _raw_stderr()
    with suppress(OSError, ValueError):
        if raw is not None and raw.fileno() == _STDERR:
            if _aside is None:
                _aside = os.dup(terminal)
            else:
                os.dup2(terminal, _aside, inheritable=False)
            _flush_stderr()
            raw.__init__(_aside, "wb", closefd=False)
            _moved = True


def _move_python_stderr_back() -> None:
    global _moved
    raw = _raw_stderr()
    if _moved and raw is not None:
        with suppress(OSError, ValueError):
            _flush_stderr()
            raw.__init__(_STDERR, "wb", closefd=False)
    _moved = False


def _flush_stderr() -> None:
    if sys.__stderr__ is not None:
        sys.__stderr__.flush()


def _raw_stderr() -> Any:
    buffer = getattr(sys.__stderr__, "buffer", None)
    return getattr(buffer, "raw", buffer)  # python -u has no buffer in between
