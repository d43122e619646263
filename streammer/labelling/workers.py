"""Many files over the cores: processes, each with some files side by side, that may crash."""

import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from multiprocessing.connection import wait
from pathlib import Path

from streammer.config import StreamConfig
from streammer.labelling.process import Worker
from streammer.labelling.rows import FileResult, shown_path
from streammer.labelling.together import SIDE_BY_SIDE, given, label_together, load_for_label

__all__ = ["InOrder", "WorkerPool", "label_files"]

_AHEAD = 1
"""Files that a process has waiting besides those that it works on: an interruption ends at once."""

_CRASHED = "the process that decoded it has ended: damaged, or out of memory"


class InOrder:
    """Results in the order of the files, whatever the order in which they are done."""

    def __init__(self) -> None:
        self._next = 0
        self._early: dict[int, FileResult] = {}

    def add(self, index: int, result: FileResult) -> None:
        """Take what came of the file of that index."""
        self._early[index] = result

    def ready(self) -> Iterator[FileResult]:
        """Give out every result whose turn has come."""
        while self._next in self._early:
            result = self._early.pop(self._next)
            self._next += 1
            yield result

    def rest(self) -> Iterator[FileResult]:
        """Give out all that came early: those before it will not come any more."""
        for index in sorted(self._early):
            yield self._early.pop(index)


def label_files(
    paths: Sequence[Path],
    config: StreamConfig,
    *,
    steps: bool = False,
    jobs: int | None = None,
) -> Generator[tuple[int, FileResult]]:
    """Label files over the cores and yield results with their index, in the order of completion.

    Parameters
    ----------
    jobs : int, optional
        Processes; by default one a core. With 1, the work is done here.

    Raises
    ------
    ModelError
        If a model is unknown or refused; at once, before anything is decoded.
    """
    # Loaded here with several processes too: a model is refused in one line, and what is compiled
    # on first use is compiled once.
    models = load_for_label(config.models)
    jobs = min(jobs or os.cpu_count() or 1, len(paths))
    if jobs <= 1:
        return label_together(given(enumerate(paths)), config, models, steps=steps)
    return WorkerPool(jobs, config, steps=steps).label(paths)


class WorkerPool:
    """Processes that label files.

    A file whose decoder ends its process costs no other file: those that were at work then are
    done again, each in a process of its own, and only the one that ends that too is given up.

    Parameters
    ----------
    jobs : int
        Processes.
    config : StreamConfig
    steps : bool
        One row a step instead of one a file.
    """

    def __init__(self, jobs: int, config: StreamConfig, *, steps: bool) -> None:
        self._jobs = jobs
        self._config = config
        self._steps = steps

    def label(self, paths: Sequence[Path]) -> Generator[tuple[int, FileResult]]:
        """Yield what came of each file with its index, in the order of completion."""
        waiting = deque(enumerate(paths))
        while waiting:
            at_work = yield from self._run(waiting, self._jobs)
            for k, path in at_work:
                if (yield from self._run(deque([(k, path)]), 1)):
                    yield k, FileResult(shown_path(path), [], error=_CRASHED)

    def _run(
        self, waiting: deque[tuple[int, Path]], jobs: int
    ) -> Generator[tuple[int, FileResult], None, list[tuple[int, Path]]]:
        """Label what waits; return what was at work when a process crashed, if one did."""
        with closing(_Crew(jobs, self._config, steps=self._steps)) as crew:
            while waiting or crew.busy:
                crew.share(waiting)
                results, crashed = crew.results()
                yield from results
                if crashed:
                    return crew.at_work()
        return []


class _Crew:
    """Processes at work, and what each of them has to do.

    Parameters
    ----------
    jobs : int
    config : StreamConfig
    steps : bool
    """

    def __init__(self, jobs: int, config: StreamConfig, *, steps: bool) -> None:
        self._workers: list[Worker] = []
        try:
            for _ in range(jobs):
                self._workers.append(Worker(config, steps=steps))
        except BaseException:
            self.close()
            raise

    @property
    def busy(self) -> bool:
        """Whether any has something to do."""
        return any(worker.at_work for worker in self._workers)

    def share(self, waiting: deque[tuple[int, Path]]) -> None:
        """Give files to whoever has the fewest, a few to each."""
        while waiting:
            least = min(self._workers, key=lambda worker: len(worker.at_work))
            if len(least.at_work) >= SIDE_BY_SIDE + _AHEAD:
                return
            least.give(*waiting.popleft())

    def results(self) -> tuple[list[tuple[int, FileResult]], bool]:
        """Wait for results and return them, and whether a process has crashed."""
        results: list[tuple[int, FileResult]] = []
        crashed = False
        ready = wait([worker.connection for worker in self._workers])
        for worker in self._workers:
            if worker.connection in ready:
                try:
                    results.append(worker.receive())
                except (EOFError, OSError):
                    crashed = True
        return results, crashed

    def at_work(self) -> list[tuple[int, Path]]:
        """Return the files that were given and not done."""
        return [item for worker in self._workers for item in worker.at_work.items()]

    def close(self) -> None:
        """End the processes, whatever they are at: nobody waits for it any more."""
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.join()
