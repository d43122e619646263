"""How blocks of samples go through the pipe between `worker` and `process`."""

import struct
from dataclasses import dataclass
from typing import IO

__all__ = ["Record", "pack", "unpack"]

_HEADER = struct.Struct("<qddii")
_BYTES = 4  # of a float32 sample


@dataclass(frozen=True)
class Record:
    """A block as the driver gave it.

    Attributes
    ----------
    position : int
        Of the first sample among all that the driver gave.
    now : float
        When the driver gave the block, by the monotonic clock, which all processes share [s].
    delay : float
        From the capture of the first sample until then, as the driver reports it [s].
    samples : int
        Samples of each channel.
    overflow : bool
        Whether the driver reports that samples were discarded before it.
    data : bytes
        Interleaved float32.
    """

    position: int
    now: float
    delay: float
    samples: int
    overflow: bool
    data: bytes


def pack(record: Record) -> bytes:
    """Return the bytes of a record."""
    return (
        _HEADER.pack(record.position, record.now, record.delay, record.samples, record.overflow)
        + record.data
    )


def unpack(stream: IO[bytes], channels: int) -> Record | None:
    """Return the next record of a stream, None at its end or where it breaks off."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    position, now, delay, samples, overflow = _HEADER.unpack(header)
    data = stream.read(samples * channels * _BYTES)
    if len(data) < samples * channels * _BYTES:
        return None
    return Record(position, now, delay, samples, bool(overflow), data)
