"""Audio files.

Which library reads what was measured (60 s of stereo, one thread, medians of 5):

==========  ===========  =======  ================================================================
format      libsndfile   PyAV     a hole of 20 kB in the middle of the file
==========  ===========  =======  ================================================================
wav          17 ms        29 ms   both play through it
flac         58 ms        54 ms   libsndfile stops there (33 % heard), PyAV goes on (99.7 %)
ogg vorbis   82 ms        60 ms   both go on
ogg opus    301 ms       185 ms   libsndfile goes on (100 %), PyAV leaves 4 % out
mp3         148 ms        68 ms   libsndfile stops there (33 %), PyAV goes on (98 %)
==========  ===========  =======  ================================================================

Decoded samples agree within 120 dB, but for the first second of fragments that were cut out of a
compressed stream. So: libsndfile for plain PCM (fastest) and Ogg (libopus is the reference, and
the laboratory's data are Opus); PyAV for FLAC, MP3, and every other container (m4a, aac, webm,
mkv, mp4). What one refuses, the other may try. libmpg123, which libsndfile uses, prints to
descriptor 2; FFmpeg is silent.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from streammer.audio.block import BLOCK, Block, SourceEnd, SourceInfo
from streammer.clock import Clock
from streammer.errors import InputError
from streammer.system.stderr import quiet

__all__ = ["FileSource"]

Float32 = npt.NDArray[np.float32]

_SNDFILE_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"caff", b"OggS")
"""First bytes of what libsndfile reads first: wav, w64, aiff, au, caf, Ogg."""

_SHORTFALL_S = 0.5
"""A file that ends this much before its own header's length is called cut short [s]."""

_XING_SEARCH = 4096


class FileSource:
    """A file as a source: blocks as fast as they are read.

    Parameters
    ----------
    path : Path
    clock : Clock
        The first sample counts as captured when the file is opened.

    Notes
    -----
    What can be decoded of a damaged file is used; what was left out stands in the end's detail.
    """

    reopened = 0
    detail = ""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._position = 0
        self._t_open = 0.0
        self._reader: _Reader | None = None
        self._blocks: Iterator[Float32] = iter(())
        self._info: SourceInfo | None = None
        self._closed = False

    @property
    def info(self) -> SourceInfo:
        """Rate and channels of the file; known from `open` on."""
        if self._info is None:
            raise RuntimeError("info before open")
        return self._info

    def open(self) -> SourceInfo:
        """Open the file and decode its beginning.

        Raises
        ------
        InputError
            If it is missing, no file, not readable, or holds no sound.
        """
        reader = self._reader = _open(self._path)
        self._blocks = _regroup(reader.blocks())
        self._position = 0
        self._closed = False
        self._t_open = self._clock.unix()
        self._info = SourceInfo(
            sr=reader.sr,
            channels=reader.channels,
            name=self._path.name,
            clocked=False,
            kind="file",
        )
        return self._info

    def read(self, timeout_s: float) -> Block | SourceEnd | None:
        """Return the next block or the end."""
        if self._closed or self._reader is None:
            return SourceEnd("closed")
        samples = next(self._blocks, None)
        if samples is None:
            heard_s = self._position / self.info.sr
            trouble = self._reader.trouble(heard_s)
            return SourceEnd("eof", f"{self._path}: {trouble}" if trouble else "")
        start = self._position
        self._position += len(samples)
        t_capture = self._t_open + self._position / self.info.sr
        return Block(samples, start, t_capture, t_arrival=self._clock.monotonic())

    def close(self) -> None:
        """Close the file."""
        self._closed = True
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


class _Reader(Protocol):
    sr: int
    channels: int

    def blocks(self) -> Iterator[Float32]:
        """Yield the sound [shape=(n, channels)]."""
        ...

    def trouble(self, heard_s: float) -> str:
        """Return what of the file could not be used, given what was; empty if all was."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def _open(path: Path) -> _Reader:
    head = _head(path)
    kinds: list[type[_SndfileReader] | type[_AvReader]] = [_SndfileReader, _AvReader]
    if not head.startswith(_SNDFILE_MAGIC):
        kinds.reverse()
    refusals = []
    for kind in kinds:
        try:
            return kind(path)
        except InputError as error:
            refusals.append(error)
    raise refusals[0]


def _head(path: Path) -> bytes:
    """Return the first bytes of a file, or say why it is none."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: check the path") from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: permission denied") from error
    except (OSError, ValueError) as error:  # a name too long, a NUL in it, a broken disk
        raise InputError(f"{str(path)!r} cannot be read: {error}") from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path} is a folder: name a file, or use streammer label {path}")
    if stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        raise InputError(f"{path} is a pipe: read it as raw PCM, streammer listen - < {path}")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is no regular file: name an audio file")
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: permission denied") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if not head:
        raise InputError(f"{path} is empty: expected an audio file")
    return head


