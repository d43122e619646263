"""A second signal ends the process at once, whatever its main thread is doing.

Python calls its handlers between two instructions of the main thread. One that waits in the kernel
or in a C library never gets there: what the first signal asked for does not come through. The
interpreter's own handler writes the number of each signal into a socket, though; a thread that
reads it needs nobody's help to end the process.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

from streammer.system.stderr import terminal

__all__ = ["REPEAT_S", "SPARED", "SecondSignal", "finishing"]

SPARED: set[int] = set()
"""Signals that do not end the program at present: they mean something else to it."""

REPEAT_S = 0.2
"""Signals this close are one: `timeout`, npm and closing terminals send theirs twice [s]."""

FINISH_S = 2.0
"""How long a second signal waits for what is being finished [s]."""

_LAST_WORDS_S = 0.2
_SHOW_CURSOR = b"\x1b[?25h"

_finished = threading.Condition()
_unfinished = 0


@contextmanager
def finishing() -> Iterator[None]:
    """Let a second signal wait for the end of the block, for at most `FINISH_S`."""
    global _unfinished
    with _finished:
        _unfinished += 1
    try:
        yield
    finally:
        with _finished:
            _unfinished -= 1
            _finished.notify_all()


class SecondSignal:
    """A thread that watches for the second signal; a context manager for the main thread.

    Parameters
    ----------
    numbers : collection of int
        The signals that count; Python must handle each.
    code : int
        Exit code of a process that is ended so.

    Notes
    -----
    Where the system gives no socket or thread any more, there is no watching: the program goes on
    without.
    """

    def __init__(self, numbers: Collection[int], code: int) -> None:
        self._numbers = frozenset(numbers)
        self._code = code
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self._before = -1

    def __enter__(self) -> "SecondSignal":
        with suppress(OSError):
            self._ends = ours, theirs = socket.socketpair()
            theirs.setblocking(False)
            thread = threading.Thread(
                target=self._watch, args=(ours,), name="streammer-signals", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # no thread to be had
                ours.close()
                self._close()
                return self
            self._before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._ends is not None:
            signal.set_wakeup_fd(self._before)
            self._close()

    def _close(self) -> None:
        assert self._ends is not None
        ours, theirs = self._ends
        self._ends = None
        with suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)  # wakes the thread, which closes its end
        theirs.close()

    def _watch(self, ours: socket.socket) -> None:
        first_at: float | None = None
        with ours:
            while numbers := ours.recv(64):
                for number in numbers:
                    if number not in self._numbers - SPARED:
                        continue
                    now = time.monotonic()
                    if first_at is None:
                        first_at = now
                    elif now - first_at >= REPEAT_S:
                        self._end()

    def _end(self) -> None:
        with _finished:
            _finished.wait_for(lambda: not _unfinished, FINISH_S)
        # A terminal that takes nothing must not keep the process.
        words = threading.Thread(target=_last_words, daemon=True)
        words.start()
        words.join(_LAST_WORDS_S)
        os._exit(self._code)


def _last_words() -> None:
    with suppress(OSError):
        if os.isatty(1):
            os.write(1, _SHOW_CURSOR)
        os.write(terminal(), b"streammer: ended at once by a second signal\n")
