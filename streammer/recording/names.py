"""How the files of a recording are called, and which of them are there."""

import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from streammer.outputs.formats import check_suffix
from streammer.system.locks import locked

__all__ = ["Names", "journal_of", "lock_journal"]


class Names:
    """The files of one series: ``set.parquet``, ``set.2.parquet``, and what they are written in.

    A recording never takes the place of a file that is there: it has the next number. So has what
    follows when a file has reached its size. Parquet cannot be read without its end, so it is
    written as a journal of JSON lines, ``set.journal.jsonl``, and made of that at the end.

    Parameters
    ----------
    path : Path
        Of the first file; its suffix chooses the format.

    Raises
    ------
    UsageError
        If the suffix is not known, or Parquet is asked for without pyarrow.
    """

    def __init__(self, path: Path) -> None:
        check_suffix(path)
        self.path = path
        self.journalled = path.suffix == ".parquet"

    def target(self, number: int) -> Path:
        """Return the name of a file, which is counted from 1."""
        if number == 1:
            return self.path
        return self.path.with_name(f"{self.path.stem}.{number}{self.path.suffix}")

    def written(self, number: int) -> Path:
        """Return the name of what is written while it is being recorded."""
        return journal_of(self.target(number)) if self.journalled else self.target(number)

    def next_number(self) -> int:
        """Return the number after all that are there."""
        return max([*self.numbers(), *self.left_over(locked_too=True), 0]) + 1

    def numbers(self) -> list[int]:
        """Return the numbers of the files that are there, the oldest first."""
        return self._found(re.escape(self.path.suffix))

    def prune(self, keep: int) -> None:
        """Remove the oldest files, so that `keep` are left, what is being written among them."""
        there = {*self.numbers(), *self.left_over(locked_too=True)}
        for number in sorted(there)[:-keep]:
            with suppress(OSError):
                self.target(number).unlink()

    def left_over(self, *, locked_too: bool = False) -> list[int]:
        """Return the numbers of journals that no process writes any more."""
        if not self.journalled:
            return []
        found = self._found(r"\.journal\.jsonl")
        return [n for n in found if locked_too or not _in_use(self.written(n))]

    def _found(self, suffix: str) -> list[int]:
        pattern = re.compile(rf"{re.escape(self.path.stem)}(?:\.([1-9]\d{{0,8}}))?{suffix}")
        with suppress(OSError):
            names = [pattern.fullmatch(entry.name) for entry in os.scandir(self.path.parent)]
            return sorted(int(match[1] or 1) for match in names if match)
        return []


def journal_of(target: Path) -> Path:
    """Return the name of the journal of a Parquet file."""
    return target.with_name(f"{target.stem}.journal.jsonl")


def lock_journal(path: Path) -> int:
    """Make a journal and return a descriptor that tells others that it is being written.

    Raises
    ------
    OSError
        If it cannot be made, or is being written by another process.
    """
    if sys.platform == "win32":  # what is locked there cannot be written through another descriptor
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        return locked(path, 0o666)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks, or none that can be written
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)


def _in_use(journal: Path) -> bool:
    if sys.platform == "win32":
        return False
    try:
        os.close(locked(journal))
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
