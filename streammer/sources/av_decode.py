"""PyAV: packets of any container to float32 blocks of one rate and one count of channels."""

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from streammer.errors import InputError

__all__ = ["Decoder", "one_line", "open_container"]

Float32 = npt.NDArray[np.float32]

_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}

# Up to PyAV 18 a tag that is no UTF-8 makes a file unreadable unless this says otherwise; from 19
# on such tags are kept as they are, and the argument is refused.
_TAGS: dict[str, Any] = {}
if int(av.__version__.partition(".")[0]) < 19:
    _TAGS["metadata_errors"] = "ignore"


def open_container(file: Any, **options: Any) -> Any:
    """Open a file object or a URL for reading, whatever its tags are encoded in.

    Parameters
    ----------
    file : binary file or str
    **options
        As `av.open` has them.

    Raises
    ------
    av.FFmpegError, OSError, ValueError
        As `av.open` does.
    """
    return av.open(file, **_TAGS, **options)


class Decoder:
    """Decode the best audio stream of an open container.

    Parameters
    ----------
    container : av.container.InputContainer
    label : str
        Begins the messages of errors.

    Attributes
    ----------
    sr, channels : int
        Of the first decoded frame: headers may lie (HE-AAC doubles its rate when it is decoded).
        What changes later on is converted back.
    damaged : int
        Packets that could not be decoded and were left out.
    stopped : str
        Why reading ended before its time; empty at an orderly end.

    Raises
    ------
    InputError
        If there is no sound in it.
    """

    def __init__(self, container: Any, label: str) -> None:
        self.damaged = 0
        self.stopped = ""
        self._stream = container.streams.best("audio")
        if self._stream is None:
            raise InputError(f"{label} has no sound in it: expected an audio track")
        self._container = container
        self._resamplers: dict[tuple[str, str, int], Any] = {}
        self._frames = self._decode()
        self._first = next(self._frames, None)
        if self._first is None:
            reason = f" ({self.stopped})" if self.stopped else ""
            raise InputError(f"{label} holds no sound that can be decoded{reason}")
        self.sr = int(self._first.sample_rate)
        self.channels = int(self._first.layout.nb_channels)

    @property
    def duration_s(self) -> float | None:
        """Length that the container claims for this stream [s]."""
        stream = self._stream
        if stream.duration is None or stream.time_base is None:
            return None
        return float(stream.duration * stream.time_base)

    def blocks(self) -> Iterator[Float32]:
        """Yield the sound frame by frame [shape=(n, channels)]."""
        if self._first is not None:
            yield from self._samples(self._first)
            self._first = None
        for frame in self._frames:
            yield from self._samples(frame)

    def _decode(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                self.stopped = one_line(error)
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except (av.FFmpegError, OSError):
                self.damaged += 1
                continue
            yield from frames

    def _samples(self, frame: Any) -> Iterator[Float32]:
        if (frame.sample_rate, frame.layout.nb_channels) == (self.sr, self.channels):
            yield _to_float(frame)
            return
        key = (frame.format.name, frame.layout.name, frame.sample_rate)
        if key not in self._resamplers:
            layout = {1: "mono", 2: "stereo"}.get(self.channels, f"{self.channels}c")
            self._resamplers[key] = av.AudioResampler("fltp", layout, self.sr)
        for converted in self._resamplers[key].resample(frame):
            yield _to_float(converted)


def _to_float(frame: Any) -> Float32:
    y = frame.to_ndarray()
    y = y.T if frame.format.is_planar else y.reshape(-1, frame.layout.nb_channels)
    kind = frame.format.name.removesuffix("p")
    if kind not in _SCALE:
        return np.ascontiguousarray(y, np.float32)
    scaled = y.astype(np.float32)
    if kind == "u8":
        scaled -= np.float32(128.0)
    return np.ascontiguousarray(scaled / np.float32(_SCALE[kind]))


def one_line(error: BaseException) -> str:
    """Return what went wrong as a few words, without the library's numbers and names."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
