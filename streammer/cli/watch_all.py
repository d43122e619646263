"""Every stream of the bus at once: a tile each in a terminal, lines of JSON anywhere else."""

from streammer.bus.streams import Streams
from streammer.cli.watching import POLL_S, Watching
from streammer.clock import Clock
from streammer.estimate import MoodEstimate

__all__ = ["AllWatcher"]


class AllWatcher(Watching):
    """Follow every stream and say what is received, and which streams are stale.

    Parameters
    ----------
    streams : Streams
    clock : Clock, optional
        Times the summary.
    """

    def __init__(self, streams: Streams, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._streams = streams

    def received(self) -> list[MoodEstimate]:
        """Return what came soon, the last one of a stream that ended too."""
        return [m for m in self._streams.read(POLL_S) if isinstance(m, MoodEstimate)]

    def summary(self) -> str:
        """Return one line: what was received."""
        following = self._streams.following
        missed = sum(each.missed for each in following.values())
        ended = sum(each.ended for each in following.values())
        return (
            f"{self.count} estimates of {len(following)} streams in {self.seconds:.1f} s, {missed} "
            f"missed, {self._streams.malformed} malformed messages; {ended} have ended"
        )

    def silence(self) -> str:
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
