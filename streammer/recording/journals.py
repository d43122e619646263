"""Parquet files, made of the journals in which they were recorded."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import msgspec

from streammer.errors import OutputError, StreammerError
from streammer.outputs.table import TableWriter
from streammer.recording.names import Names, journal_of
from streammer.recording.read import read_estimates
from streammer.schema import ESTIMATE_COLUMNS

__all__ = ["Journals", "finish_journal", "finish_left_over"]

_BATCH = 4096

Say = Callable[[str], object]


def finish_journal(target: Path, say: Say) -> int:
    """Make a Parquet file of its journal, remove that, and return the count of rows.

    The journal goes only once the file is whole: whatever happens before, one of them is there.

    Raises
    ------
    OutputError, InputError
        If the file cannot be written, or the journal not be read; the journal stays.
    """
    journal = journal_of(target)
    with TableWriter(target, ESTIMATE_COLUMNS) as table:
        moods = read_estimates(journal, say)
        while batch := list(map(msgspec.structs.asdict, islice(moods, _BATCH))):
            table.write(batch)
        rows = table.rows
    with suppress(OSError):
        journal.unlink()
    return rows


def finish_left_over(names: Names, say: Say) -> None:
    """Finish what a killed recording has left; each is said, and so is what cannot be finished."""
    for number in names.left_over():
        target = names.target(number)
        journal = journal_of(target)
        try:
            if not journal.stat().st_size:
                journal.unlink()
                continue
            rows = finish_journal(target, say)
        except (StreammerError, OSError) as error:
            say(f"{journal} was left by a recording that was killed, and stays: {error}")
            continue
        say(f"{target} is what a recording that was killed had left: {rows} estimates")


class Journals:
    """Finish journals in a thread of its own, one after the other, in the order in which they end.

    Parameters
    ----------
    say : callable
        Is given a line for what cannot be finished.

    Attributes
    ----------
    failure : OutputError or None
        Why a journal could not be finished; it stays.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._ended: queue.Queue[Path | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self.failure: OutputError | None = None

    def finish(self, target: Path) -> None:
        """Finish a journal soon."""
        if self._thread is None:
            # Made when it is needed: a recording of lines has none.
            self._thread = threading.Thread(
                target=self._run, name="streammer-journals", daemon=True
            )
            self._thread.start()
        self._ended.put(target)

    def close(self, timeout_s: float | None = None) -> bool:
        """Wait for what is to be finished, at most so long; return whether all of it is."""
        if self._thread is None:
            return True
        self._ended.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        for target in self._targets():
            try:
                finish_journal(target, self._say)
            except (StreammerError, OSError) as error:
                self.failure = OutputError(
                    f"{target} could not be made ({error}): what was recorded is in "
                    f"{journal_of(target)}, and streammer record finishes it when it starts again"
                )
                self._say(str(self.failure))

    def _targets(self) -> Iterator[Path]:
        while (target := self._ended.get()) is not None:
            yield target
