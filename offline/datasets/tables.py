"""Reading annotation tables: stripped names and cells, checked columns, times from names."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from offline.datasets.song import Curve, Findings
from offline.files import write_text
from streammer.errors import InputError

__all__ = ["first_line", "join_curves", "number", "read_rows", "read_wide", "write_rows"]

_TIME = re.compile(r"sample_(\d+)ms$")
csv.field_size_limit(1 << 26)  # a cell may hold a lyric of 100,000 words


def first_line(path: Path) -> str:
    """First line of a table, empty when there is no such file."""
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.readline()


def read_rows(
    path: Path,
    needed: Sequence[str] = (),
    *,
    may_be_empty: bool = False,
    header: str = "",
) -> list[dict[str, str]]:
    """Read a table as dictionaries with stripped names and cells.

    Parameters
    ----------
    path : Path
    needed : sequence of str
        Columns that must be there.
    may_be_empty : bool
        Accept a table without rows.
    header : str
        Pass over the lines before the one that has this name.

    Raises
    ------
    InputError
        The file is missing, unreadable, empty, or lacks a column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); "
            "expected a table of annotations; check the folder"
        ) from error
    # Not `splitlines`: a quoted cell may hold the lines of a lyric.
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        table = [[cell.strip() for cell in cells] for cells in lines]
    except csv.Error as error:
        raise InputError(
            f"{path}: line {lines.line_num} is no row of a table ({error}); "
            "restore the published file"
        ) from error
    at = next((k for k, cells in enumerate(table) if header in cells), 0) if header else 0
    names = table[at] if table else []
    missing = [name for name in needed if name not in names]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(map(repr, missing))} among "
            f"{', '.join(names[:6]) or 'none'}…; restore the published file"
        )
    rows = []
    for cells in table[at + 1 :]:
        if any(cells):
            rows.append({n: c for n, c in zip(names, cells, strict=False) if n})
    if not rows and not may_be_empty:
        raise InputError(f"{path}: holds no rows; restore the published file")
    return rows


def write_rows(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], blank: str = ""
) -> None:
    """Write a table whole or not at all; `blank` stands before every name but the first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([header[0], *(blank + name for name in header[1:])])
    writer.writerows(rows)
    write_text(path, text.getvalue())


def number(text: str | None, path: Path, what: str) -> float:
    """Cell -> float, empty or 'nan' -> NaN; anything else is refused by name."""
    if text is None or text == "" or text.lower() == "nan":
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{path}: {what} is {text!r}, expected a number") from None


def read_wide(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read a table of one row a song and one column an instant (``sample_15000ms``).

    The time comes from the column's name and the song from its id, never from positions.

    Returns
    -------
    dict
        Song id -> (milliseconds int64 [n], values float64 [n] with NaN where nothing stands).
    """
    rows = read_rows(path, ["song_id"])
    names = [name for name in rows[0] if _TIME.match(name)]
    if not names:
        raise InputError(
            f"{path}: no column named like 'sample_15000ms'; restore the published file"
        )
    ms = np.array([int(_TIME.match(name)[1]) for name in names], np.int64)  # type: ignore[index]
    order = np.argsort(ms, kind="stable")
    out: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for row in rows:
        song = _song_id(row["song_id"], path)
        values = np.array(
            [number(row.get(n), path, f"song {song}, {n}") for n in names], np.float64
        )
        out[song] = ms[order], values[order]
    return out


def _song_id(text: str, path: Path) -> str:
    value = number(text, path, "song_id")
    if not value == int(value):
        raise InputError(f"{path}: song_id {text!r} is no whole number")
    return str(int(value))


def join_curves(
    valence: dict[str, tuple[np.ndarray, np.ndarray]],
    arousal: dict[str, tuple[np.ndarray, np.ndarray]],
    findings: Findings,
) -> dict[str, Curve]:
    """Inner-join two tables of curves on (song, millisecond), reporting what does not match."""
    curves: dict[str, Curve] = {}
    for song in sorted(set(valence) | set(arousal), key=lambda s: (len(s), s)):
        if song not in valence or song not in arousal:
            findings.count("songs with dynamic labels on one axis only", song)
            continue
        (ms_v, v), (ms_a, a) = valence[song], arousal[song]
        good_v, good_a = np.isfinite(v), np.isfinite(a)
        for good in (good_v, good_a):
            last = int(np.flatnonzero(good)[-1]) + 1 if good.any() else 0
            if not good[:last].all():
                findings.count("songs with NaN inside a row of dynamic labels", song)
                break
        if good_v.sum() != good_a.sum():
            findings.count("songs whose valence and arousal differ in length", song)
        ms, at_v, at_a = np.intersect1d(ms_v[good_v], ms_a[good_a], return_indices=True)
        if not len(ms):
            findings.count("songs without any joint dynamic label", song)
            continue
        out_of_range = max(np.abs(v[good_v][at_v]).max(), np.abs(a[good_a][at_a]).max()) > 1
        if out_of_range:
            findings.count("songs with dynamic labels outside [-1, 1] (clipped)", song)
        curves[song] = Curve(
            ms / 1000.0,
            np.clip(v[good_v][at_v], -1, 1).astype(np.float32),
            np.clip(a[good_a][at_a], -1, 1).astype(np.float32),
        )
    return curves
