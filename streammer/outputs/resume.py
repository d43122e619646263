"""The rows that an interrupted or killed run has left, by file: what `label --resume` goes on from.

They are in the newest of: the parts of dead processes, the tables kept beside a table that was
there already (``moods.partial.csv``), and the table itself. A part that was going on itself is
taken together with what it went on from.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streammer.errors import OutputError
from streammer.outputs.formats import read_rows
from streammer.outputs.parts import left_over_parts
from streammer.outputs.table import partial_name
from streammer.schema import Column

__all__ = ["earlier_rows"]

Row = dict[str, Any]


def earlier_rows(table: Path, columns: Sequence[Column]) -> dict[str, list[Row]]:
    """Return the rows of each file that was done, by its path.

    Of a table with several rows a file, the last file is left out: its rows may not all be there.
    A file that has changed since is left out too.

    Raises
    ------
    OutputError
        If a table that is there cannot be read, or has other columns.
    """
    target = Path(os.path.realpath(table))
    done: dict[str, list[Row]] = {}
    for source in _sources(target):
        for path, rows in _rows_by_path(source, target, columns).items():
            done.setdefault(path, rows)
        if ".resumed." not in source.name:
            break
    return done


def _sources(target: Path) -> list[Path]:
    """Return what may hold rows, in the order in which it counts."""
    partials = [path for k in range(1, 100) if (path := partial_name(target, k)).is_file()]
    tables = [*partials, *([target] if target.is_file() else [])]
    candidates = [*left_over_parts(target), *tables]
    return sorted(candidates, key=lambda path: path.stat().st_mtime, reverse=True)


def _rows_by_path(source: Path, target: Path, columns: Sequence[Column]) -> dict[str, list[Row]]:
    is_part = source.name.endswith(".part")
    try:
        rows = read_rows(target.suffix, source, columns)
        written_at = source.stat().st_mtime
    except (OSError, ImportError) as error:
        raise OutputError(
            f"{source} cannot be read to resume it ({error}): leave out --resume"
        ) from error
    if rows is None:
        if is_part:
            return {}
        raise OutputError(
            f"{source} has not the columns of this table: give --steps as it was given then, or "
            "leave out --resume"
        )
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row["path"]), []).append(row)
    if found and any(column.name == "seq" for column in columns):
        del found[str(rows[-1]["path"])]
    return {path: rows for path, rows in found.items() if not _changed_since(path, written_at)}


def _changed_since(path: str, moment: float) -> bool:
    try:
        return os.stat(path).st_mtime > moment
    except OSError:
        return True
