"""One process that labels files: begun, given files, and ended from here.

It ends with its parent, however that ends: what it reads from is closed then.
"""

import os
import queue
import signal
import threading
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from pathlib import Path

from streammer.config import StreamConfig
from streammer.labelling.rows import FileResult
from streammer.labelling.together import label_together, load_for_label
from streammer.system.signals import interruptions_held

__all__ = ["Worker"]

_PATIENCE_S = 5.0


class Worker:
    """A process, and the files that it has to do.

    Parameters
    ----------
    config : StreamConfig
    steps : bool
        One row a step instead of one a file.

    Attributes
    ----------
    connection : Connection
        Can be read when a result is there, or the process has ended.
    at_work : dict of int to Path
        Files that were given and are not done.
    """

    def __init__(self, config: StreamConfig, *, steps: bool) -> None:
        context = SpawnContext()
        self.at_work: dict[int, Path] = {}
        self.connection, theirs = context.Pipe()
        with interruptions_held():
            # The first to need it would unblock, in between, the signals that are held below.
            resource_tracker.ensure_running()
        with interruptions_held():  # a process that is begun ignores what is meant for its parent
            self._process = context.Process(
                target=_work, args=(theirs, config, steps), name="streammer-label", daemon=True
            )
            try:
                self._process.start()
            finally:
                theirs.close()

    def give(self, index: int, path: Path) -> None:
        """Give it a file to do; a process that has ended shows when its results are asked for."""
        self.at_work[index] = path
        with suppress(OSError):
            self.connection.send((index, path))

    def receive(self) -> tuple[int, FileResult]:
        """Return a result.

        Raises
        ------
        EOFError, OSError
            If the process has ended.
        """
        index, result = self.connection.recv()
        del self.at_work[index]
        return index, result

    def end(self) -> None:
        """End it, at once."""
        self.connection.close()
        if self._process.is_alive():
            self._process.terminate()

    def join(self) -> None:
        """Wait until it has ended."""
        with interruptions_held():
            self._process.join(_PATIENCE_S)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
            self._process.close()


def _work(connection: Connection, config: StreamConfig, steps: bool) -> None:
    # The parent decides what an interruption means, and what a terminal that closes.
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    files: queue.SimpleQueue[tuple[int, Path]] = queue.SimpleQueue()
    threading.Thread(
        target=_receive, args=(connection, files), name="streammer-lifeline", daemon=True
    ).start()
    models = load_for_label(config.models)

    def give(wait: bool) -> tuple[int, Path] | None:
        try:
            return files.get(block=wait)
        except queue.Empty:
            return None

    while True:
        for item in label_together(give, config, models, steps=steps):
            connection.send(item)


def _receive(connection: Connection, files: "queue.SimpleQueue[tuple[int, Path]]") -> None:
    # The other end is closed by the parent, or by the system where the parent was killed.
    with suppress(EOFError, OSError):
        while True:
            files.put(connection.recv())
    os._exit(1)
