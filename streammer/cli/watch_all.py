"""Every stream of the bus at once: a tile each in a terminal, lines of JSON anywhere else."""

from collections.abc import Callable

from streammer.bus.streams import Streams
from streammer.clock import Clock, SystemClock
from streammer.estimate import MoodEstimate

__all__ = ["AllWatcher"]

_POLL_S = 0.25
"""How soon a signal, a closed pipe or a silent publisher is noticed [s]."""


class AllWatcher:
    """Follow every stream and say what is received, and which streams are stale.

    Parameters
    ----------
    streams : Streams
    clock : Clock, optional
        Times the summary.
    """

    def __init__(self, streams: Streams, clock: Clock | None = None) -> None:
        self._streams = streams
        self._clock = clock or SystemClock()
        self._since = self._clock.monotonic()
        self._stopped = False
        self.count = 0

    def stop(self) -> None:
        """End soon; may be called from a signal handler."""
        self._stopped = True

    def run(
        self,
        show: Callable[[MoodEstimate], None],
        note: Callable[[str], None],
        count: int | None = None,
    ) -> None:
        """Follow the streams until `stop`, or for `count` estimates.

        Parameters
        ----------
        show : callable
            Is given every estimate; the last one of a stream that ends too.
        note : callable
            Is given a line when streams are silent, and an empty one when all are heard.
        count : int, optional
        """
        said = ""
        while not self._stopped and (count is None or self.count < count):
            for message in self._streams.read(_POLL_S):
                if isinstance(message, MoodEstimate) and (count is None or self.count < count):
                    self.count += message.state != "ended"
                    show(message)
            line = self._silence()
            if line != said:
                note(line)
                said = line

    def summary(self) -> str:
        """Return one line: what was received."""
        following = self._streams.following
        seconds = self._clock.monotonic() - self._since
        missed = sum(each.missed for each in following.values())
        ended = sum(each.ended for each in following.values())
        return (
            f"{self.count} estimates of {len(following)} streams in {seconds:.1f} s, {missed} "
            f"missed, {self._streams.malformed} malformed messages; {ended} have ended"
        )

    def _silence(self) -> str:
        """Return which streams say nothing, in words that stay the same while it lasts."""
        following = self._streams.following
        if not following:
            return (
                f"nothing at {self._streams.endpoint} yet; waiting for a `streammer listen` or "
                "`streammer run` there"
            )
        silent = [
            name
            for name in sorted(following)
            if not following[name].ended and self._streams.stale(name)
        ]
        if not silent:
            return ""
        names = ", ".join(silent[:5]) + (f" and {len(silent) - 5} more" if len(silent) > 5 else "")
        return f"no estimate for 2 s of {names}; waiting"
