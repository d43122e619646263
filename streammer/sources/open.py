"""From what a user names (mic, a file, a URL, -, an array) to a source with its pace."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import numpy as np
import numpy.typing as npt

from streammer.audio.block import Source, SourceKind
from streammer.clock import Clock, SystemClock
from streammer.config import Pace
from streammer.errors import UsageError
from streammer.sources.address import check_url
from streammer.sources.device.inputs import WantedInput
from streammer.sources.paced import PacedSource
from streammer.sources.progress import Progress
from streammer.sources.supervisor import Supervisor

__all__ = [
    "DEVICE_BACKOFF_S",
    "URL_BACKOFF_S",
    "URL_BUFFER_S",
    "URL_SCHEMES",
    "Feed",
    "kind_of",
    "open_feed",
    "open_source",
]

URL_SCHEMES = ("http", "https", "rtmp", "rtsp", "rtp", "srt", "tcp", "udp")
"""What is taken for a URL of sound; file:// is a path."""

DEVICE_BACKOFF_S = 1.0
URL_BACKOFF_S = 1.5
"""Longest waits between attempts to open again what was lost [s]: a device is back 3 s after it can
be, a URL 5 s, connecting, buffering and the first step included."""

URL_BUFFER_S = 1.0
"""Sound of a URL that is gathered before it is played [s]."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def kind_of(source: str) -> SourceKind:
    """Return what a name stands for: 'device', 'url', 'pcm' or 'file'.

    Raises
    ------
    UsageError
        If it is a URL of an unknown scheme, or empty.

    Examples
    --------
    >>> [kind_of(s) for s in ("mic", "device:USB", "https://radio.example/a", "-", "song.mp3")]
    ['device', 'device', 'url', 'pcm', 'file']
    """
    if not source:
        raise UsageError("the source is empty: expected mic, device:NAME, a file, a URL or -")
    if source == "-" or source.startswith("pcm:"):
        return "pcm"
    if source == "mic" or source.startswith("device:"):
        return "device"
    match = _SCHEME.match(source)
    if match is None or match[1].lower() == "file":
        return "file"
    if match[1].lower() not in URL_SCHEMES:
        raise UsageError(
            f"{source} has the unknown scheme {match[1]!r}: expected {', '.join(URL_SCHEMES)}"
        )
    return "url"


@dataclass(frozen=True)
class Feed:
    """A source that is not yet open, and the pace at which the engine runs it."""

    source: Source
    pace: Pace


def open_feed(
    source: str | npt.NDArray[Any],
    *,
    pace: Pace | None = None,
    wait: bool = False,
    sr: int | None = None,
    format: str | None = None,
    rate: int | None = None,
    channels: int | None = None,
    clock: Clock | None = None,
) -> Feed:
    """Return the feed for what a user named.

    Parameters
    ----------
    source : str or np.ndarray [shape=(n,) or (n, channels)]
        mic, device:NAME, a path, a URL, '-' for raw PCM on stdin, pcm:PATH, or samples.
    pace : str, optional
        'live': files, and pipes that run ahead, are held to the clock. 'fast': as fast as the
        source gives. By default arrays are fast, a pipe is taken as it comes, all else is live.
    wait : bool, optional
        Whether a device or URL that is not there yet is waited for.
    sr : int
        Rate of an array [Hz].
    format, rate, channels
        Of raw PCM; by default f32le, 44100 Hz, 2.

    Raises
    ------
    UsageError
        If a device or URL, which live by the clock, is asked to be fast, or a name or value is
        malformed, or given to a source that does not take it.
    """
    if pace not in (None, "live", "fast"):
        raise UsageError(f"pace {pace!r} is unknown: live or fast is expected")
    _check_words(source, format=format, rate=rate, channels=channels)
    clock = clock or SystemClock()

    def make(progress: Progress | None = None) -> Source:
        return open_source(
            source,
            sr=sr,
            format=format,
            rate=rate,
            channels=channels,
            clock=clock,
            progress=progress,
        )

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
        wanted = _wanted(source)  # one for all openings: it remembers whose number was meant
        again = Supervisor(
            lambda: _device(wanted, clock), clock, wait=wait, backoff_max_s=DEVICE_BACKOFF_S
        )
        return Feed(again, "live")
    if kind == "url":
        progress = Progress()

        def connect() -> Source:
            return PacedSource(make(progress), clock, buffer_s=URL_BUFFER_S)

        return Feed(Supervisor(connect, clock, wait=wait, backoff_max_s=URL_BACKOFF_S), "live")
    if kind == "pcm" and pace is None:
        return Feed(make(), "live")
    return Feed(PacedSource(make(), clock), "live")


def open_source(
    source: str | npt.NDArray[Any],
    *,
    sr: int | None = None,
    format: str | None = None,
    rate: int | None = None,
    channels: int | None = None,
    clock: Clock,
    stdin: IO[bytes] | None = None,
    progress: Progress | None = None,
) -> Source:
    """Return the source that a name or an array stands for; it is not yet open.

    Parameters
    ----------
    source : str or np.ndarray [shape=(n,) or (n, channels)]
        mic, device:NAME, device:#INDEX, a path, a URL, '-' for raw PCM on stdin, pcm:PATH for raw
        PCM from a named pipe or file, or samples.
    sr : int
        Rate of an array [Hz]; arrays only.
    format, rate, channels
        Of raw PCM, and refused elsewhere; by default f32le, 44100 Hz, 2.
    clock : Clock
    stdin : binary file, optional
        What '-' reads; by default the process's stdin.
    progress : Progress, optional
        How far a recording at a URL was decoded by the source that was open before.

    Raises
    ------
    UsageError
        If an option or the source's name is malformed.
    InputError
        If a file is missing or is no file.
    """
    if not isinstance(source, str | np.ndarray):
        raise UsageError(
            f"the source is a {type(source).__name__}: expected mic, device:NAME, a path, a URL, "
            "- or a numpy array"
        )
    _check_words(source, format=format, rate=rate, channels=channels)
    if isinstance(source, np.ndarray):
        from streammer.sources.array import ArraySource

        return ArraySource(source, sr=sr, clock=clock)
    if sr is not None:
        raise UsageError(f"sr={sr} is given with {source}: it is for arrays only, leave it out")
    kind = kind_of(source)
    if kind == "device":
        return _device(_wanted(source), clock)
    if kind == "url":
        from streammer.sources.url import UrlSource

        return UrlSource(source, clock, progress=progress)
    if kind == "pcm":
        from streammer.sources.pcm import PcmSource

        return PcmSource(
            stdin if source == "-" else _path_of(source.removeprefix("pcm:")),
            format="f32le" if format is None else format,
            rate=44100 if rate is None else rate,
            channels=2 if channels is None else channels,
            clock=clock,
        )
    from streammer.sources.file import FileSource

    return FileSource(_path_of(source), clock)


def _wanted(source: str) -> WantedInput:
    return WantedInput(None if source == "mic" else source.removeprefix("device:"))


def _device(wanted: WantedInput, clock: Clock) -> Source:
    from streammer.sources.device.source import DeviceSource

    return DeviceSource(wanted, clock)


def _check_words(
    source: str | npt.NDArray[Any], *, format: str | None, rate: int | None, channels: int | None
) -> None:
    """Refuse what can be refused before anything is opened."""
    kind = kind_of(source) if isinstance(source, str) else "array"
    if kind == "url":
        assert isinstance(source, str)
        check_url(source)
    if kind == "pcm":
        return
    for option, value in (("format", format), ("rate", rate), ("channels", channels)):
        if value is not None:
            raise UsageError(
                f"{option} {value} is given with {source if isinstance(source, str) else 'samples'}"
                ": it is for raw PCM from a pipe (-) only, leave it out"
            )


def _path_of(source: str) -> Path:
    if source[:7].lower() == "file://":
        try:
            return Path(url2pathname(unquote(urlsplit(source).path)))
        except ValueError as error:
            raise UsageError(
                f"{source} is no URL of a file ({error}): expected such as file:///music/song.mp3"
            ) from error
    try:
        return Path(source).expanduser()
    except RuntimeError:  # ~recording.wav: a file, and no user of that name
        return Path(source)
