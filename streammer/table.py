"""Tables on disk: CSV, JSON lines or Parquet, written beside and renamed when whole."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import msgspec

from streammer.errors import OutputError, UsageError

__all__ = ["TABLE_SUFFIXES", "TableWriter"]

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")


class _Format(Protocol):
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
        If the file cannot be written. What stood there before is untouched then.

    Notes
    -----
    An interruption (KeyboardInterrupt) keeps the rows written so far; any other exception leaves
    what stood there before.
    """

    def __init__(self, path: Path, columns: dict[str, type]) -> None:
        if path.suffix not in TABLE_SUFFIXES:
            raise UsageError(
                f"{path} ends in {path.suffix or 'no suffix'!r}: "
                f"one of {', '.join(TABLE_SUFFIXES)} is expected"
            )
        self.path = path
        self._columns = columns
        self._beside = path.with_name(f".{path.name}.{os.getpid()}.part")

    def __enter__(self) -> "TableWriter":
        try:
            self._format = _open_format(self.path.suffix, self._beside, self._columns)
        except OSError as error:
            raise self._refused(error) from error
        return self

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows; each has all columns."""
        try:
            self._format.write(rows)
        except OSError as error:
            raise self._refused(error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._format.close()
            if kind is None or issubclass(kind, KeyboardInterrupt):
                os.replace(self._beside, self.path)
        except OSError as failure:
            raise self._refused(failure) from failure
        finally:
            self._beside.unlink(missing_ok=True)

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.path} cannot be written ({error.strerror or error}): "
            "make room or choose another place with --out"
        )


def _open_format(suffix: str, path: Path, columns: dict[str, type]) -> _Format:
    if suffix == ".csv":
        return _Csv(path, columns)
    if suffix == ".jsonl":
        return _JsonLines(path)
    return _Parquet(path, columns)


class _Csv:
    def __init__(self, path: Path, columns: dict[str, type]) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, list(columns))
        self._writer.writeheader()

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        self._writer.writerows(rows)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class _JsonLines:
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        self._file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class _Parquet:
    def __init__(self, path: Path, columns: dict[str, type]) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise UsageError(
                "Parquet needs pyarrow, which is not installed: "
                "pip install 'streammer[table]', or write .csv or .jsonl"
            ) from error
        types = {float: pyarrow.float64(), int: pyarrow.int64(), str: pyarrow.string()}
        self._schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
        self._table = pyarrow.Table
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema)

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        self._writer.write_table(self._table.from_pylist(list(rows), schema=self._schema))

    def close(self) -> None:
        self._writer.close()
