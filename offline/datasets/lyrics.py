"""Lyrics from a folder of text files or from a table, whatever their encoding, length and script.

A lyric is used as follows, and each case is counted among the findings:

- Empty, or a file that is no text: the song has no lyrics.
- One word: used; nearly nothing follows from it.
- More than `MAX_WORDS` words: the first `MAX_WORDS` are used.
- Mostly in another script than Latin: used; an English lexicon finds nothing in it.
- Not in UTF-8: read as Windows-1252.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from offline.datasets.song import Findings, Lyrics
from offline.datasets.tables import first_line, read_rows
from streammer.errors import InputError

__all__ = [
    "MAX_WORDS",
    "WITH_LYRICS",
    "lyrics_beside",
    "lyrics_from",
    "read_folder",
    "read_table",
    "read_text",
    "usable",
]

MAX_WORDS = 10_000
"""The longest songs have some 2,000 words; a file of more holds something else too."""
WITH_LYRICS = "filtered_dataset_with_lyrics.csv"
"""Table of the lyrics of several sets, told apart by its column ``dataset``."""
_MAX_BYTES = 1 << 26
_SUFFIXES = (".txt", ".lrc")
_STAMP = re.compile(r"\[\d+:\d+(?:[.:]\d+)?\]|<\d+:\d+(?:[.:]\d+)?>|^\[[a-z#]+:[^\]]*\]\s*$", re.M)


def read_text(path: Path, findings: Findings) -> str:
    """Read a lyric; time stamps of an ``.lrc`` are dropped.

    Returns
    -------
    str
        Empty when the file is no text; counted.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); expected a lyric in UTF-8"
        ) from error
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = raw.decode("utf-16", "replace")
    elif b"\0" in raw:
        findings.count("lyrics that are no text (left out)", path.name)
        return ""
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            findings.count("lyrics not in UTF-8 (read as Windows-1252)", path.name)
            text = raw.decode("cp1252", "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _STAMP.sub("", text) if path.suffix.lower() == ".lrc" else text


def usable(song_id: str, text: str, findings: Findings, language: str = "") -> Lyrics | None:
    """Return a lyric as it is used, None when it is empty; what is unusual is counted."""
    words = re.finditer(r"\S+", text)
    kept = list(islice(words, MAX_WORDS))
    if not kept:
        findings.count("lyrics that are empty (no lyrics)", song_id)
        return None
    if len(kept) == 1:
        findings.count("lyrics of one word", song_id)
    if next(words, None) is not None:
        findings.count(
            f"lyrics over {MAX_WORDS:,} words (the first {MAX_WORDS:,} are used)", song_id
        )
        text = text[: kept[-1].end()]
    if not _is_latin(text):
        findings.count("lyrics in another script than Latin", song_id)
    return Lyrics(text, language=language)


def _is_latin(text: str) -> bool:
    """Whether half of the first letters are Latin; a text without letters counts as Latin."""
    letters = list(islice((c for c in text if c.isalpha()), 400))
    latin = sum(c.isascii() or unicodedata.name(c, "").startswith("LATIN") for c in letters)
    return 2 * latin >= len(letters)


def read_folder(folder: Path, findings: Findings) -> dict[str, Lyrics]:
    """Lyrics of a folder by song id (the stem of ``<id>.txt`` or ``<id>.lrc``), nested or not."""
    found = {}
    paths = folder.rglob("*") if folder.is_dir() else ()
    for path in sorted(p for p in paths if p.suffix.lower() in _SUFFIXES):
        if (lyrics := usable(path.stem, read_text(path, findings), findings)) is not None:
            found.setdefault(path.stem, lyrics)
    return found


def read_table(
    path: Path, keys: Sequence[str], findings: Findings, dataset: str = ""
) -> dict[str, Lyrics]:
    """Lyrics of a table by song id.

    Parameters
    ----------
    path : Path
        Columns ``lyrics``, at least one of `keys`, and perhaps ``language``.
    keys : sequence of str
        Columns that may hold the id, the best first; empty cells are passed over.
    dataset : str
        Take rows alone whose column ``dataset`` says so.

    Raises
    ------
    InputError
        The table is missing, damaged, or lacks a column.
    """
    rows = read_rows(path, ["lyrics"])
    if not any(key in rows[0] for key in keys):
        raise InputError(
            f"{path}: no column {' or '.join(map(repr, keys))} among "
            f"{', '.join(list(rows[0])[:6])}…; expected the id of each song beside its lyrics"
        )
    found = {}
    for row in rows:
        if dataset and row.get("dataset") != dataset:
            continue
        song = next((row[key] for key in keys if row.get(key)), "")
        if not song:
            findings.count("rows of lyrics without an id", path.name)
            continue
        text, language = row.get("lyrics", ""), row.get("language", "")
        if (lyrics := usable(song, text, findings, language)) is not None:
            found.setdefault(song, lyrics)
    return found


def lyrics_from(place: Path, keys: Sequence[str], findings: Findings) -> dict[str, Lyrics]:
    """Lyrics by song id from what a user names: a folder or a table.

    Raises
    ------
    InputError
        There is neither, or it holds no lyrics at all.
    """
    if place.is_dir():
        found = read_folder(place, findings)
    elif place.is_file() and "lyrics" in first_line(place):
        found = read_table(place, keys, findings)
    else:
        raise InputError(
            f"{place}: no lyrics; expected a folder of <id>.txt or a table with the columns "
            f"lyrics and {' or '.join(keys)}"
        )
    if not found:
        raise InputError(f"{place}: holds no lyrics; expected <id>.txt, or rows with lyrics")
    return found


def lyrics_beside(
    root: Path, dataset: str, keys: Sequence[str], findings: Findings
) -> dict[str, Lyrics]:
    """Lyrics that a user has beside a set: ``lyrics/``, ``lyrics.csv``, or `WITH_LYRICS`.

    Parameters
    ----------
    root : Path
        Folder of the set; `WITH_LYRICS` may also lie in ``text/`` beside it.
    dataset : str
        Name of the set in `WITH_LYRICS`.
    keys : sequence of str
        Columns that may hold the id.

    Returns
    -------
    dict
        Song id -> lyrics; empty when there are none.
    """
    for place in (root / "lyrics", root / "lyrics.csv"):
        if place.exists():
            return lyrics_from(place, keys, findings)
    for place in (root / WITH_LYRICS, root.parent / "text" / WITH_LYRICS):
        if place.is_file():
            return read_table(place, keys, findings, dataset)
    return {}
