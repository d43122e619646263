"""Many files over the cores: a pool of processes that survives those that crash."""

import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

from streammer.config import StreamConfig
from streammer.inference.backends import LoadedModel
from streammer.inference.loading import load_models
from streammer.labelling.rows import FileResult, label_file, shown_path
from streammer.system.signals import interruptions_held

__all__ = ["InOrder", "WorkerPool", "label_files"]

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
    models = load_models(config.models)
    jobs = min(jobs or os.cpu_count() or 1, len(paths))
    if jobs <= 1:
        return ((k, label_file(path, config, models, steps=steps)) for k, path in enumerate(paths))
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
        context = _Spawn()
        lifeline, ours = context.Pipe(duplex=False)
        with interruptions_held():
            pool = ProcessPoolExecutor(
                jobs,
                mp_context=context,
                initializer=_begin_worker,
                initargs=(self._config, self._steps, lifeline),
            )
        pending: dict[Future[FileResult], tuple[int, Path]] = {}
        try:
            while waiting or pending:
                # Only a few files a worker are handed out, so that an interruption ends at once.
                while waiting and len(pending) < 2 * jobs:
                    with interruptions_held():  # this is where a process is begun
                        pending[pool.submit(_label_in_worker, waiting[0][1])] = waiting[0]
                        waiting.popleft()
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield pending.pop(future)[0], result
        except BrokenProcessPool:
            return list(pending.values())
        except BaseException:
            context.terminate()  # nobody waits for what is at work
            raise
        finally:
            with interruptions_held():
                pool.shutdown(wait=True, cancel_futures=True)
                ours.close()
                lifeline.close()
        return []


class _Spawn(SpawnContext):
    """A context that can end the processes that it began."""

    def __init__(self) -> None:
        self._begun: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]
        process = SpawnProcess(*args, **kwargs)
        self._begun.append(process)
        return process

    def terminate(self) -> None:
        for process in self._begun:
            with suppress(ValueError):  # closed already
                if process.is_alive():
                    process.terminate()


_worker: tuple[StreamConfig, list[LoadedModel], bool] | None = None


def _begin_worker(config: StreamConfig, steps: bool, lifeline: Connection) -> None:
    global _worker
    # The parent decides what an interruption means, and what a terminal that closes.
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    watch = threading.Thread(
        target=_end_with, args=(lifeline,), name="streammer-lifeline", daemon=True
    )
    watch.start()
    _worker = (config, load_models(config.models), steps)


def _end_with(lifeline: Connection) -> None:
    # Its other end is closed by the parent, or by the system where the parent was killed: it
    # cannot tell then, and its queue would be waited on for ever.
    with suppress(EOFError, OSError):
        lifeline.recv()
    os._exit(1)


def _label_in_worker(path: Path) -> FileResult:
    assert _worker is not None
    config, models, steps = _worker
    return label_file(path, config, models, steps=steps)
