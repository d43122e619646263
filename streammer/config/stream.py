"""What a stream is asked to do: frozen values, checked on construction.

The command line builds them from options, `streammer run` from a file and the Python API from
arguments.
"""

import math
import re
from dataclasses import dataclass, replace
from typing import Literal

from streammer.errors import UsageError

__all__ = [
    "DEFAULT_ENDPOINT",
    "GAIN_DB",
    "HUB_ENDPOINT",
    "SILENCE_DBFS",
    "SMOOTHING_S",
    "Pace",
    "StreamConfig",
    "check_stream_name",
    "parse_select",
]

SILENCE_DBFS = (-120.0, 0.0)
GAIN_DB = (-60.0, 60.0)
SMOOTHING_S = (0.0, 60.0)
"""Least and greatest value, in dBFS, dB and s."""

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5580"
HUB_ENDPOINT = "tcp://127.0.0.1:5581"
"""Where subscribers connect, and where a hub takes publishers."""

Pace = Literal["live", "fast"]

_STREAM_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def check_stream_name(name: str) -> str:
    """Return `name`, or raise `UsageError` if it cannot name a stream."""
    if not _STREAM_NAME.fullmatch(name):
        raise UsageError(
            f"stream name {name!r} is not usable: 1 to 63 of a-z 0-9 . _ - are expected, "
            "beginning with a letter or digit"
        )
    return name


def parse_select(text: str) -> tuple[int, ...]:
    """Return channel numbers, from 1, out of a list such as '3,4'."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(
            f"channels {text!r} are not a list: numbers from 1 are expected, such as --select 3,4"
        )
    numbers = tuple(int(part) for part in parts)
    if len(set(numbers)) != len(numbers):
        raise UsageError(f"channels {text!r} name one twice: name each channel once")
    return numbers


@dataclass(frozen=True)
class StreamConfig:
    """How the mood of one feed is estimated.

    Attributes
    ----------
    name : str
        Name of the stream on the bus.
    models : tuple of str
        Names or paths; each output comes from the first that has it.
    select : tuple of int, or None
        Channels that are averaged to mono, from 1; None means all.
    silence_dbfs : float
        Steps under this level count as silent [dBFS].
    smoothing_s : float
        Time constant of the one-pole smoothing of the outputs [s]; 0 means none.
    gain_db : float
        What the mono sound is amplified by, after clipping was looked for [dB].
    """

    name: str = "main"
    models: tuple[str, ...] = ("default",)
    select: tuple[int, ...] | None = None
    silence_dbfs: float = -70.0
    smoothing_s: float = 0.0
    gain_db: float = 0.0

    def goes_on_as(self, other: "StreamConfig") -> bool:
        """Return whether a stream may become another while it goes on (see `Stream.configure`)."""
        own = other.silence_dbfs, other.smoothing_s, other.gain_db
        return other == replace(self, silence_dbfs=own[0], smoothing_s=own[1], gain_db=own[2])

    def __post_init__(self) -> None:
        check_stream_name(self.name)
        if not self.models:
            raise UsageError("no model is named: name at least one, such as --model default")
        if len(set(self.models)) != len(self.models):
            raise UsageError(f"models {', '.join(self.models)} name one twice: name each once")
        if not _within(self.silence_dbfs, SILENCE_DBFS):
            raise UsageError(
                f"silence threshold {self.silence_dbfs} dBFS is out of range: "
                "-120 to 0 is expected, such as --silence -60"
            )
        if not _within(self.smoothing_s, SMOOTHING_S):
            raise UsageError(f"smoothing {self.smoothing_s} s is out of range: 0 to 60 is expected")
        if not _within(self.gain_db, GAIN_DB):
            raise UsageError(f"gain {self.gain_db} dB is out of range: -60 to 60 is expected")
        if self.select is not None and (not self.select or min(self.select) < 1):
            raise UsageError("channels are counted from 1: select at least one")


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return math.isfinite(value) and bounds[0] <= value <= bounds[1]
