"""Where sound comes from: microphone, device, file, URL, raw PCM or array; all are equals."""

import re
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import numpy as np
import numpy.typing as npt

from streammer.audio.block import (
    BLOCK,
    Block,
    EndReason,
    Source,
    SourceEnd,
    SourceInfo,
    SourceKind,
)
from streammer.clock import Clock
from streammer.errors import UsageError

__all__ = [
    "BLOCK",
    "URL_SCHEMES",
    "Block",
    "EndReason",
    "Source",
    "SourceEnd",
    "SourceInfo",
    "SourceKind",
    "kind_of",
    "open_source",
]

URL_SCHEMES = ("http", "https", "rtmp", "rtsp", "rtp", "srt", "tcp", "udp")
"""What is taken for a URL of sound; file:// is a path."""

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
    if source == "-":
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


def open_source(
    source: str | npt.NDArray[Any],
    *,
    sr: int | None = None,
    format: str = "f32le",
    rate: int = 44100,
    channels: int = 2,
    clock: Clock,
    stdin: IO[bytes] | None = None,
) -> Source:
    """Return the source that a name or an array stands for; it is not yet open.

    Parameters
    ----------
    source : str or np.ndarray [shape=(n,) or (n, channels)]
        mic, device:NAME, device:#INDEX, a path, a URL, '-' for raw PCM on stdin, or samples.
    sr : int
        Rate of an array [Hz]; arrays only.
    format, rate, channels
        Of raw PCM; elsewhere unused.
    clock : Clock
    stdin : binary file, optional
        What '-' reads; by default the process's stdin.

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
    if isinstance(source, np.ndarray):
        from streammer.sources.array import ArraySource

        return ArraySource(source, sr=sr, clock=clock)
    if sr is not None:
        raise UsageError(f"sr={sr} is given with {source}: it is for arrays only, leave it out")
    kind = kind_of(source)
    if kind == "device":
        from streammer.sources.device.source import DeviceSource

        return DeviceSource(source.removeprefix("device:") if source != "mic" else None, clock)
    if kind == "url":
        from streammer.sources.url import UrlSource

        return UrlSource(source, clock)
    if kind == "pcm":
        from streammer.sources.pcm import PcmSource

        return PcmSource(stdin, format=format, rate=rate, channels=channels, clock=clock)
    from streammer.sources.file import FileSource

    return FileSource(_path_of(source), clock)


def _path_of(source: str) -> Path:
    if source[:7].lower() == "file://":
        return Path(url2pathname(unquote(urlsplit(source).path)))
    try:
        return Path(source).expanduser()
    except RuntimeError:  # ~recording.wav: a file, and no user of that name
        return Path(source)
