"""One policy for the signals that end a program.

SIGINT, SIGTERM, SIGHUP (a terminal that closes) and, on Windows, Ctrl-Break mean the same: end in
order. What the parent process chose to ignore stays ignored: a shell's background job survives a
Ctrl-C that was meant for another, and ``nohup`` a terminal that closes.

What "in order" is depends on where the program is, and each place says it by a context manager:

==========================  ======================================================================
`interrupting`              the whole command: KeyboardInterrupt; a second signal ends at once
`ending`                    imports and the like: the process ends there and then
`stopping`                  a running stream: `stop()` is called, and the loop ends by itself
`interruptions_held`        what must not be cut in two: the signal waits until the block ends
`reloading`                 a run with a file: SIGHUP reads it again, unless its terminal closed
`finishing`                 a table that is to be renamed: a second signal waits a moment for it
==========================  ======================================================================
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn, Protocol

from streammer.system.second_signal import SPARED, SecondSignal, finishing
from streammer.system.stderr import terminal

__all__ = [
    "EXIT_INTERRUPTED",
    "SIGNALS",
    "ending",
    "finishing",
    "interrupting",
    "interruptions_held",
    "leave",
    "reloading",
    "stopping",
]

EXIT_INTERRUPTED = 130

SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)
"""What ends a program, as far as this system has it."""


class Stoppable(Protocol):
    """What can be asked to end."""

    def stop(self) -> None:
        """End soon; called from a signal handler."""
        ...


@contextmanager
def _handled(action: Callable[[int], object], *, default_too: bool) -> Iterator[dict[int, object]]:
    """Call `action` with the number of each signal while the block runs; yield what was before.

    Python handles signals in its main thread only: elsewhere, nothing changes.

    Parameters
    ----------
    action : callable
    default_too : bool
        Whether a signal that would end the process, because nobody handles it, is handled too.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        action(number)

    before: dict[int, object] = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            current = signal.getsignal(number)
            if number in SPARED:
                continue
            if callable(current) or (default_too and current is signal.SIG_DFL):
                before[number] = current
    try:
        for number in before:
            signal.signal(number, handle)
        yield before
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


@contextmanager
def interrupting() -> Iterator[list[int]]:
    """Raise KeyboardInterrupt on a signal while the block runs, and end at once on a second one.

    Yields
    ------
    list of int
        The signals that came; what was interrupted may raise anything instead of it.
    """
    came: list[int] = []

    def interrupt(number: int) -> NoReturn:
        came.append(number)
        raise KeyboardInterrupt

    with _handled(interrupt, default_too=True) as before:
        if not before:
            yield came
            return
        with SecondSignal(before, EXIT_INTERRUPTED):
            yield came


@contextmanager
def ending(words: str, code: int) -> Iterator[None]:
    """Let a signal end the process there and then while the block runs.

    It is for imports and the like, when nothing is open yet that would have to be closed. An
    exception instead can be raised in places that print it and go on, or make another of it.
    """

    def end(_number: int) -> NoReturn:
        os.write(terminal(), f"streammer: {words}\n".encode())
        os._exit(code)

    with _handled(end, default_too=False):
        yield


@contextmanager
def stopping(stoppable: Stoppable) -> Iterator[None]:
    """Call `stoppable.stop()` on a signal while the block runs."""
    with _handled(lambda _number: stoppable.stop(), default_too=True):
        yield


@contextmanager
def reloading(reload: Callable[[], object]) -> Iterator[None]:
    """Call `reload` on SIGHUP while the block runs.

    A terminal that closes sends SIGHUP too, and then has hung up: that ends the program as ever.
    Where SIGHUP is ignored (``nohup``), or there is none (Windows), nothing changes.
    """
    number = getattr(signal, "SIGHUP", None)
    main = threading.current_thread() is threading.main_thread()
    if number is None or not main or signal.getsignal(number) is signal.SIG_IGN:
        yield
        return
    terminals = [fd for fd in (0, 1, 2) if os.isatty(fd)]

    def handle(_number: int, _frame: FrameType | None) -> None:
        if terminals and not any(os.isatty(fd) for fd in terminals):
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            reload()

    before = signal.signal(number, handle)
    SPARED.add(number)
    try:
        yield
    finally:
        SPARED.discard(number)
        signal.signal(number, before)


def leave(code: int) -> NoReturn:
    """End the process with an exit code, whatever signal still comes.

    The interpreter is not asked to take itself down: a thread that waits in an output that takes
    nothing would have its objects taken from under it, and libraries write to the terminal as they
    end (colorama, which numba loads where it is installed), which may be stopped.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # its reader is gone, or it was closed
            stream.flush()
    os._exit(code)


@contextmanager
def interruptions_held() -> Iterator[None]:
    """Let signals wait until the block ends; processes begun in it ignore Ctrl-C and SIGHUP.

    Nothing is lost: what came meanwhile is handled, once, when the block ends. A process inherits
    what it ignores, so that it holds from its first instruction, long before Python runs there. It
    still ends by SIGTERM.

    Notes
    -----
    Outside the main thread, where Python handles no signals, only the second half applies. On
    Windows, Ctrl-C can be ignored only by a process whose parent ignores it: there, it counts for
    nothing while the block runs.
    """
    came: list[int] = []
    before: dict[int, object] = {}
    try:
        with (
            finishing(),
            _handled(came.append, default_too=False) as before,
            _children_ignore_ctrl_c(),
        ):
            yield
    finally:
        if came:
            handler = before[came[0]]
            assert callable(handler)
            handler(came[0], None)


if sys.platform == "win32":

    @contextmanager
    def _children_ignore_ctrl_c() -> Iterator[None]:
        import ctypes

        set_handler = ctypes.windll.kernel32.SetConsoleCtrlHandler
        set_handler(None, True)
        try:
            yield
        finally:
            set_handler(None, False)

else:

    @contextmanager
    def _children_ignore_ctrl_c() -> Iterator[None]:
        # Blocked, not ignored: a signal that comes meanwhile is pending here.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGHUP])
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
