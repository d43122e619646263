"""The mood of many files, as fast as possible, over the cores.

A file that cannot be used is reported and skipped; the rest is done.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

import msgspec

from streammer.clock import SystemClock
from streammer.config import StreamConfig
from streammer.engine.engine import Engine
from streammer.errors import InputError, StreammerError
from streammer.estimate import MoodEstimate, quadrant_of
from streammer.inference.artefact import OUTPUTS
from streammer.inference.backends import LoadedModel
from streammer.inference.loading import load_models
from streammer.sources.file import FileSource
from streammer.system.signals import interruptions_held

__all__ = [
    "AUDIO_SUFFIXES",
    "FileResult",
    "InOrder",
    "LabelWarning",
    "columns",
    "find_audio",
    "label_file",
    "label_files",
]

AUDIO_SUFFIXES = frozenset(
    (
        *(".aac", ".aif", ".aiff", ".au", ".caf", ".flac", ".m4a", ".mka", ".mkv", ".mp2", ".mp3"),
        *(".mp4", ".oga", ".ogg", ".opus", ".w64", ".wav", ".weba", ".webm", ".wma"),
    )
)
"""What is taken from a folder; a file named by itself is tried whatever its suffix."""

Row = dict[str, Any]


@dataclass(frozen=True)
class FileResult:
    """What came of one file.

    Attributes
    ----------
    path : str
    rows : list of dict
        One row, or one a step; empty if the file could not be used.
    error : str
        Why it could not be used; empty if it could.
    warning : str
        What of it could not be used; empty if all was.
    """

    path: str
    rows: list[Row]
    error: str = ""
    warning: str = ""

    @property
    def complaint(self) -> str:
        """One line with the path and what is wrong, or empty."""
        return f"skipped: {self._about(self.error)}" if self.error else self._about(self.warning)

    def _about(self, text: str) -> str:
        return text if not text or self.path in text else f"{self.path}: {text}"


class LabelWarning(UserWarning):
    """A file that could not be used, or not all of it."""


class InOrder:
    """Results in the order of the files, whatever the order in which they are done."""

    def __init__(self) -> None:
        self._next = 0
        self._held: dict[int, FileResult] = {}

    def add(self, index: int, result: FileResult) -> None:
        """Take what came of the file of that index."""
        self._held[index] = result

    def ready(self) -> Iterator[FileResult]:
        """Give out every result whose turn has come."""
        while self._next in self._held:
            result = self._held.pop(self._next)
            self._next += 1
            yield result

    def rest(self) -> Iterator[FileResult]:
        """Give out all that is held back: those before it will not come any more."""
        for index in sorted(self._held):
            yield self._held.pop(index)


def columns(*, steps: bool) -> dict[str, type]:
    """Return the columns of a row a file, or of a row a step, each with its type."""
    if not steps:
        numbers: dict[str, type] = dict.fromkeys(OUTPUTS, float)
        return {"path": str, "duration_s": float, **numbers, "n_steps": int, "quadrant": str}
    kinds: dict[str, type] = {"path": str}
    for field in msgspec.structs.fields(MoodEstimate):
        names = str(field.type)
        kinds[field.name] = next(
            (k for k in (float, int) if k is field.type or k.__name__ in names), str
        )
    return kinds


def find_audio(paths: Sequence[str | Path]) -> list[Path]:
    """Return the files named, and the audio files in the folders named, each once, in order.

    Raises
    ------
    InputError
        If a path does not exist, or a folder holds no audio.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(
                p for p in path.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file()
            )
            if not inside:
                raise InputError(
                    f"{path} holds no audio file: name a folder with music, such as {path}/album"
                )
            found.update(dict.fromkeys(inside))
        else:
            # A file that is missing is reported with the others, when its turn comes.
            found[path] = None
    return list(found)


def label_file(
    path: Path, config: StreamConfig, models: Sequence[LoadedModel], *, steps: bool
) -> FileResult:
    """Label one file with models that are loaded already."""
    named = _named(path)
    try:
        # Always a file, whatever its name: mic, or -.
        engine = Engine(FileSource(path, SystemClock()), config, models, pace="fast")
        estimates = list(engine.estimates())
    except StreammerError as error:
        return FileResult(named, [], error=str(error))
    except Exception as error:  # a file must never end the run of all the others
        return FileResult(named, [], error=f"{type(error).__name__}: {error}")
    summary = engine.summary()
    rows = (
        [{"path": named, **msgspec.structs.asdict(e)} for e in estimates]
        if steps
        else [_file_row(named, engine.audio_s, estimates)]
    )
    return FileResult(named, rows, warning=summary.detail)


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
    return _over_processes(paths, jobs, config, steps)


def _over_processes(
    paths: Sequence[Path], jobs: int, config: StreamConfig, steps: bool
) -> Generator[tuple[int, FileResult]]:
    waiting = deque(enumerate(paths))
    while waiting:
        suspects = yield from _in_pool(waiting, jobs, config, steps)
        for k, path in suspects:  # one of them has ended its process, the others are innocent
            if (yield from _in_pool(deque([(k, path)]), 1, config, steps)):
                error = "the process that decoded it has ended: damaged, or out of memory"
                yield k, FileResult(_named(path), [], error=error)


def _in_pool(
    waiting: deque[tuple[int, Path]], jobs: int, config: StreamConfig, steps: bool
) -> Generator[tuple[int, FileResult], None, list[tuple[int, Path]]]:
    """Label what waits; return what was at work when a process died, if one did."""
    context = _Spawn()
    lifeline, ours = context.Pipe(duplex=False)
    with interruptions_held():
        pool = ProcessPoolExecutor(
            jobs, mp_context=context, initializer=_begin_worker, initargs=(config, steps, lifeline)
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
        for process in context.begun:  # nobody waits for what is at work
            with suppress(ValueError):  # closed already
                if process.is_alive():
                    process.terminate()
        raise
    finally:
        with interruptions_held():
            pool.shutdown(wait=True, cancel_futures=True)
            ours.close()
            lifeline.close()
    return []


class _Spawn(SpawnContext):
    """Knows the processes that it begins."""

    def __init__(self) -> None:
        self.begun: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]
        process = SpawnProcess(*args, **kwargs)
        self.begun.append(process)
        return process


_worker: tuple[StreamConfig, list[LoadedModel], bool] | None = None


def _begin_worker(config: StreamConfig, steps: bool, lifeline: Connection) -> None:
    global _worker
    # The parent decides what an interruption means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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


def _named(path: Path) -> str:
    # A name that is no Unicode is said as well as can be: no table takes it as it is.
    return os.fsencode(path).decode("utf-8", "replace")


def _file_row(named: str, duration_s: float, estimates: Sequence[MoodEstimate]) -> Row:
    counted = [e for e in estimates if e.state in ("live", "clipping")] or list(estimates)
    means: Row = {}
    for name in OUTPUTS:
        values = [value for e in counted if (value := getattr(e, name)) is not None]
        means[name] = sum(values) / len(values) if values else None
    return {
        "path": named,
        "duration_s": duration_s,
        **means,
        "n_steps": len(estimates),
        "quadrant": quadrant_of(
            means["valence"],
            means["arousal"],
            p_positive=means["p_positive"],
            p_energetic=means["p_energetic"],
        ),
    }
