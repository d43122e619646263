"""How rows stand in a file: CSV, JSON lines, Parquet; written, and read again."""

import csv
import io
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import msgspec

from streammer.errors import UsageError
from streammer.schema import Column

__all__ = ["TABLE_SUFFIXES", "Format", "check_suffix", "from_texts", "open_format", "read_rows"]

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")

_NO_PYARROW = (
    "Parquet needs pyarrow, which is not installed: pip install 'streammer[table]', "
    "or use .csv or .jsonl"
)

Row = dict[str, Any]
Columns = Sequence[Column]


class Format(Protocol):
    """A file of rows that is being written."""

    survives: bool
    """Whether what was written whole can be read after a write that failed."""
    rows: int
    """Rows written whole."""

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        ...

    def close(self) -> None:
        """End the file after its last whole row."""
        ...


def check_suffix(path: Path) -> None:
    """Refuse a table that could not be written here.

    Raises
    ------
    UsageError
        If the suffix is not known, or is that of Parquet and pyarrow is not installed.
    """
    if path.suffix not in TABLE_SUFFIXES:
        raise UsageError(
            f"{path} ends in {path.suffix or 'no suffix'!r}: "
            f"one of {', '.join(TABLE_SUFFIXES)} is expected"
        )
    if path.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise UsageError(_NO_PYARROW)


def open_format(suffix: str, path: Path, columns: Columns) -> Format:
    """Begin a file in the format of a suffix.

    Raises
    ------
    UsageError
        If Parquet is asked for without pyarrow.
    OSError
        If the file cannot be written.
    """
    if suffix == ".csv":
        return _Csv(path, columns)
    if suffix == ".jsonl":
        return _JsonLines(path)
    return _Parquet(path, columns)


def read_rows(suffix: str, path: Path, columns: Columns) -> list[Row] | None:
    """Read the whole rows of a file that may end anywhere.

    Returns
    -------
    list of dict, or None
        None if the file is no table with these columns.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if suffix == ".parquet":
        return _read_parquet(path, columns)
    data = path.read_bytes()
    text = data[: data.rfind(b"\n") + 1].decode("utf-8", "replace")
    if suffix == ".csv":
        lines = csv.reader(io.StringIO(text, newline=""))
        if next(lines, None) != [column.name for column in columns]:
            return None
        rows = [from_texts(line, columns) for line in lines]
    else:
        rows = [_from_json(line, columns) for line in text.splitlines()]
        if rows and rows[0] is None:
            return None
    return [row for row in rows if row is not None]


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
    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path)
        names = [column.name for column in columns]
        self._writer = csv.DictWriter(_Encoded(self.append), names)
        try:
            self._writer.writeheader()
        except BaseException:
            self.close()
            raise

    def write(self, rows: Sequence[Row]) -> None:
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
    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self.append(msgspec.json.encode(row) + b"\n")
            self.rows += 1


class _Parquet:
    survives = False

    def __init__(self, path: Path, columns: Columns) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise UsageError(_NO_PYARROW) from error
        self.rows = 0
        types = {
            "number": pyarrow.float64(),
            "integer": pyarrow.int64(),
            "text": pyarrow.string(),
        }
        self._schema = pyarrow.schema(
            [pyarrow.field(c.name, types[c.kind], nullable=c.nullable) for c in columns]
        )
        self._table = pyarrow.Table
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema)

    def write(self, rows: Sequence[Row]) -> None:
        self._writer.write_table(self._table.from_pylist(list(rows), schema=self._schema))
        self.rows += len(rows)

    def close(self) -> None:
        self._writer.close()


def from_texts(texts: Sequence[str], columns: Columns) -> Row | None:
    """Return the row that stands in the cells of a line of CSV; None if they are no such row."""
    parse = {"number": float, "integer": int, "text": str}
    if len(texts) != len(columns):
        return None
    row: Row = {}
    for text, column in zip(texts, columns, strict=True):
        if not text and column.nullable:
            row[column.name] = None
            continue
        try:
            row[column.name] = parse[column.kind](text)
        except ValueError:
            return None
    return row


def _from_json(line: str, columns: Columns) -> Row | None:
    try:
        row = msgspec.json.decode(line)
    except msgspec.MsgspecError:
        return None
    if not isinstance(row, dict) or list(row) != [column.name for column in columns]:
        return None
    return row


def _read_parquet(path: Path, columns: Columns) -> list[Row] | None:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowInvalid:  # without its end
        return None
    if table.column_names != [column.name for column in columns]:
        return None
    rows: list[Row] = table.to_pylist()
    return rows
