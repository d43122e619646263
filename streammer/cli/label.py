"""`streammer label`: the mood of many files."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from streammer.cli import EXIT_INTERRUPTED, complain, undash
from streammer.config import StreamConfig, parse_select
from streammer.errors import InputError, UsageError

__all__ = ["label"]

EXIT_SOME_FAILED = 6


def label(
    paths: list[str],
    /,
    *,
    out: Path | None = None,
    steps: Annotated[bool, Parameter(negative=())] = False,
    model: Annotated[list[str] | None, Parameter(negative=())] = None,
    select: str | None = None,
    silence: float = -70.0,
    smoothing: float = 0.0,
    jobs: int | None = None,
) -> int:
    """Label files or folders, as fast as possible over the cores.

    Parameters
    ----------
    paths
        Audio files, or folders that are searched for them.
    out
        Table to write: .csv, .jsonl or .parquet; without it, JSON lines go to stdout.
    steps
        One row for every half second instead of one for every file.
    model
        Name or path; give it twice to combine two.
    select
        Channels to average, from 1, such as 3,4; default all.
    silence
        Sound under this level is silence [dBFS].
    smoothing
        Time constant of output smoothing [s].
    jobs
        Processes; default one a core.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from streammer.labelling import columns, find_audio, label_files
    from streammer.table import TableWriter

    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs} is too few: at least 1 is expected")
    config = StreamConfig(
        models=tuple(model or ["default"]),
        select=None if select is None else parse_select(select),
        silence_dbfs=silence,
        smoothing_s=smoothing,
    )
    if any(undash(path) == "-" for path in paths):
        raise UsageError("label takes files and folders: pipe into streammer listen - instead")
    writer = None if out is None else TableWriter(out, columns(steps=steps))
    files = find_audio(paths)
    done, failed = 0, 0
    try:
        with ExitStack() as stack:
            if writer is not None:
                stack.enter_context(writer)
            progress = stack.enter_context(
                Progress(
                    TextColumn("labelling"),
                    BarColumn(),
                    MofNCompleteColumn(),
                    TimeRemainingColumn(),
                    console=Console(stderr=True),
                    transient=True,
                    disable=not sys.stderr.isatty(),
                )
            )
            task = progress.add_task("labelling", total=len(files))
            for result in label_files(files, config, steps=steps, jobs=jobs):
                progress.advance(task)
                if result.error:
                    failed += 1
                    about = "" if result.path in result.error else f"{result.path}: "
                    complain(f"skipped: {about}{result.error}")
                    continue
                if result.warning:
                    about = "" if result.path in result.warning else f"{result.path}: "
                    complain(f"{about}{result.warning}")
                done += 1
                if writer is not None:
                    writer.write(result.rows)
                else:
                    for row in result.rows:
                        print(msgspec.json.encode(row).decode(), flush=True)
            if not done:
                raise InputError(f"none of {len(files)} files could be used: see the lines above")
    except KeyboardInterrupt:
        kept = f", kept in {out}" if out is not None else ""
        complain(f"interrupted: {done} of {len(files)} files are done{kept}")
        return EXIT_INTERRUPTED
    where = f" in {out}" if out is not None else ""
    print(f"{done} of {len(files)} files labelled{where}", file=sys.stderr)
    return EXIT_SOME_FAILED if failed else 0
