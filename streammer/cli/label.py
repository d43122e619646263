"""`streammer label`: the mood of many files."""

import os
import sys
from collections.abc import Iterable
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from streammer.cli.messages import complain, inform, is_quiet, undash
from streammer.config import StreamConfig, parse_select
from streammer.errors import InputError, UsageError
from streammer.system.signals import (
    EXIT_INTERRUPTED,
    ending,
    finishing,
    interruptions_held,
)

if TYPE_CHECKING:
    from streammer.labelling.files import FileResult

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
    with ending("interrupted", EXIT_INTERRUPTED):
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        from streammer.labelling.files import InOrder, columns, find_audio, label_files
        from streammer.outputs.table import TableWriter

        writer = None if out is None else TableWriter(out, columns(steps=steps))
        files = find_audio(paths)
        results = label_files(files, config, steps=steps, jobs=jobs)
    order, done, failed = InOrder(), 0, 0

    def keep(finished: Iterable["FileResult"]) -> None:
        nonlocal done
        # What is printed can wait for its reader for ever, and must end by Ctrl-C.
        with nullcontext() if writer is None else interruptions_held():
            for result in finished:
                if result.error:
                    continue
                if writer is not None:
                    writer.write(result.rows)
                else:
                    for row in result.rows:
                        print(msgspec.json.encode(row).decode(), flush=True)
                done += 1

    try:
        with ExitStack() as stack:
            if writer is not None:
                stack.enter_context(finishing())
                stack.enter_context(writer)
            progress = stack.enter_context(
                Progress(
                    TextColumn("labelling"),
                    BarColumn(),
                    MofNCompleteColumn(),
                    TimeRemainingColumn(),
                    console=Console(stderr=True),
                    transient=True,
                    disable=is_quiet() or not sys.stderr.isatty(),
                )
            )
            task = progress.add_task("labelling", total=len(files))
            stack.enter_context(closing(results))
            try:
                for k, result in results:
                    order.add(k, result)
                    progress.advance(task)
                    if result.complaint:
                        complain(result.complaint)
                    failed += bool(result.error)
                    keep(order.ready())
            except KeyboardInterrupt:
                keep(order.rest())  # they are done, and waited only for those before them
                raise
            if not done:
                raise InputError(f"none of {len(files)} files could be used: see the lines above")
    except KeyboardInterrupt:
        kept = "" if writer is None else _where(writer.path, writer.kept)
        complain(f"interrupted: {done} of {len(files)} files are done{kept}")
        return EXIT_INTERRUPTED
    where = f" in {out}" if out is not None else ""
    inform(f"{done} of {len(files)} files labelled{where}")
    return EXIT_SOME_FAILED if failed else 0


def _where(wanted: Path, kept: Path | None) -> str:
    """Say where the rows of a part are, and what became of the table that was there."""
    rows = "" if kept is None else f", kept in {kept}"
    return (
        rows if kept == wanted or not os.path.lexists(wanted) else f"{rows}; {wanted} is as before"
    )
