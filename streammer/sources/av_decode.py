"""PyAV: packets of any container to float32 blocks of one rate and one count of channels.

FFmpeg opens whatever the content of a file or an answer asks for: a script of files to join, a
description of a session on UDP, a playlist of URLs, under any suffix. So what it may take the
content for, and where the content may lead, is named here: a file leads nowhere, a URL to other
URLs and never to files of this machine.
"""

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from streammer.errors import InputError

__all__ = ["Converter", "Decoder", "one_line", "open_container"]

Float32 = npt.NDArray[np.float32]

_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}

# Up to PyAV 18 a tag that is no UTF-8 makes a file unreadable unless this says otherwise; from 19
# on such tags are kept as they are, and the argument is refused.
_TAGS: dict[str, Any] = {}
if int(av.__version__.partition(".")[0]) < 19:
    _TAGS["metadata_errors"] = "ignore"


_SOUND = (
    "3dostr aa aac aax ac3 ac4 act adf adp ads adx aea afc aiff aix alp amr apac ape apc apm aptx "
    "argo_asf asf ast au avi avr bfstm bit boa bonk brstm caf codec2 daud derf dfpwm dsf dss dts "
    "dtshd dv dxa eac3 epaf flac flv fsb fwse g722 g723_1 g729 genh gsm gxf hca hcom iamf iff ilbc "
    "ircam kvag laf lc3 live_flv loas matroska,webm mca mlp mmf mov mp3 mpc mpc8 mpeg mpegts "
    "msf mtaf musx mxf nistsphere nsp nsv nut ogg oma osq paf pp_bnk psxstr pva pvf qcp qoa "
    "redspark rka rm rsd rso s337m sbc scd sdns sdr2 sds sdx shn siff sln sol sox spdif svag svs "
    "tak thp truehd tta ty usm vag voc vpk vqf w64 wady wav wavarc webm_dash_manifest wsaud wsd "
    "wtv wv wve xa xmd xvag xwma"
)
"""FFmpeg's names of what may hold sound and holds it itself."""

_STREAMS = "dash hls rtp rtsp sdp"
"""What describes sound at other URLs."""

_NETWORK = (
    "crypto data ffrtmpcrypt ffrtmphttp hls http httpproxy https rtmp rtmpe rtmps rtmpt rtmpte "
    "rtmpts rtp srt srtp tcp tls udp"
)

_NOTHING = "none"
"""No protocol has this name; an empty list would stand for all of them."""

_DAMAGE = (av.InvalidDataError, av.ArgumentError, av.PatchWelcomeError)
"""What FFmpeg raises for bytes that it cannot make sense of."""


