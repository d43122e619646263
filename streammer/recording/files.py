"""The files that a recording is written to: one after the other, each with a bound."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from streammer.errors import OutputError, UsageError
from streammer.estimate import MoodEstimate
from streammer.outputs.formats import Format, open_format
from streammer.recording.journals import Journals
from streammer.recording.names import Names, lock_journal
from streammer.schema import ESTIMATE_COLUMNS

__all__ = ["Bounds", "Files"]

_SYNC_S = 1.0
"""How often what was written is brought to the disk [s]: a power cut loses about as much."""

_MB = 1_000_000


@dataclass(frozen=True)
class Bounds:
    """How large a file grows, and how many are kept.

    Attributes
    ----------
    file_mb : float or None
        A file of more begins another [MB]; of Parquet, its journal counts, ten times as large.
    file_hours : float or None
        So does one that was begun longer ago [h].
    keep : int or None
        Of more files of the series than these, the oldest are removed.

    Raises
    ------
    UsageError
        If one of them is out of its range.
    """

    file_mb: float | None = None
    file_hours: float | None = None
    keep: int | None = None

    def __post_init__(self) -> None:
        if self.file_mb is not None and not 0.001 <= self.file_mb <= 1e6:
            raise UsageError(f"--file-mb is {self.file_mb:g}; expected 0.001 to 1000000")
        if self.file_hours is not None and not 0.0 < self.file_hours <= 1e5:
            raise UsageError(f"--file-hours is {self.file_hours:g}; expected over 0, to 100000")
        if self.keep is not None and self.keep < 1:
            raise UsageError(f"--keep is {self.keep}; expected 1 or more")
        if self.keep is not None and self.file_mb is None and self.file_hours is None:
            raise UsageError("--keep counts files: say when one is full, with --file-mb 100")


class Files:
    """Where estimates are written; the target of a `Writer`.

    Parameters
    ----------
    names : Names
    bounds : Bounds
    failed : callable
        Called once, with an `OutputError`, when nothing can be written any more.
    journals : Journals
        Is given each journal that has ended.

    Attributes
    ----------
    rows : int
        Estimates written.
    numbers : list of int
        Of the files, in their series.

    Raises
    ------
    OutputError
        If the first file cannot be made.
    """

    def __init__(
        self,
        names: Names,
        bounds: Bounds,
        failed: Callable[[OutputError], None],
        journals: Journals,
    ) -> None:
        self._names = names
        self._bounds = bounds
        self._failed = failed
        self._journals = journals
        self._over = False
        self._format: Format | None = None
        self._sync_at, self._unsynced = 0.0, False
        self.rows = 0
        self.numbers: list[int] = []
        try:
            self._begin()
        except OSError as error:
            self._over = True
            raise self._refusal(error) from error

    def ready(self) -> bool:
        """Bring what was written to the disk, once a second."""
        if self._format is not None and time.monotonic() >= self._sync_at and self._unsynced:
            self._sync_at = time.monotonic() + _SYNC_S
            self._unsynced = False
            with suppress(OSError):  # what cannot be written, the next line tells
                os.fsync(self._fd)
        return True

    def write(self, item: MoodEstimate, /) -> int:
        """Write an estimate, at once, and return how many were lost."""
        if self._over:
            return 1
        try:
            if self._format is None or self._full():
                self._end()
                self._begin()
            assert self._format is not None
            self._format.write([msgspec.structs.asdict(item)])
        except OSError as error:
            self._over = True
            with suppress(OSError):
                self._end()
            self._failed(self._refusal(error))
            return 1
        self._unsynced = True
        self.rows += 1
        return 0

    def close(self) -> None:
        """End the file that is written."""
        try:
            self._end()
        except OSError as error:
            if not self._over:
                self._failed(self._refusal(error))
        self._over = True

    def _begin(self) -> None:
        number = self._names.next_number()
        path = self._names.written(number)
        self._fd = lock_journal(path)
        try:
            self._format = open_format(path.suffix, path, ESTIMATE_COLUMNS)
        except BaseException:
            os.close(self._fd)
            raise
        self.numbers.append(number)
        self._begun_at = time.monotonic()
        self._sync_at = self._begun_at + _SYNC_S
        self._unsynced = False
        if self._bounds.keep is not None:
            self._names.prune(self._bounds.keep)

    def _full(self) -> bool:
        bounds = self._bounds
        large = bounds.file_mb is not None and os.fstat(self._fd).st_size >= bounds.file_mb * _MB
        hours = (time.monotonic() - self._begun_at) / 3600.0
        return large or (bounds.file_hours is not None and hours >= bounds.file_hours)

    def _end(self) -> None:
        """Close the file; one without a row is removed."""
        ended, self._format = self._format, None
        if ended is None:
            return
        path = self._names.written(self.numbers[-1])
        try:
            ended.close()
            if not ended.rows:
                path.unlink()
                self.numbers.pop()
        finally:
            os.close(self._fd)
        if ended.rows and self._names.journalled:
            self._journals.finish(self._names.target(self.numbers[-1]))

    def _refusal(self, error: OSError) -> OutputError:
        path = self._names.written(self.numbers[-1]) if self.numbers else self._names.path
        kept = f"; {self.rows} estimates are kept" if self.rows else ""
        return OutputError(
            f"{path} cannot be written ({error.strerror or error}): make room or choose another "
            f"place{kept}"
        )
