"""Following the bus until a signal, or for so many estimates: one stream or all."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from streammer.clock import Clock, SystemClock
from streammer.estimate import MoodEstimate

__all__ = ["POLL_S", "Watching"]

POLL_S = 0.25
"""How soon a signal, a closed pipe or a silent publisher is noticed [s]."""


class Watching(ABC):
    """Show what is received, and say when nothing comes.

    Parameters
    ----------
    clock : Clock, optional
        Times the summary.

    Attributes
    ----------
    count : int
        Estimates that were received.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._since = self._clock.monotonic()
        self._stopped = False
        self.count = 0

    def stop(self) -> None:
        """End soon; may be called from a signal handler."""
        self._stopped = True

    @property
    def seconds(self) -> float:
        """Time since it began [s]."""
        return self._clock.monotonic() - self._since

    def run(
        self,
        show: Callable[[MoodEstimate], None],
        note: Callable[[str], None],
        count: int | None = None,
    ) -> None:
        """Follow until `stop`, or for `count` estimates.

        Parameters
        ----------
        show : callable
            Is given every estimate.
        note : callable
            Is given a line when nothing comes, and an empty one when all is heard again.
        count : int, optional
        """
        said = ""
        while not self._stopped and (count is None or self.count < count):
            for mood in self.received():
                if count is None or self.count < count:
                    self.count += mood.state != "ended"
                    show(mood)
            line = self.silence()
            if line != said:
                note(line)
                said = line

    @abstractmethod
    def received(self) -> Sequence[MoodEstimate]:
        """Return what has come, after `POLL_S` at most."""

    @abstractmethod
    def silence(self) -> str:
        """Return why nothing comes, in words that stay the same while it lasts."""

    @abstractmethod
    def summary(self) -> str:
        """Return one line: what was received."""