def open_container(file: Any, *, options: dict[str, str] | None = None, **others: Any) -> Any:
    """Open a file object or a URL for reading, whatever its tags are encoded in.

    Parameters
    ----------
    file : binary file or str
        What a file object holds opens nothing else; what a URL gives may lead to other URLs.
    options : dict, optional
        For FFmpeg.
    **others
        As `av.open` has them.

    Raises
    ------
    av.FFmpegError, OSError, ValueError
        As `av.open` does.
    """
    is_url = isinstance(file, str)
    formats = f"{_SOUND} {_STREAMS}" if is_url else _SOUND
    limits = {
        "format_whitelist": formats.replace(" ", ","),
        "protocol_whitelist": _NETWORK.replace(" ", ",") if is_url else _NOTHING,
    }
    return av.open(file, options={**(options or {}), **limits}, **_TAGS, **others)


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
    cut_off : bool
        Whether that was for want of bytes rather than for what they say.

    Raises
    ------
    InputError
        If there is no sound in it.
    """

    def __init__(self, container: Any, label: str) -> None:
        self.damaged = 0
        self.stopped = ""
        self.cut_off = False
        self._skip_to_s = 0.0
        self._stream = container.streams.best("audio")
        if self._stream is None:
            raise InputError(f"{label} has no sound in it: expected an audio track")
        self._container = container
        self._frames = self._decode()
        self._first = next((frame for frame in self._frames if frame is not None), None)
        if self._first is None:
            reason = f" ({self.stopped})" if self.stopped else ""
            raise InputError(f"{label} holds no sound that can be decoded{reason}")
        self.sr = int(self._first.sample_rate)
        self.channels = int(self._first.layout.nb_channels)
        self._converter = Converter(self.sr, self.channels)

    @property
    def duration_s(self) -> float | None:
        """Length that the container claims for this stream [s]."""
        stream = self._stream
        if stream.duration is None or stream.time_base is None:
            return None
        return float(stream.duration * stream.time_base)

    def skip_to(self, seconds: float) -> None:
        """Go on at a place of the sound [s]; what comes before it is left out.

        Raises
        ------
        av.FFmpegError
            If the container does not let itself be sought in.
        """
        offset = round(seconds / self._stream.time_base) + (self._stream.start_time or 0)
        self._container.seek(offset, stream=self._stream)
        self._first = None
        self._frames = self._decode()
        self._skip_to_s = seconds

    def blocks(self) -> Iterator[Float32]:
        """Yield the sound frame by frame [shape=(n, channels)]; n is 0 where a packet gave none."""
        if self._first is not None:
            yield from self._converter.convert(self._first)
            self._first = None
        for frame in self._frames:
            if frame is None:
                yield np.empty((0, self.channels), np.float32)
                continue
            skip = self._to_skip(frame)
            for samples in self._converter.convert(frame):
                yield samples[skip:] if skip else samples

    def _to_skip(self, frame: Any) -> int:
        """Return how many samples of a frame lie before the place that was sought."""
        if not self._skip_to_s or frame.pts is None:
            return 0
        start = self._stream.start_time or 0
        at_s = float(frame.time) - float(start * self._stream.time_base)
        skip = round((self._skip_to_s - at_s) * self.sr)
        if skip < frame.samples:
            self._skip_to_s = 0.0
        return min(max(0, skip), int(frame.samples))

    def _decode(self) -> Iterator[Any]:
        """Yield frames, and None for each packet without one: who counts time must be told."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                self.stopped = one_line(error)
                self.cut_off = not isinstance(error, _DAMAGE)
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except (av.FFmpegError, OSError):
                self.damaged += 1
                frames = []
            if frames:
                yield from frames
            else:
                yield None


class Converter:
    """Bring sound to one rate and one count of channels.

    Parameters
    ----------
    sr, channels : int
        What comes out. Where the count of channels changes, each of them holds the mean of what
        came in: the mean over channels, which is what the models are given, stays the same.
    """

    def __init__(self, sr: int, channels: int) -> None:
        self._sr = sr
        self._channels = channels
        self._resamplers: dict[tuple[str, str, int], Any] = {}

    def convert(self, frame: Any) -> Iterator[Float32]:
        """Yield the samples of a decoded frame [shape=(n, channels)]."""
        if frame.sample_rate == self._sr:
            yield self._spread(_to_float(frame))
            return
        key = (frame.format.name, frame.layout.name, frame.sample_rate)
        if key not in self._resamplers:
            self._resamplers[key] = av.AudioResampler("fltp", rate=self._sr)
        for converted in self._resamplers[key].resample(frame):
            yield self._spread(_to_float(converted))

    def convert_samples(self, samples: Float32, sr: int) -> Iterator[Float32]:
        """Yield samples [shape=(n, channels)] of another rate or count of channels, converted."""
        planes = np.ascontiguousarray(samples.T)
        layout = {1: "mono", 2: "stereo"}.get(len(planes), f"{len(planes)}c")
        frame = av.AudioFrame.from_ndarray(planes, "fltp", layout)
        frame.sample_rate = sr
        yield from self.convert(frame)

    def flush(self) -> Iterator[Float32]:
        """Yield what the resamplers still hold."""
        for resampler in self._resamplers.values():
            for converted in resampler.resample(None):
                yield self._spread(_to_float(converted))
        self._resamplers.clear()

    def _spread(self, y: Float32) -> Float32:
        if y.shape[1] == self._channels:
            return y
        return np.repeat(y.mean(axis=1, keepdims=True), self._channels, axis=1)


def _planes(frame: Any) -> npt.NDArray[Any]:
    if not frame.format.name.startswith("s64"):  # which PyAV does not convert
        planes: npt.NDArray[Any] = frame.to_ndarray()
        return planes
    n = frame.samples * (1 if frame.format.is_planar else frame.layout.nb_channels)
    return np.stack([np.frombuffer(plane, np.int64, n) for plane in frame.planes])


def _to_float(frame: Any) -> Float32:
    y = _planes(frame)
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
