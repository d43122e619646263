"""A file that changes while its run goes on: what differs is changed, all else is left alone."""

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from streammer.cli.messages import complain, inform
from streammer.cli.opening import logs_of, model_names, opening_of
from streammer.config.read import RunFileError
from streammer.config.run import RunConfig
from streammer.errors import InputError, StreammerError, UsageError

if TYPE_CHECKING:
    from streammer.cli.running import Run
    from streammer.inference.backends import LoadedModel

__all__ = ["LOOK_S", "Reloader"]

LOOK_S = 1.0
"""How often a file is looked at, with --watch; it is read once it was still for so long [s]."""


class Reloader:
    """Read the file of a run again when it is asked to, in a thread of its own.

    Parameters
    ----------
    path : Path
    read : callable
        Reads the file and returns the run.
    watch : bool
        Whether the file is looked at every `LOOK_S`.
    """

    def __init__(self, path: Path, read: Callable[[], RunConfig], *, watch: bool) -> None:
        self._path = path
        self._read = read
        self._watch = watch
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._run: Run | None = None
        self._seen = self._signature()

    def ask(self) -> None:
        """Have the file read again; from any thread or signal handler."""
        self._asked.put(None)

    def attend(self, run: "Run") -> None:
        """Begin to apply what changes to a run."""
        self._run = run
        threading.Thread(target=self._attend, name="streammer-reload", daemon=True).start()

    def _attend(self) -> None:
        changed_at: object = None
        while True:
            try:
                self._asked.get(timeout=LOOK_S if self._watch else None)
            except queue.Empty:
                now = self._signature()
                if now in (None, self._seen):
                    continue
                if now != changed_at:
                    changed_at = now  # it may still be being written
                    continue
            self._seen = self._signature()
            self._reload()

    def _signature(self) -> object:
        """Return what changes when the file is written or replaced; None if it is not there."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _reload(self) -> None:
        assert self._run is not None
        try:
            change = Change(self._run, self._read())
        except StreammerError as error:
            others = len(error.problems) - 1 if isinstance(error, RunFileError) else 0
            more = f" (and {others} more)" if others else ""
            complain(f"{error}{more}; the run goes on as before")
            return
        change.apply()


class Change:
    """From one configuration of a run to the next.

    Parameters
    ----------
    run : Run
    new : RunConfig

    Raises
    ------
    StreammerError
        If it cannot be run as it is now written; nothing has changed then.
    """

    def __init__(self, run: "Run", new: RunConfig) -> None:
        self._run, self._old, self._new = run, run.config, new
        if new.live != self._old.live:
            raise UsageError("the pace of the feeds changes with the next start only")
        self._models: list[LoadedModel] | None = None
        if new.model.names != self._old.model.names or new.model.device != self._old.model.device:
            from streammer.inference.loading import load_models

            names = model_names(new.model, new.folder)
            self._models = load_models(names, device=new.model.device)
        for k, feed in enumerate(new.feeds):
            try:
                opening_of(feed, new.folder)
            except UsageError as error:
                raise UsageError(f"{new.place(k)}: {error}") from error
            except InputError:
                pass  # that feed's failure, when it begins

    def apply(self) -> None:
        """Change what differs, and say what that was."""
        if self._new.bus != self._old.bus:
            complain("[bus] changes with the next start only: it is as before")
        done = threading.Event()
        said: list[str] = []

        def switch() -> None:
            try:
                said.extend(self._switch())
            finally:
                done.set()

        self._run.loop.call(switch)
        done.wait()
        self._run.plugged.apply(self._new)
        inform(f"read again: {', '.join(said) or 'nothing has changed'}")

    def _switch(self) -> list[str]:
        """Do what belongs to the loop's thread."""
        run, old, new = self._run, self._old, self._new
        if self._models is not None:
            run.models = self._models
        before, after = set(logs_of(old)), set(logs_of(new))
        for path, only in before - after:
            run.outputs.drop_log(path, only)
        for path, only in after - before:
            try:
                run.outputs.add_log(path, only)
            except StreammerError as error:
                complain(f"{error}; the run goes on without it")
        run.config = new
        said = [f"{feed.name} left" for feed in old.feeds if feed.name not in new.names]
        for feed in old.feeds:
            if feed.name not in new.names:
                run.leave(feed.name)
        for feed in new.feeds:
            if word := self._follow(feed.name):
                said.append(f"{feed.name} {word}")
        return said

    def _follow(self, name: str) -> str:
        """Let a feed become what it is now, and say what that took."""
        run, new = self._run, self._new
        stream, running = new.stream(new.feed(name)), run.running(name)
        if name not in self._old.names:
            run.join(stream)
            return "joined"
        same_source = self._old.feed(name).sounds_like(new.feed(name)) and self._models is None
        if running is None:
            # It had ended. What failed is tried again; what was played to its end is not.
            if same_source and not run.has_failed(name):
                return ""
            run.join(stream)
            return "tried again"
        before = running.config
        if same_source and before == stream:
            return ""
        if same_source and before.goes_on_as(stream) and running.stream is not None:
            running.configure(stream)
            return "changed"
        run.leave(name, lambda: run.join(stream))
        return "begun anew"
