"""Tables on disk: CSV, JSON lines or Parquet, written beside and renamed when whole."""

import csv
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import msgspec

from streammer.errors import OutputError, UsageError
from streammer.system.signals import interruptions_held

__all__ = ["TABLE_SUFFIXES", "TableWriter"]

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")


class _Format(Protocol):
    survives: bool
    """Whether what was written whole can be read after a write that failed."""
    rows: int
    """Rows written whole."""

    def write(self, rows: Sequence[dict[str, Any]]) -> None: ...
    def close(self) -> None: ...


class TableWriter:
    """Rows into a file that appears, whole, when the block ends.

    Parameters
    ----------
    path : Path
        Its suffix chooses the format.
    columns : mapping of str to type
        Names in order, each with float, int or str; any value may be None.

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
    that a part never takes the place of a whole. Parquet cannot be read without its end, for
    which a full disk has no room: it keeps rows on interruption only. Any other exception keeps
    nothing, and leaves what stood there before.
    """

    def __init__(self, path: Path, columns: dict[str, type]) -> None:
        if path.suffix not in TABLE_SUFFIXES:
            raise UsageError(
                f"{path} ends in {path.suffix or 'no suffix'!r}: "
                f"one of {', '.join(TABLE_SUFFIXES)} is expected"
            )
        self.path = path
        self.kept: Path | None = None
        self._columns = columns
        self._beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._failure: OSError | None = None

    def __enter__(self) -> "TableWriter":
        try:
            self._format = _open_format(self.path.suffix, self._beside, self._columns)
        except OSError as error:
            with suppress(OSError):
                self._beside.unlink(missing_ok=True)
            raise self._refused(error) from error
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
                    self._keep(self.path)
                elif interrupted and self.rows:
                    self._keep(self._free_name())
            except OSError as failure:
                self._failure = self._failure or failure
            finally:
                self._beside.unlink(missing_ok=True)
        if self._failure is not None:
            raise self._refused(self._failure) from self._failure

    def _keep(self, path: Path) -> None:
        os.replace(self._beside, path)
        self.kept = path

    def _free_name(self) -> Path:
        names = (self.path, *(_partial(self.path, k) for k in range(1, 100)))
        return next((name for name in names if not os.path.lexists(name)), names[-1])

    def _refused(self, error: OSError) -> OutputError:
        kept = f"; {self.rows} rows are kept in {self.kept}" if self.kept else ""
        return OutputError(
            f"{self.path} cannot be written ({error.strerror or error}): "
            f"make room or choose another place with --out{kept}"
        )


def _partial(path: Path, k: int) -> Path:
    return path.with_name(f"{path.stem}.partial{k if k > 1 else ''}{path.suffix}")


def _open_format(suffix: str, path: Path, columns: dict[str, type]) -> _Format:
    if suffix == ".csv":
        return _Csv(path, columns)
    if suffix == ".jsonl":
        return _JsonLines(path)
    return _Parquet(path, columns)


class _Lines:
    """A file of lines, written without a buffer, that ends after the last whole one."""

    survives = True

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._whole = 0
        self.rows = 0

    def append(self, line: bytes) -> None:
        left = memoryview(line)
        while left:
            left = left[self._file.write(left) :]
        self._whole += len(line)

    def close(self) -> None:
        try:
            self._file.truncate(self._whole)
        finally:
            self._file.close()


class _Csv(_Lines):
    def __init__(self, path: Path, columns: dict[str, type]) -> None:
        super().__init__(path)
        self._writer = csv.DictWriter(_Encoded(self.append), list(columns))
        try:
            self._writer.writeheader()
        except BaseException:
            self.close()
            raise

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            self._writer.writerow(row)
            self.rows += 1


class _Encoded:
    """What `csv` writes to: a line a call."""

    def __init__(self, append: Callable[[bytes], None]) -> None:
        self._append = append

    def write(self, line: str) -> None:
        self._append(line.encode())


class _JsonLines(_Lines):
    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            self.append(msgspec.json.encode(row) + b"\n")
            self.rows += 1


class _Parquet:
    survives = False

    def __init__(self, path: Path, columns: dict[str, type]) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise UsageError(
                "Parquet needs pyarrow, which is not installed: "
                "pip install 'streammer[table]', or write .csv or .jsonl"
            ) from error
        self.rows = 0
        types = {float: pyarrow.float64(), int: pyarrow.int64(), str: pyarrow.string()}
        self._schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
        self._table = pyarrow.Table
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema)

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        self._writer.write_table(self._table.from_pylist(list(rows), schema=self._schema))
        self.rows += len(rows)

    def close(self) -> None:
        self._writer.close()
