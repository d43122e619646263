"""Ctrl-C and SIGTERM at moments that must not be cut in two."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["interruptions_held"]


@contextmanager
def interruptions_held() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block ends; processes begun in it are deaf to Ctrl-C.

    Nothing is lost: what came meanwhile is handled, once, when the block ends. A process inherits
    its deafness, so that it holds from its first instruction, long before Python runs there. It
    still ends by SIGTERM.

    Notes
    -----
    Outside the main thread, where Python handles no signals, only the second half applies. On
    Windows, deafness can be inherited only from a process that is deaf itself: there, Ctrl-C
    counts for nothing while the block runs.
    """
    handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
    came: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    try:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handler = signal.getsignal(number)
                if callable(handler):
                    handlers[number] = handler
                    signal.signal(number, remember)
        with _deaf_children():
            yield
    finally:
        for caught, handler in handlers.items():
            signal.signal(caught, handler)
        if came:
            handlers[came[0]](came[0], None)


if sys.platform == "win32":

    @contextmanager
    def _deaf_children() -> Iterator[None]:
        import ctypes

        set_handler = ctypes.windll.kernel32.SetConsoleCtrlHandler
        set_handler(None, True)
        try:
            yield
        finally:
            set_handler(None, False)

else:

    @contextmanager
    def _deaf_children() -> Iterator[None]:
        # Blocked, not ignored: a signal that comes meanwhile is pending here.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
