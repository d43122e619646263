"""Read what was recorded: estimates in the order in which they came, and the marks beside them."""

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from streammer.bus.wire import WireError, encode
from streammer.errors import InputError
from streammer.estimate import MoodEstimate
from streammer.outputs.formats import check_suffix, from_texts
from streammer.recording.names import journal_of
from streammer.schema import ESTIMATE_COLUMNS
from streammer.web.messages import Mark

__all__ = ["marks_beside", "read_estimates", "read_marks"]

VERSION = 1
"""Of an estimate (`v`), and so of a recording of them."""

_BATCH = 4096
_NAMES = [column.name for column in ESTIMATE_COLUMNS]
_EXPECTED = "a recording, a log of listen --jsonl or a table of label --steps is expected"

Say = Callable[[str], object]


class _Head(msgspec.Struct):
    v: int | None = None
    kind: str = ""


_heads = msgspec.json.Decoder(_Head)
_moods = msgspec.json.Decoder(MoodEstimate)
_marks = msgspec.json.Decoder(Mark)


def read_estimates(path: Path, say: Say) -> Iterator[MoodEstimate]:
    """Read a recording, a log of `listen --jsonl` or a table of `label --steps`.

    Parameters
    ----------
    path : Path
        .jsonl, .csv or .parquet.
    say : callable
        Is given a line if the file was cut off within its last one, which is left out.

    Yields
    ------
    MoodEstimate

    Raises
    ------
    UsageError
        If the suffix is another, or Parquet cannot be read here.
    InputError
        If it cannot be read, holds something else, or is of another version.
    """
    check_suffix(path)
    read = {".jsonl": _read_lines, ".csv": _read_csv, ".parquet": _read_parquet}[path.suffix]
    try:
        for mood in read(path, say):
            if mood.state != "ended":
                yield mood
    except OSError as error:
        if isinstance(error, FileNotFoundError) and path.suffix == ".parquet":
            journal = journal_of(path)
            if journal.exists():
                raise InputError(
                    f"{path} was not finished: what was recorded is in {journal}, name that; "
                    f"streammer record --out {path} finishes it when it starts"
                ) from error
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from error


def marks_beside(path: Path) -> Path:
    """Return where marks of a series are kept: ``set.marks.jsonl`` beside ``set.2.parquet``."""
    series = re.sub(r"(\.[1-9]\d{0,8})?(\.journal)?$", "", path.stem)
    return path.with_name(f"{series}.marks.jsonl")


def read_marks(path: Path) -> list[Mark]:
    """Return the marks of a recording: of its own lines, and of those beside it (`marks_beside`).

    Lines that are no marks, and a file that is not there, are passed over.
    """
    found: list[Mark] = []
    for file in (path, marks_beside(path)):
        if file.suffix == ".jsonl" and file.is_file():
            for line in file.read_bytes().splitlines():
                if b'"mark"' in line[:64]:
                    try:
                        found.append(_marks.decode(line))
                    except (msgspec.MsgspecError, ValueError):
                        continue
    return sorted(found, key=lambda mark: mark.t)


def _read_lines(path: Path, say: Say) -> Iterator[MoodEstimate]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            where = f"{path}, line {number},"
            if line.isspace():
                continue
            try:
                head = _heads.decode(line)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                if not line.endswith(b"\n") and number > 1:
                    _say_cut(path, number - 1, say)
                    return
                raise InputError(f"{where} is no estimate ({_short(error)}): {_EXPECTED}") from None
            if head.kind == "mark":
                continue
            _check_version(head.v, where)
            try:
                mood = _moods.decode(line)
            except (msgspec.MsgspecError, ValueError) as error:
                raise InputError(f"{where} is no estimate ({_short(error)}): {_EXPECTED}") from None
            yield _checked(mood, where)


def _read_csv(path: Path, say: Say) -> Iterator[MoodEstimate]:
    cut = False

    def whole(file: Any) -> Iterator[str]:
        nonlocal cut
        for line in file:
            cut = not line.endswith("\n")
            if not cut:
                yield line

    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.reader(whole(file))
        header = next(rows, [])
        if missing := [name for name in _NAMES if name not in header]:
            raise InputError(f"{path} has no column {missing[0]}: {_EXPECTED}")
        places = [header.index(name) for name in _NAMES]
        number = 0
        for number, cells in enumerate(rows, 1):
            where = f"{path}, row {number},"
            row = None
            if len(cells) == len(header):
                if cells[places[0]] != str(VERSION) and cells[places[0]].isdecimal():
                    _check_version(int(cells[places[0]]), where)
                row = from_texts([cells[place] for place in places], ESTIMATE_COLUMNS)
            if row is None:
                raise InputError(f"{where} is no estimate: {_EXPECTED}")
            yield _from_row(row, where)
        if cut:
            _say_cut(path, number, say)


def _read_parquet(path: Path, _say: Say) -> Iterator[MoodEstimate]:
    import pyarrow
    import pyarrow.parquet

    with path.open("rb") as opened:
        try:
            file = pyarrow.parquet.ParquetFile(opened)
        except pyarrow.ArrowInvalid as error:
            raise InputError(
                f"{path} is no Parquet, or was cut off ({_short(error)}): without its end nothing "
                "of it can be read"
            ) from error
        if missing := [name for name in _NAMES if name not in file.schema_arrow.names]:
            raise InputError(f"{path} has no column {missing[0]}: {_EXPECTED}")
        number = 0
        try:
            for batch in file.iter_batches(_BATCH, columns=_NAMES):
                for row in batch.to_pylist():
                    number += 1
                    where = f"{path}, row {number},"
                    _check_version(row["v"], where)
                    yield _from_row(row, where)
        except (pyarrow.ArrowException, OSError) as error:
            raise InputError(f"{path} is damaged after row {number} ({_short(error)})") from error


def _from_row(row: dict[str, Any], where: str) -> MoodEstimate:
    try:
        mood = msgspec.convert(row, MoodEstimate)
    except msgspec.ValidationError as error:
        raise InputError(f"{where} is no estimate ({_short(error)}): {_EXPECTED}") from None
    return _checked(mood, where)


def _checked(mood: MoodEstimate, where: str) -> MoodEstimate:
    """Return an estimate that keeps the rules of the wire."""
    try:
        encode(mood)
    except WireError as error:
        raise InputError(f"{where} breaks the format: {error}") from None
    return mood


def _check_version(version: int | None, where: str) -> None:
    if version is None:
        raise InputError(f"{where} is no estimate: {_EXPECTED}")
    if version != VERSION:
        raise InputError(
            f"{where} is of version {version}, and this streammer reads version {VERSION}: "
            "use the streammer that recorded it, or a newer one"
        )


def _say_cut(path: Path, kept: int, say: Say) -> None:
    say(f"{path} was cut off within its last line: the {kept} lines before it are used")


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:120]
