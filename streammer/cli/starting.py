"""The start of `listen`: a run that can be stopped, a port that is waited for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streammer.cli.messages import complain
from streammer.clock import SystemClock
from streammer.errors import NetworkError
from streammer.system.retry import tried_again
from streammer.system.signals import Stoppable

if TYPE_CHECKING:
    from streammer.bus import Publisher

__all__ = ["Stop", "bound"]


class Stop:
    """Whether a run is to end, said once to whatever can be stopped."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._run: Stoppable | None = None

    @property
    def asked(self) -> bool:
        """Whether the run is to end."""
        return self._asked.is_set()

    def stop(self) -> None:
        """Ask the run to end; from any thread or signal handler."""
        self._asked.set()
        if self._run is not None:
            self._run.stop()

    def reaches(self, run: Stoppable) -> None:
        """Stop `run` too, at once if that was asked for already."""
        self._run = run
        if self._asked.is_set():
            run.stop()

    def rest(self, until: float) -> bool:
        """Wait until a monotonic time and return whether the run is to end."""
        return self._asked.wait(max(0.0, until - SystemClock().monotonic()))


@contextmanager
def bound(
    endpoint: str | None,
    *,
    connect: str | None = None,
    insecure: bool,
    wait: bool,
    stop: Stop,
    streams: int = 1,
) -> Iterator["Publisher"]:
    """Publish on an endpoint while the block runs.

    Parameters
    ----------
    endpoint : str or None
    connect : str, optional
        A hub to publish through.
    insecure : bool
        Allow a bind beyond this machine.
    wait : bool
        Try again as long as it cannot be bound.
    stop : Stop
        Ends the waiting.
    streams : int
        How many are published.
    """
    from streammer.bus import Publisher
    from streammer.bus.endpoint import check_endpoint

    def bind() -> Publisher:
        return Publisher(endpoint, connect=connect, insecure=insecure, streams=streams)

    if wait and endpoint is not None:
        check_endpoint(endpoint, insecure=insecure, bind=True)  # what waiting does not mend
        publisher = tried_again(
            bind, NetworkError, clock=SystemClock(), rest=stop.rest, say=complain
        )
    else:
        publisher = bind()
    try:
        yield publisher
    finally:
        publisher.close()
