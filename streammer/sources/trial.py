"""Decoding sound made here, by the ways that files and URLs take: what really decodes.

That a library names a codec does not say so: a version of it may refuse how it is called.
"""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import soundfile

from streammer.audio.block import Block, SourceEnd
from streammer.clock import SystemClock
from streammer.errors import InputError
from streammer.sources.av_decode import Decoder, open_container
from streammer.sources.file import FileSource

__all__ = ["FORMATS", "decode_own"]

Float32 = npt.NDArray[np.float32]

FORMATS = {"mp3": ("MP3", "MPEG_LAYER_III"), "ogg": ("OGG", "VORBIS"), "flac": ("FLAC", "PCM_16")}
"""Suffix -> format and subtype, as libsndfile calls them."""

SR, TONE_HZ, LENGTH_S = 44100, 1000.0, 1.0
_PADDING_S = 0.15  # MP3 adds silence at both ends


def decode_own(suffix: str) -> None:
    """Encode a tone and decode it as a file and as what a URL gives.

    Parameters
    ----------
    suffix : str
        One of `FORMATS`.

    Raises
    ------
    InputError
        If it cannot be made, cannot be decoded, or comes out as another sound.
    """
    data = _encoded(suffix)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"tone.{suffix}"
        path.write_bytes(data)
        _check(_by_file(path), "as a file")
    _check(_by_url(data), "as from a URL")


def _encoded(suffix: str) -> bytes:
    t = np.arange(round(SR * LENGTH_S)) / SR
    tone = (0.5 * np.sin(2 * np.pi * TONE_HZ * t)).astype(np.float32)
    container, subtype = FORMATS[suffix]
    file = BytesIO()
    try:
        soundfile.write(file, tone, SR, format=container, subtype=subtype)
    except (soundfile.LibsndfileError, ValueError) as error:
        raise InputError(
            f"libsndfile writes no {suffix}: {' '.join(str(error).split())}"
        ) from error
    return file.getvalue()


def _by_file(path: Path) -> Float32:
    source = FileSource(path, SystemClock())
    source.open()
    try:
        return _joined(_samples(source))
    finally:
        source.close()


def _samples(source: FileSource) -> Iterable[Float32]:
    while not isinstance(got := source.read(1.0), SourceEnd):
        if isinstance(got, Block):
            yield got.samples


def _by_url(data: bytes) -> Float32:
    with open_container(BytesIO(data)) as container:
        return _joined(Decoder(container, "own tone").blocks())


def _joined(blocks: Iterable[Float32]) -> Float32:
    return np.concatenate([np.zeros((0, 1), np.float32), *blocks])[:, 0]


def _check(y: Float32, way: str) -> None:
    """Refuse what is not `LENGTH_S` seconds of `TONE_HZ`."""
    length_s = y.size / SR
    if abs(length_s - LENGTH_S) > _PADDING_S:
        raise InputError(f"{way}: decoded to {length_s:.2f} s, expected {LENGTH_S:g} s")
    loudest_hz = float(np.argmax(np.abs(np.fft.rfft(y))[1:]) + 1) / length_s
    if abs(loudest_hz - TONE_HZ) > 5.0 or not 0.3 < float(np.abs(y).max()) < 0.8:
        raise InputError(f"{way}: decoded to another sound, expected {TONE_HZ:g} Hz at -6 dBFS")
