"""Whether bytes can be the raw PCM that they are taken for.

Raw PCM has no header, and any bytes are samples: read in the wrong format they are noise,
silence or nothing at all. What gives it away:

- the first bytes of a file with a header, or text;
- floats: sound has none that are not finite and hardly one beyond 10^4, while integers read as
  floats have exponents of all kinds, and every second small negative one is a NaN;
- integers: two neighbours of music are alike. Read with the wrong width, a part of them is the low
  bytes of others: white, and near full scale.
"""

import re
import struct

import numpy as np
import numpy.typing as npt

__all__ = ["FORMATS", "PcmJudge", "decode_pcm"]

FORMATS = {"f32le": 4, "s16le": 2, "s24le": 3, "s32le": 4}
"""Sample formats, each with its bytes per sample."""

_HEAD = 2048
"""Bytes by which the beginning is judged: more than a frame of MP3, and enough to be text."""

_ENOUGH = 1 << 18
"""Bytes of sound by which a format is judged."""

Float32 = npt.NDArray[np.float32]

_DECODE = "decode it first, as in ffmpeg -i SONG -f f32le -ac 2 -ar 44100 - | streammer listen -"

_HEADS = (
    (re.compile(rb"ID3[\x02-\x04]"), "MP3"),
    (re.compile(rb"OggS"), "Ogg"),
    (re.compile(rb"fLaC"), "FLAC"),
    (re.compile(rb"....ftyp", re.DOTALL), "MP4"),
    (re.compile(rb"\x1aE\xdf\xa3"), "Matroska"),
    (re.compile(rb"FORM....AIF", re.DOTALL), "AIFF"),
    (re.compile(rb"(?:caff|\.snd)"), "a file with a header"),
)

_KBPS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_KBPS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
"""Bit rates of layer III by their index in the header, of MPEG 1 and of MPEG 2."""

_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

_FAINT = 1e-3
"""Of the power of the upper halves: what the lower ones of a number near full scale may have."""

_HUGE = 1e4
_HUGE_SHARE = 0.01
_LOUD = 0.3
_ROUGH = 0.9
_SMOOTH = 0.6
"""Of the difference of neighbours over the samples themselves (RMS): 1.41 for white noise."""


_ALIGN = 12
"""Bytes per channel after which a sample of any format begins."""


class PcmJudge:
    """Look at the beginning of a stream, and at its first sound; say once what is wrong with it.

    Parameters
    ----------
    format, rate, channels
        What the stream is taken for.
    """

    def __init__(self, format: str, rate: int, channels: int) -> None:
        self._taken_for = format, rate, channels
        self._begun = False
        self._skipped = 0
        self._held = bytearray()
        self._done = False

    def look(self, data: bytes) -> str:
        """Take the next bytes of the stream; return what is wrong, or '' as a rule."""
        if self._done:
            return ""
        self._held += data
        words = ""
        if not self._begun:
            if len(self._held) < _HEAD:
                return ""
            self._begun = True
            words = _describe_head(bytes(self._held), *self._taken_for)
        if self._held.count(0) == len(self._held):  # a stream may begin with silence
            self._skipped += len(self._held)
            self._held.clear()
        format, _, channels = self._taken_for
        if not words and len(self._held) >= _ENOUGH:
            start = -self._skipped % (_ALIGN * channels)
            words = _describe_format(bytes(self._held[start:]), format, channels)
            self._done = True
        self._done = self._done or bool(words)
        if self._done:
            self._held.clear()
        return words


