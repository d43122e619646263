"""Audio files: libsndfile for what it reads, PyAV for all other containers."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streammer.clock import Clock
from streammer.errors import InputError
from streammer.sources.base import BLOCK, Block, SourceEnd, SourceInfo

__all__ = ["FileSource"]


class FileSource:
    """A file as a source: blocks as fast as they are read.

    Parameters
    ----------
    path : Path
    clock : Clock
        The first sample counts as captured when the file is opened.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._position = 0
        self._t_open = 0.0
        self._file: Any = None
        self._info: SourceInfo | None = None

    @property
    def info(self) -> SourceInfo:
        """Rate and channels of the file; known from `open` on."""
        if self._info is None:
            raise RuntimeError("info before open")
        return self._info

    def open(self) -> SourceInfo:
        """Open the file."""
        import soundfile

        try:
            self._file = soundfile.SoundFile(self._path)
        except (soundfile.LibsndfileError, OSError) as error:
            raise InputError(f"{self._path} cannot be read as audio: {error}") from error
        self._t_open = self._clock.unix()
        self._info = SourceInfo(
            self._file.samplerate, self._file.channels, self._path.name, False, "file"
        )
        return self._info

    def read(self, timeout_s: float) -> Block | SourceEnd | None:
        """Return the next block or the end."""
        samples: npt.NDArray[np.float32] = self._file.read(BLOCK, dtype="float32", always_2d=True)
        if not len(samples):
            return SourceEnd("eof")
        start = self._position
        self._position += len(samples)
        return Block(samples, start, self._t_open + self._position / self.info.sr)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
