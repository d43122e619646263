"""What every source promises: blocks with their place in time, and an end with a reason."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

__all__ = [
    "BLOCK",
    "MIN_SR",
    "Block",
    "EndReason",
    "Source",
    "SourceEnd",
    "SourceInfo",
    "SourceKind",
]

BLOCK = 4096
"""Samples per decoder read, everywhere: decoded MP3 differs by an ulp with the read size, and the
laboratory and the live core must decode the same samples."""

MIN_SR = 1000
"""Least rate of anything that is called sound [Hz]."""

SourceKind = Literal["device", "file", "url", "pcm", "array"]
EndReason = Literal["eof", "lost", "error", "closed"]


@dataclass(frozen=True)
class SourceInfo:
    """What an open source delivers.

    Attributes
    ----------
    sr, channels : int
        Rate [Hz] and channels.
    name : str
        What the user would call it.
    clocked : bool
        Whether the source has a clock of its own and never waits for its reader; what such a
        source loses takes its time with it.
    kind : str
        One of device, file, url, pcm, array.
    paced : bool
        Whether a source without a clock of its own is played by ours: its blocks come when their
        sound is due, and a reader that is too slow falls behind.
    """

    sr: int
    channels: int
    name: str
    clocked: bool
    kind: SourceKind
    paced: bool = False


@dataclass(frozen=True, eq=False)
class Block:
    """Samples as a source delivers them, any number of them.

    Attributes
    ----------
    samples : np.ndarray [shape=(n, channels)], float32
    position : int
        Of the first sample, counted from `open`, lost samples included.
    t_capture : float
        Unix time at which the last sample was captured [s].
    lost : int
        Samples lost directly before this block.
    discontinuity : bool
        Whether what came before this block and this block are not one continuous sound, whatever
        is known of what lies between: a source that was opened again, a station that changed.
    t_arrival : float
        Monotonic time at which the last sample came here: from the driver or the decoder, before
        any waiting in a ring or a queue; where it is played by our clock, when it was due [s].
    """

    samples: npt.NDArray[np.float32]
    position: int
    t_capture: float
    lost: int = 0
    discontinuity: bool = False
    t_arrival: float = field(kw_only=True)


@dataclass(frozen=True)
class SourceEnd:
    """Why nothing more comes.

    Attributes
    ----------
    reason : str
        'eof': all was delivered, as far as it could be decoded. 'lost': it may come back (a
        device unplugged, a connection cut). 'error': it will not. 'closed': `close` was called.
    detail : str
        One line for the user; empty when there is nothing to say.
    """

    reason: EndReason
    detail: str = ""


class Source(Protocol):
    """A thing that gives blocks. One thread opens and reads; any thread may close."""

    @property
    def info(self) -> SourceInfo:
        """What is delivered; known from `open` on."""
        ...

    @property
    def reopened(self) -> int:
        """How often the source was opened again after it was lost."""
        ...

    @property
    def detail(self) -> str:
        """Why nothing comes at the moment, in one line; empty while all is well."""
        ...

    def open(self) -> SourceInfo:
        """Begin.

        Raises
        ------
        InputError, DeviceError, NetworkError
            If it cannot be opened.
        """
        ...

    def read(self, timeout_s: float) -> Block | SourceEnd | None:
        """Return the next block, the end, or None if nothing came within `timeout_s`."""
        ...

    def close(self) -> None:
        """End: a pending `open` or `read` of another thread returns soon. May be repeated."""
        ...
