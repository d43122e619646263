"""The mood of many files, as fast as possible, over the cores.

A file that cannot be used is reported and skipped; the rest is done.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from streammer.artefacts import OUTPUTS
from streammer.clock import SystemClock
from streammer.config import StreamConfig
from streammer.engine import Engine, load_models
from streammer.errors import InputError, StreammerError
from streammer.estimate import MoodEstimate, quadrant_of
from streammer.sources.file import FileSource
from streammer.stream import LoadedModel

__all__ = ["AUDIO_SUFFIXES", "FileResult", "columns", "find_audio", "label_file", "label_files"]

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
        else [_file_row(named, engine.heard_s, estimates)]
    )
    return FileResult(named, rows, warning=summary.detail)


def label_files(
    paths: Sequence[Path],
    config: StreamConfig,
    *,
    steps: bool = False,
    jobs: int | None = None,
) -> Iterator[FileResult]:
    """Label files over the cores and yield results in the order in which they are done.

    Parameters
    ----------
    jobs : int, optional
        Processes; by default one a core. With 1, the work is done here.

    Raises
    ------
    ModelError
        If a model is unknown or refused; before anything is decoded.
    """
    models = load_models(config.models)
    jobs = min(jobs or os.cpu_count() or 1, len(paths))
    if jobs <= 1:
        for path in paths:
            yield label_file(path, config, models, steps=steps)
        return
    waiting = deque(paths)
    while waiting:
        suspects = yield from _in_pool(waiting, jobs, config, steps)
        for path in suspects:  # one of them has ended its process, the others are innocent
            if (yield from _in_pool(deque([path]), 1, config, steps)):
                error = "the process that decoded it has ended: damaged, or out of memory"
                yield FileResult(_named(path), [], error=error)


def _in_pool(
    waiting: deque[Path], jobs: int, config: StreamConfig, steps: bool
) -> Generator[FileResult, None, list[Path]]:
    """Label what waits; return what was at work when a process died, if one did."""
    pool = ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin_worker,
        initargs=(config, steps),
    )
    pending: dict[Future[FileResult], Path] = {}
    try:
        while waiting or pending:
            # Only a few files a worker are handed out, so that an interruption ends at once.
            while waiting and len(pending) < 2 * jobs:
                pending[pool.submit(_label_in_worker, waiting[0])] = waiting[0]
                waiting.popleft()
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                result = future.result()
                del pending[future]
                yield result
    except BrokenProcessPool:
        return list(pending.values())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return []


_worker: tuple[StreamConfig, list[LoadedModel], bool] | None = None


def _begin_worker(config: StreamConfig, steps: bool) -> None:
    global _worker
    # The parent decides what an interruption means; a worker finishes its file.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="streammer-parent", daemon=True).start()
    _worker = (config, load_models(config.models), steps)


def _end_with_parent() -> None:
    # A parent that was killed cannot tell, and its queue would be waited on for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
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
        "quadrant": quadrant_of(means["valence"], means["arousal"]),
    }
