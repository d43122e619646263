"""Tables on disk: CSV, JSON lines or Parquet, written beside and renamed when whole."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from streammer.errors import OutputError
from streammer.outputs.formats import check_suffix, open_format
from streammer.outputs.parts import Part, remove_left_over
from streammer.schema import Column
from streammer.system.signals import interruptions_held

__all__ = ["TableWriter", "partial_name"]


class TableWriter:
    """Rows into a file that appears, whole, when the block ends.

    Parameters
    ----------
    path : Path
        Its suffix chooses the format. Where it is a link, the file that it leads to is written.
    columns : sequence of Column
    resumed : bool
        Whether the rows of the table that is there are among those that will be written.

    Raises
    ------
    UsageError
        If the suffix is not known, or Parquet is asked for without pyarrow.
    OutputError
        If the file cannot be written. What stood there before is untouched then; what was written
        is kept, and the message says where.

    Attributes
    ----------
    kept : Path or None
        Once the block has ended: where its rows are.

    Notes
    -----
    An interruption (KeyboardInterrupt) or a full disk keeps the rows that were written: under
    the name of the table if there is none yet, otherwise beside it, as ``name.partial.csv``, so
    that a part never takes the place of a whole. An interruption of a resumed table takes the place
    of that table, all of whose rows it has. Parquet cannot be read without its end, for
    which a full disk has no room: it keeps rows on interruption only. Any other exception keeps
    nothing, and leaves what stood there before.

    A file that takes the place of another has its permissions.
    """

    def __init__(self, path: Path, columns: Sequence[Column], *, resumed: bool = False) -> None:
        check_suffix(path)
        self.path = path
        self.kept: Path | None = None
        self._target = Path(os.path.realpath(path)) if path.is_symlink() else path
        self._columns = columns
        self._resumed = resumed
        self._failure: OSError | None = None

    def __enter__(self) -> "TableWriter":
        try:
            _check_replaceable(self._target)
            self._part = Part(self._target, resumed=self._resumed)
        except OSError as error:
            raise self._refused(error) from error
        try:
            self._format = open_format(self.path.suffix, self._part.path, self._columns)
        except BaseException as error:
            self._part.close()
            if isinstance(error, OSError):
                raise self._refused(error) from error
            raise
        return self

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows; each has all columns."""
        try:
            self._format.write(rows)
        except OSError as error:
            self._failure = error
            raise self._refused(error) from error

    @property
    def rows(self) -> int:
        """Rows written so far."""
        return self._format.rows

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        with interruptions_held():
            try:
                self._format.close()
                if self._failure is not None:
                    if self.rows and self._format.survives:
                        self._keep(self._free_name())
                elif kind is None:
                    self._keep(self._target)
                    remove_left_over(self._target)
                elif interrupted and self.rows:
                    self._keep(self._target if self._resumed else self._free_name())
            except OSError as failure:
                self._failure = self._failure or failure
            finally:
                self._part.close()
        if self._failure is not None:
            raise self._refused(self._failure) from self._failure

    def _keep(self, path: Path) -> None:
        self._part.become(path)
        self.kept = self.path if path == self._target else path

    def _free_name(self) -> Path:
        names = (self._target, *(partial_name(self._target, k) for k in range(1, 100)))
        return next((name for name in names if not os.path.lexists(name)), names[-1])

    def _refused(self, error: OSError) -> OutputError:
        kept = f"; {self.rows} rows are kept in {self.kept}" if self.kept else ""
        return OutputError(
            f"{self.path} cannot be written ({error.strerror or error}): "
            f"make room or choose another place with --out{kept}"
        )


def partial_name(path: Path, k: int) -> Path:
    """Return the name under which the part number `k` of an interrupted table is kept, from 1."""
    return path.with_name(f"{path.stem}.partial{k if k > 1 else ''}{path.suffix}")


def _check_replaceable(path: Path) -> None:
    """Refuse before the work what could not be replaced after it."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise OSError(f"it is {what}, a file is expected")
