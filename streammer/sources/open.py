"""From what a user names (mic, a file, a URL, -, an array) to a source with its pace."""

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from streammer.clock import Clock, SystemClock
from streammer.config import Pace
from streammer.errors import UsageError
from streammer.sources import Source, kind_of, open_source
from streammer.sources.paced import PacedSource
from streammer.sources.supervisor import Supervisor

__all__ = ["Feed", "open_feed"]


@dataclass(frozen=True)
class Feed:
    """A source that is not yet open, and the pace at which the engine runs it."""

    source: Source
    pace: Pace


def open_feed(
    source: str | npt.NDArray[Any],
    *,
    pace: Pace | None = None,
    sr: int | None = None,
    format: str = "f32le",
    rate: int = 44100,
    channels: int = 2,
    clock: Clock | None = None,
) -> Feed:
    """Return the feed for what a user named.

    Parameters
    ----------
    source : str or np.ndarray [shape=(n,) or (n, channels)]
        mic, device:NAME, a path, a URL, '-' for raw PCM on stdin, or samples.
    pace : str, optional
        'live': files, and pipes that run ahead, are held to the clock. 'fast': as fast as the
        source gives. By default arrays are fast, a pipe is taken as it comes, all else is live.
    sr : int
        Rate of an array [Hz].
    format, rate, channels
        Of raw PCM.

    Raises
    ------
    UsageError
        If a device or URL, which live by the clock, is asked to be fast, or a name or value is
        malformed.
    """
    if pace not in (None, "live", "fast"):
        raise UsageError(f"pace {pace!r} is unknown: live or fast is expected")
    clock = clock or SystemClock()

    def make() -> Source:
        return open_source(source, sr=sr, format=format, rate=rate, channels=channels, clock=clock)

    if not isinstance(source, str):
        inner = make()
        if pace == "live":
            return Feed(PacedSource(inner, clock), "live")
        return Feed(inner, "fast")
    kind = kind_of(source)
    if pace == "fast":
        if kind in ("device", "url"):
            raise UsageError(
                f"{source} plays by the clock and cannot be --pace fast: leave --pace out"
            )
        return Feed(make(), "fast")
    if kind == "device":
        return Feed(Supervisor(make, clock), "live")
    if kind == "url":
        return Feed(Supervisor(lambda: PacedSource(make(), clock, buffer_s=1.0), clock), "live")
    if kind == "pcm" and pace is None:
        return Feed(make(), "live")
    return Feed(PacedSource(make(), clock), "live")
