"""Audio files."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streammer.audio.block import BLOCK, Block, SourceEnd, SourceInfo
from streammer.clock import Clock
from streammer.errors import InputError
from streammer.sources.readers import Reader, open_reader

__all__ = ["FileSource"]

Float32 = npt.NDArray[np.float32]

_HEAD = 16
"""So many bytes tell what a file is."""


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
        self._status: os.stat_result | None = None
        self._reader: Reader | None = None
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
        self._status = _regular(self._path)
        reader = self._reader = open_reader(self._path, _head(self._path))
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
            return self._end(self._reader)
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

    def _end(self, reader: Reader) -> SourceEnd:
        decoded_s = self._position / self.info.sr
        trouble = reader.trouble(decoded_s)
        if self._became_shorter():
            trouble = f"it became shorter while it was read; {decoded_s:.1f} s of it were decoded"
        return SourceEnd("eof", f"{self._path}: {trouble}" if trouble else "")

    def _became_shorter(self) -> bool:
        was = self._status
        try:
            status = self._path.stat()
        except OSError:  # removed: what is open is read to its end all the same
            return False
        return was is not None and status.st_ino == was.st_ino and status.st_size < was.st_size


def _regular(path: Path) -> os.stat_result:
    """Return the status of a file that may be read, or say why it may not."""
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
    if not status.st_size:
        # Before it is read: files of the kernel say 0, and some (/proc/kmsg) hold up who reads.
        raise InputError(f"{path} is empty: expected an audio file")
    return status


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: permission denied") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


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
