"""Keep C libraries off the user's terminal: they write to file descriptor 2.

libmpg123 (damaged MP3), ALSA and PortAudio (every device they fail to find) print there; FFmpeg
is silent through PyAV as long as nobody asks it to speak. `quiet` points the descriptor at nothing
while such a library is at work. Python's own stderr is moved to a duplicate of the terminal
beforehand, in place, so that whatever holds `sys.stderr` (a logger, rich) keeps working, from any
thread and at any time.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["quiet"]

_STDERR = 2

_lock = threading.Lock()
_depth = 0
_terminal: int | None = None  # a duplicate of descriptor 2 while it points at nothing


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
        _move_python_stderr()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, _STDERR)
        finally:
            os.close(nowhere)
        _terminal = terminal


def _leave() -> None:
    global _depth, _terminal
    with _lock:
        _depth -= 1
        if _depth or _terminal is None:
            return
        os.dup2(_terminal, _STDERR)
        os.close(_terminal)
        _terminal = None


def _move_python_stderr() -> None:
    """Let Python's stderr write to a duplicate, for good, if it still writes to descriptor 2.

    The raw file is initialised anew rather than replaced: the objects above it, and whoever holds
    them, stay as they are.
    """
    stream = sys.__stderr__
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # python -u has no buffer in between
    if stream is None or raw is None:
        return
    with suppress(OSError, ValueError):
        if raw.fileno() == _STDERR:
            stream.flush()
            raw.__init__(os.dup(_STDERR), "wb", closefd=False)
