"""Estimates as lines of JSON on stdout, shared by `listen` and `watch`."""

import os
import select
from collections.abc import Callable
from typing import IO

import msgspec

from streammer.errors import OutputError
from streammer.estimate import MoodEstimate

__all__ = ["Lines"]


class Lines:
    """Write estimates as lines of JSON, until nobody reads them any more.

    Parameters
    ----------
    out : text file
    stop : callable
        Called once when the reader has gone.
    """

    def __init__(self, out: IO[str], stop: Callable[[], None]) -> None:
        self._out = out
        self._stop = stop
        self._poll = None
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(out.fileno(), 0)

    def write(self, mood: MoodEstimate) -> None:
        """Write one line, at once."""
        try:
            self._out.write(msgspec.json.encode(mood).decode() + "\n")
            self._out.flush()
        except BrokenPipeError:
            self._end()
        except OSError as error:
            self._abandon()
            raise OutputError(
                f"stdout cannot be written ({error.strerror}); send the lines somewhere else"
            ) from error

    def look(self) -> None:
        """Notice a reader that has gone, even while there is nothing to write."""
        if self._poll is not None and self._poll.poll(0):
            self._end()

    def _end(self) -> None:
        self._abandon()
        self._poll = None
        self._stop()

    def _abandon(self) -> None:
        # What is still buffered would be flushed at exit, and fail again.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._out.fileno())
        os.close(null)
