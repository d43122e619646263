"""Trying again what is not there yet: a device, a server, a port at the start of the machine."""

from collections.abc import Callable
from typing import TypeVar

from streammer.clock import Clock
from streammer.errors import StreammerError

__all__ = ["RETRY_S", "SAY_EVERY_S", "tried_again"]

RETRY_S = 2.0
"""Time between two attempts [s]."""

SAY_EVERY_S = 60.0
"""Time between two lines about it [s]."""

Result = TypeVar("Result")


def tried_again(
    attempt: Callable[[], Result],
    absent: type[StreammerError] | tuple[type[StreammerError], ...],
    *,
    clock: Clock,
    rest: Callable[[float], bool],
    say: Callable[[str], None],
) -> Result:
    """Call `attempt` until it works.

    Parameters
    ----------
    attempt : callable
    absent : class, or tuple of classes
        Errors after which it is tried again; others are raised.
    clock : Clock
    rest : callable
        Waits until a monotonic time; returns whether to give up, and raise the last error.
    say : callable
        Is given a line at the first failure, and then one a minute.
    """
    said_at: float | None = None
    while True:
        try:
            return attempt()
        except absent as error:
            now = clock.monotonic()
            if rest(now):  # closed, and the error says no more than that
                raise
            if said_at is None or now - said_at >= SAY_EVERY_S:
                said_at = now
                say(f"{error}; waiting for it")
            if rest(now + RETRY_S):
                raise