def _regroup(parts: Iterator[Float32]) -> Iterator[Float32]:
    """Join the frames of a decoder, which are short, to blocks of at least `BLOCK`."""
    held: list[Float32] = []
    n = 0
    for part in parts:
        held.append(part)
        n += len(part)
        if n >= BLOCK:
            yield held[0] if len(held) == 1 else np.concatenate(held)
            held, n = [], 0
    if n:
        yield np.concatenate(held)


class _SndfileReader:
    def __init__(self, path: Path) -> None:
        import soundfile

        self._error: type[Exception] = soundfile.SoundFileError
        self._stopped = ""
        try:
            with quiet():
                self._file: Any = soundfile.SoundFile(os.fspath(path))
        except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
            raise InputError(
                f"{path} is no audio that can be decoded: expected wav, flac, ogg, opus, mp3, "
                "m4a or another common format"
            ) from error
        self.sr: int = self._file.samplerate
        self.channels: int = self._file.channels
        if not self._file.frames:
            self._file.close()
            raise InputError(f"{path} holds no sound: its header stands alone")

    def blocks(self) -> Iterator[Float32]:
        while True:
            try:
                with quiet():
                    samples: Float32 = self._file.read(BLOCK, dtype="float32", always_2d=True)
            except self._error as error:
                self._stopped = " ".join(str(error).split()) or "damaged"
                return
            if not len(samples):
                return
            yield samples

    def trouble(self, heard_s: float) -> str:
        if self._stopped:
            return f"decoding stopped at {heard_s:.1f} s, the rest is damaged"
        # libsndfile corrects the length that a header claims by what is there, and notes it.
        claim = re.search(r"data\s*:\s*(\d+) \(should be (\d+)\)", self._file.extra_info)
        if claim and int(claim[1]) < 0xFFFF_0000 and int(claim[2]) > 0:
            claimed_s = heard_s * int(claim[1]) / int(claim[2])
            if claimed_s > heard_s + _SHORTFALL_S:
                return _cut_short(heard_s, claimed_s)
        return ""

    def close(self) -> None:
        self._file.close()


class _AvReader:
    def __init__(self, path: Path) -> None:
        import av

        from streammer.sources.av_decode import Decoder, open_container

        try:
            # A file object rather than a name: FFmpeg takes colons and percent signs in names for
            # protocols and patterns, and a playlist must not lead it elsewhere.
            self._raw: IO[bytes] = path.open("rb")
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
        self._container: Any = None
        try:
            self._container = open_container(self._raw)
            self._decoder = Decoder(self._container, str(path))
        except InputError:
            self.close()
            raise
        except (av.FFmpegError, OSError, ValueError) as error:
            self.close()
            raise InputError(
                f"{path} is no audio that can be decoded: expected wav, flac, ogg, opus, mp3, "
                "m4a or another common format"
            ) from error
        self.sr = self._decoder.sr
        self.channels = self._decoder.channels
        self._claimed_s = None
        name = self._container.format.name
        if name.startswith(("flac", "mov")) or (name == "mp3" and _counts_frames(path)):
            # Elsewhere FFmpeg guesses from the bit rate, or names the length of the pictures.
            self._claimed_s = self._decoder.duration_s

    def blocks(self) -> Iterator[Float32]:
        return self._decoder.blocks()

    def trouble(self, heard_s: float) -> str:
        if self._decoder.stopped:
            return f"decoding stopped at {heard_s:.1f} s ({self._decoder.stopped})"
        if self._claimed_s is not None and heard_s < self._claimed_s - _SHORTFALL_S:
            return _cut_short(heard_s, self._claimed_s)
        if self._decoder.damaged:
            return f"damaged parts left out: {self._decoder.damaged}"
        return ""

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._raw.close()


def _cut_short(heard_s: float, claimed_s: float) -> str:
    return f"only {heard_s:.1f} s of the {claimed_s:.1f} s that its header names can be decoded"


def _counts_frames(path: Path) -> bool:
    """Return whether an MP3 names its own length, in a Xing, Info or VBRI header."""
    with path.open("rb") as file:
        head = file.read(10)
        start = 0
        if head[:3] == b"ID3" and len(head) == 10:
            start = 10 + sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
        file.seek(start)
        head = file.read(_XING_SEARCH)
    return any(name in head for name in (b"Xing", b"Info", b"VBRI"))
