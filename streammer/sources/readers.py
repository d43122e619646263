"""The two libraries that read files: libsndfile and PyAV.

Which library reads what was measured (60 s of stereo, one thread, medians of 5):

==========  ===========  =======  ================================================================
format      libsndfile   PyAV     a hole of 20 kB in the middle of the file
==========  ===========  =======  ================================================================
wav          17 ms        29 ms   both play through it
flac         58 ms        54 ms   libsndfile stops there (33 % decoded), PyAV goes on (99.7 %)
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
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from streammer.audio.block import BLOCK
from streammer.errors import InputError
from streammer.sources import mp3, ogg
from streammer.system.stderr import quiet

__all__ = ["Reader", "open_reader"]

Float32 = npt.NDArray[np.float32]

_SNDFILE_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"caff", b"OggS")
"""First bytes of what libsndfile reads first: wav, w64, aiff, au, caf, Ogg."""

_PLAYLIST_MAGIC = (b"#EXTM3U", b"ffconcat", b"v=0", b"[playlist]", b"[Reference]")
"""First bytes of texts that name other places: M3U, a script of FFmpeg, SDP, PLS, ASX."""

_SHORTFALL_S = 0.5
"""A file that ends this much before its own header's length is called cut short [s]."""

_CLAIMS = (
    # A header that names more bytes than there are: wav, aiff, au, w64.
    re.compile(r"\b(?:data|SSND|Data Size|riff)\s*:\s*(?P<named>\d+) \(should be (?P<there>\d+)\)"),
    # rf64
    re.compile(
        r"frame count (?P<there>\d+) does not match value from 'ds64' chunk of (?P<named>\d+)"
    ),
)
"""How libsndfile notes that it corrected the length that a header claims by what is there."""