def _describe_head(head: bytes, format: str, rate: int, channels: int) -> str:
    """Return what is wrong with the first bytes of a stream, with the remedy; empty if nothing is.

    Parameters
    ----------
    head : bytes
    format, rate, channels
        What the stream is taken for.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _describe_wav(head, format, rate, channels)
    name = next((name for pattern, name in _HEADS if pattern.match(head)), "")
    if name := name or _frames_of(head):
        return f"stdin holds {name}, not raw PCM: name the file instead of -, or {_DECODE}"
    if _NOT_TEXT.search(head) is None and head.strip():
        return f"stdin holds text, not raw PCM: pipe samples into it, or {_DECODE}"
    return ""


def _describe_format(data: bytes, format: str, channels: int) -> str:
    """Return that samples do not look like their format, and which one they do look like.

    Parameters
    ----------
    data : bytes
        From the beginning of a frame on; enough to tell.
    format : str
        One of `FORMATS`.
    channels : int

    Returns
    -------
    str
        Empty if they may be what they are taken for.
    """
    y = np.frombuffer(data, "<f4", len(data) // 4)
    if data[4:] == data[:-4]:  # a constant, which is no sound in any format
        return ""
    as_float = _is_float(y)
    if as_float:
        likely = "f32le"
    elif format == "f32le" and _is_float(y, _HUGE**2):
        return (
            "stdin looks like f32le with values beyond any level: full scale is 1, not 32768; "
            "divide them, or name another --format"
        )
    else:
        likely = _likely_integers(data, format, channels)
    if likely and likely != format:
        return (
            f"stdin does not look like {format}, but like {likely}: if that is what it is, "
            f"use --format {likely}"
        )
    if format == "f32le" and not as_float:
        return (
            "stdin does not look like f32le (values that are no numbers, or of any size): "
            f"name its format with --format, one of {', '.join(FORMATS)}"
        )
    return ""


def decode_pcm(data: bytes, format: str, channels: int) -> Float32:
    """Return interleaved samples as float32 [shape=(n, channels)], full scale at 1.

    Parameters
    ----------
    data : bytes
        Whole frames.
    format : str
        One of `FORMATS`.
    """
    if format == "f32le":
        y = np.frombuffer(data, "<f4").astype(np.float32)
    elif format == "s16le":
        y = np.frombuffer(data, "<i2").astype(np.float32) / np.float32(2**15)
    elif format == "s24le":
        # Three bytes become the upper three of four: the sign comes with them.
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        y = wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    else:
        y = np.frombuffer(data, "<i4").astype(np.float32) / np.float32(2**31)
    return y.reshape(-1, channels)


def _describe_wav(head: bytes, format: str, rate: int, channels: int) -> str:
    at = head.find(b"fmt ")
    if at < 0 or len(head) < at + 24:
        return f"stdin holds WAV, not raw PCM: name the file instead of -, or {_DECODE}"
    tag, there, sr, _, _, bits = struct.unpack("<HHIIHH", head[at + 8 : at + 24])
    kind = {3: "f", 1: "s"}.get(tag, "f" if bits == 32 and format == "f32le" else "s")
    named = f"{kind}{bits}le"
    if (named, sr, there) == (format, rate, channels):
        return ""  # its header becomes a click of a millisecond
    if named not in FORMATS:
        return f"stdin holds WAV, not raw PCM: name the file instead of -, or {_DECODE}"
    return (
        f"stdin holds WAV with other samples than {format}, {rate} Hz, {channels} channels: "
        f"use --format {named} --rate {sr} --channels {there}"
    )


def _frames_of(head: bytes) -> str:
    """Return 'MP3' or 'AAC' if two frames of it follow each other: integers may look like one."""
    if head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return ""
    if head[1] & 0xF6 == 0xF0:
        name, size = "AAC", (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    else:
        is_mpeg1 = head[1] & 0x18 == 0x18
        kbps = (_KBPS_1 if is_mpeg1 else _KBPS_2)[head[2] >> 4]
        sr = (44100, 48000, 32000, 0)[head[2] >> 2 & 3] * (2 if is_mpeg1 else 1) // 2
        if head[1] & 6 != 2 or not kbps or not sr:
            return ""
        name, size = "MP3", (144 if is_mpeg1 else 72) * 1000 * kbps // sr + (head[2] >> 1 & 1)
    return name if size > 6 and head[size : size + 2] == head[:2] else ""


def _is_float(y: Float32, full_scale: float = 1.0) -> bool:
    """Return whether numbers can be sound: finite, and of levels that sound has."""
    with np.errstate(invalid="ignore"):  # a signalling NaN in a comparison
        size = np.abs(y[y != 0])
        wild = ~(size < _HUGE * full_scale)  # NaN too
        # Integers of one sign only have no NaN, but next to none between -200 dB and full scale.
        sane = (size > 1e-10 * full_scale) & ~wild
    return bool(len(size) == 0 or (wild.mean() < _HUGE_SHARE and sane.mean() > 0.5))


def _likely_integers(data: bytes, format: str, channels: int) -> str:
    """Return the integer format in which samples are smoothest, if that tells it; else ''."""
    rough = {name: _roughness(data, name, channels) for name in FORMATS if name != "f32le"}
    best = min(rough, key=lambda name: rough[name][0])
    if rough[best][0] > _SMOOTH:
        return ""
    if format == "f32le":
        return best
    if format == "s32le" and _halves_are_samples(data, channels):
        return "s16le"
    roughness, level = rough[format]
    return best if roughness > _ROUGH and level > _LOUD else ""


def _halves_are_samples(data: bytes, channels: int) -> bool:
    """Return whether the lower halves of 32 bits, zero or white in music, are music themselves."""
    halves = decode_pcm(data[: len(data) - len(data) % (4 * channels)], "s16le", 2 * channels)
    lower, upper = (np.square(halves[:, i::2], dtype=np.float64).mean() for i in (0, 1))
    smooth = _roughness(data, "s16le", 2 * channels)[0] <= _SMOOTH
    return bool(smooth and lower > _FAINT * upper)


def _roughness(data: bytes, format: str, channels: int) -> tuple[float, float]:
    """Return RMS of the steps over RMS of the roughest channel, and the RMS of the loudest."""
    frame = FORMATS[format] * channels
    y = decode_pcm(data[: len(data) - len(data) % frame], format, channels).astype(np.float64)
    y = y - y.mean(0)
    level = np.sqrt(np.mean(np.square(y), 0))
    steps = np.sqrt(np.mean(np.square(np.diff(y, axis=0)), 0))
    rough = np.divide(steps, level, out=np.zeros_like(level), where=level > 0)
    return float(rough.max()), float(level.max())
