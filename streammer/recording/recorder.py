"""A recorder of the bus: what comes is handed to a thread that writes, and nothing waits for it."""

from collections.abc import Callable, Collection

from streammer.errors import OutputError
from streammer.estimate import MoodEstimate
from streammer.recording.files import Bounds, Files
from streammer.recording.journals import Journals, finish_left_over
from streammer.recording.names import Names
from streammer.system.writer import Writer

__all__ = ["Recorder"]

_WAITING = 65536
"""Estimates that wait for a disk that stands still: nine hours of one stream, about 60 MB."""

Say = Callable[[str], object]


class Recorder:
    """Write estimates of any number of streams to the files of a series.

    Parameters
    ----------
    names : Names
    bounds : Bounds
    streams : collection of str
        Those that are recorded; none means all.
    failed : callable
        Called once, with an `OutputError`, when nothing can be written any more.
    say : callable
        Is given a line about what a killed recording had left, and what became of it.

    Raises
    ------
    OutputError
        If the first file cannot be made.
    """

    def __init__(
        self,
        names: Names,
        bounds: Bounds,
        streams: Collection[str],
        failed: Callable[[OutputError], None],
        say: Say,
    ) -> None:
        finish_left_over(names, say)
        self._names = names
        self._keep = bounds.keep
        self._streams = frozenset(streams)
        self._journals = Journals(say)
        self._files = Files(names, bounds, failed, self._journals)
        self._writer: Writer[MoodEstimate] = Writer(self._files, "record", depth=_WAITING)

    def put(self, mood: MoodEstimate) -> None:
        """Record an estimate; returns at once. The last of a stream, `ended`, is not one."""
        if mood.state != "ended" and (not self._streams or mood.stream in self._streams):
            self._writer.put(mood)

    def close(self, timeout_s: float | None = None) -> None:
        """Write what waits, and make Parquet of the journals.

        Parameters
        ----------
        timeout_s : float, optional
            How long Parquet is waited for [s]; what is not made then stays a journal, which the
            next recording of this series finishes.

        Raises
        ------
        OutputError
            If a journal could not be finished.
        """
        self._writer.close()
        self._journals.close(timeout_s)
        if self._keep is not None:
            self._names.prune(self._keep)  # a journal may have become a file after its turn
        if self._journals.failure is not None:
            raise self._journals.failure

    @property
    def rows(self) -> int:
        """Estimates written."""
        return self._files.rows

    @property
    def dropped(self) -> int:
        """Estimates that the disk was too slow to take, or could not take at all."""
        return self._writer.dropped

    def summary(self) -> str:
        """Return one line: what was recorded, and where."""
        files = [str(self._names.target(number)) for number in self._files.numbers]
        where = f" in {files[0]}" if files else ""
        if len(files) > 1:
            where += f" to {files[-1]}, {len(files)} files"
        lost = f"; {self.dropped} were lost: the disk did not take them" if self.dropped else ""
        return f"{self.rows} estimates{where or ': no file is left'}{lost}"