class Reader(Protocol):
    """An open file, decoded from its beginning to its end.

    Attributes
    ----------
    sr, channels : int
        Of the first sound in it; what changes later is converted back.
    """

    sr: int
    channels: int

    def blocks(self) -> Iterator[Float32]:
        """Yield the sound [shape=(n, channels)]."""
        ...

    def trouble(self, decoded_s: float) -> str:
        """Return what of the file could not be used, given what was; empty if all was."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def open_reader(path: Path, head: bytes) -> Reader:
    """Open a file with the library that suits it, or else with the other.

    Parameters
    ----------
    path : Path
    head : bytes
        The first bytes of the file.

    Raises
    ------
    InputError
        If neither can decode it; a playlist is called one.
    """
    kinds: list[type[_SndfileReader] | type[_AvReader]] = [_SndfileReader, _AvReader]
    if not head.startswith(_SNDFILE_MAGIC):
        kinds.reverse()
    refusals = []
    for kind in kinds:
        try:
            return kind(path)
        except InputError as error:
            refusals.append(error)
    if head.removeprefix(b"\xef\xbb\xbf").startswith(_PLAYLIST_MAGIC):
        raise InputError(
            f"{path} is a playlist, not sound: name a file or a URL that stands in it"
        ) from refusals[0]
    raise refusals[0]


class _SndfileReader:
    """What libsndfile reads; the links of an Ogg chain one after the other."""

    def __init__(self, path: Path) -> None:
        import soundfile

        self._error: type[Exception] = soundfile.SoundFileError
        self._stopped = ""
        self._unread_links = 0
        self._raw: IO[bytes] | None = None
        try:
            self._links = self._find_links(path)
            first = self._links[0] if len(self._links) > 1 else None
            self._file: Any = self._open_link(first) if first else self._open(os.fspath(path))
        except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
            self._close_raw()
            raise _no_audio(path) from error
        self.sr: int = self._file.samplerate
        self.channels: int = self._file.channels
        self._named_s = self._file.frames / self.sr
        if not self._file.frames:
            self.close()
            raise InputError(f"{path} holds no sound: its header stands alone")

    def blocks(self) -> Iterator[Float32]:
        yield from self._samples()
        for link in self._links[1:]:
            self._file.close()
            try:
                self._file = self._open_link(link)
            except (self._error, OSError):
                self._unread_links += 1
                continue
            self._named_s += self._file.frames / self._file.samplerate
            if (self._file.samplerate, self._file.channels) == (self.sr, self.channels):
                yield from self._samples()
            else:
                yield from self._converted()

    def trouble(self, decoded_s: float) -> str:
        if self._stopped:
            return f"decoding stopped at {decoded_s:.1f} s, the rest is damaged"
        if self._unread_links:
            return f"{self._unread_links} of its {len(self._links)} streams cannot be decoded"
        for claim in _CLAIMS:
            found = claim.search(self._file.extra_info)
            # Encoders that write to a pipe put the greatest number where the length belongs.
            if found and int(found["named"]) < 0xFFFF_0000 and int(found["there"]) > 0:
                named_s = decoded_s * int(found["named"]) / int(found["there"])
                if named_s > decoded_s + _SHORTFALL_S:
                    return _cut_short(decoded_s, named_s)
        if decoded_s < self._named_s - _SHORTFALL_S:
            return _cut_short(decoded_s, self._named_s)
        if self._links and not self._links[-1].ends:
            return (
                f"it was cut off at {decoded_s:.1f} s: the last page of its Ogg stream is missing"
            )
        gaps = sum(link.gaps for link in self._links)
        return f"parts are missing in {gaps} places" if gaps else ""

    def close(self) -> None:
        self._file.close()
        self._close_raw()

    def _find_links(self, path: Path) -> list[ogg.Link]:
        raw = self._raw = path.open("rb", buffering=0)
        return ogg.links(raw) if raw.read(4) == b"OggS" else []

    def _open_link(self, link: ogg.Link) -> Any:
        assert self._raw is not None
        return self._open(ogg.Window(self._raw, link.start, link.stop))

    def _open(self, file: Any) -> Any:
        import soundfile

        with quiet():
            return soundfile.SoundFile(file)

    def _samples(self) -> Iterator[Float32]:
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

    def _converted(self) -> Iterator[Float32]:
        from streammer.sources.av_decode import Converter

        converter = Converter(self.sr, self.channels)
        for samples in self._samples():
            yield from converter.convert_samples(samples, self._file.samplerate)
        yield from converter.flush()

    def _close_raw(self) -> None:
        if self._raw is not None:
            self._raw.close()


class _AvReader:
    """What PyAV reads."""

    def __init__(self, path: Path) -> None:
        import av

        from streammer.sources.av_decode import Decoder, open_container

        try:
            # A file object rather than a name: FFmpeg takes colons and percent signs in names for
            # protocols and patterns.
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
            raise _no_audio(path) from error
        self.sr = self._decoder.sr
        self.channels = self._decoder.channels
        self._named_s = self._length_named(path)

    def blocks(self) -> Iterator[Float32]:
        return self._decoder.blocks()

    def trouble(self, decoded_s: float) -> str:
        if self._decoder.stopped:
            return f"decoding stopped at {decoded_s:.1f} s ({self._decoder.stopped})"
        if self._named_s is not None and abs(decoded_s - self._named_s) <= _SHORTFALL_S:
            return ""
        if self._named_s is not None and decoded_s < self._named_s:
            return _cut_short(decoded_s, self._named_s)
        if self._decoder.damaged:
            return f"damaged parts left out: {self._decoder.damaged}"
        return ""

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._raw.close()

    def _length_named(self, path: Path) -> float | None:
        """Return the length that the file itself names [s]; FFmpeg's estimates are not asked."""
        name = self._container.format.name
        if name == "mp3":
            with path.open("rb") as file:
                return mp3.named_length_s(file, self.sr)
        # Elsewhere FFmpeg estimates it from the bit rate, or names the length of the pictures.
        return self._decoder.duration_s if name.startswith(("flac", "mov")) else None


def _no_audio(path: Path) -> InputError:
    return InputError(
        f"{path} is no audio that can be decoded: expected wav, flac, ogg, opus, mp3, "
        "m4a or another common format"
    )


def _cut_short(decoded_s: float, named_s: float) -> str:
    return f"only {decoded_s:.1f} s of the {named_s:.1f} s that its header names can be decoded"
