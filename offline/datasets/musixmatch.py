"""MusiXmatch's bags of words for the Million Song Dataset, as SQLite or as text.

Both forms count the 5,000 most frequent words, stemmed. The text form writes the words on one line
that begins with ``%``, then ``track id, musiXmatch's id, number:count, …``, numbers from 1 on.
"""

from collections.abc import Iterable
from pathlib import Path

from offline.datasets.sqlite import is_sqlite, query
from streammer.errors import InputError

__all__ = ["Musixmatch"]

_TEXTS = ("mxm_dataset_train.txt", "mxm_dataset_test.txt")
_DATABASE = "mxm_dataset.db"
_EXPECTED = "musiXmatch's table lyrics with track_id, word and count"


class Musixmatch:
    """Bags of the songs that are wanted.

    Parameters
    ----------
    place : Path
        ``mxm_dataset.db``, one of ``mxm_dataset_train.txt`` and ``mxm_dataset_test.txt``, or a
        folder that holds any of them.
    wanted : iterable of str
        Track ids.

    Raises
    ------
    InputError
        There is no such file, or it has another form.
    """

    def __init__(self, place: Path, wanted: Iterable[str]) -> None:
        ids = set(wanted)
        if place.is_dir():
            names = [_DATABASE] if (place / _DATABASE).is_file() else _TEXTS
            files = [place / name for name in names if (place / name).is_file()]
        else:
            files = [place] if place.is_file() else []
        if not files:
            raise InputError(
                f"{place}: no bags of words; expected {_DATABASE} or {' and '.join(_TEXTS)}"
            )
        self._database: Path | None = None
        self._lines: dict[str, str] = {}
        self._words: list[str] = []
        if is_sqlite(files[0]):
            self._database = files[0]
            rows = query(files[0], "SELECT DISTINCT track_id FROM lyrics", expected=_EXPECTED)
            self.ids = frozenset(ids & {str(track) for (track,) in rows})
        else:
            for path in files:
                self._read_lines(path, ids)
            self.ids = frozenset(self._lines)

    def read(self, track_id: str) -> dict[str, int] | None:
        """Stemmed word -> count of one song, None when it has no bag.

        Raises
        ------
        InputError
            The database cannot be read, or a count is no number of a word.
        """
        if track_id not in self.ids:
            return None
        if self._database is not None:
            sql = "SELECT word, count FROM lyrics WHERE track_id = ?"
            return {
                str(w): int(n) for w, n in query(self._database, sql, track_id, expected=_EXPECTED)
            }
        bag = {}
        for pair in self._lines[track_id].split(","):
            number, _, count = pair.partition(":")
            try:
                at = int(number) - 1
                if not 0 <= at < len(self._words):
                    raise ValueError
                bag[self._words[at]] = int(count)
            except ValueError:
                raise InputError(
                    f"musiXmatch, {track_id}: {pair!r} is no count; expected number:count with a "
                    f"number from 1 to {len(self._words)}; fetch the file anew"
                ) from None
        return bag

    def _read_lines(self, path: Path, wanted: set[str]) -> None:
        words: list[str] = []
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("%"):
                    words = line[1:].rstrip("\n").split(",")
                elif not line.startswith("#"):
                    track, _, rest = line.rstrip("\n").partition(",")
                    if track in wanted:
                        self._lines[track] = rest.partition(",")[2]
        if not words:
            raise InputError(f"{path}: no line of words (it begins with %); fetch the file anew")
        if self._words and self._words != words:
            raise InputError(f"{path}: its words differ from those of {_TEXTS[0]}")
        self._words = words
