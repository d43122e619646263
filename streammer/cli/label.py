"""`streammer label`: the mood of many files."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from streammer.cli.messages import complain, inform, is_quiet, undash
from streammer.cli.options import option
from streammer.config import StreamConfig, parse_select
from streammer.config.run import FeedOptions, ModelOptions
from streammer.errors import InputError, UsageError
from streammer.system.signals import (
    EXIT_INTERRUPTED,
    ending,
    finishing,
    interruptions_held,
)

if TYPE_CHECKING:
    from streammer.labelling.files import Found
    from streammer.labelling.rows import FileResult

__all__ = ["label"]

EXIT_SOME_FAILED = 6


def label(
    paths: list[str],
    /,
    *,
    out: Path | None = None,
    steps: Annotated[bool, Parameter(negative=())] = False,
    resume: Annotated[bool, Parameter(negative=())] = False,
    model: Annotated[list[str] | None, option(ModelOptions, "name", "MODEL", flag=True)] = None,
    select: Annotated[str | None, option(FeedOptions, "select")] = None,
    gain: Annotated[float, option(FeedOptions, "gain_db")] = 0.0,
    silence: Annotated[float, option(FeedOptions, "silence_dbfs")] = -70.0,
    smoothing: Annotated[float, option(ModelOptions, "smoothing_s")] = 0.0,
    jobs: int | None = None,
) -> int:
    """Label files or folders, as fast as possible over the cores.

    Parameters
    ----------
    paths
        Audio files, or folders that are searched for them, links to folders included.
    out
        Table to write: .csv, .jsonl or .parquet; without it, JSON lines go to stdout.
    steps
        One row for every half second instead of one for every file.
    resume
        Go on with the table of an interrupted or killed run: files that are done are not done
        again. Give the same options as then.
    jobs
        Processes; default one a core.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs} is too few: at least 1 is expected")
    if resume and out is None:
        raise UsageError("--resume goes on with a table: name it, such as --out moods.csv")
    config = StreamConfig(
        models=tuple(model or ["default"]),
        select=None if select is None else parse_select(select),
        silence_dbfs=silence,
        smoothing_s=smoothing,
        gain_db=gain,
    )
    if any(undash(path) == "-" for path in paths):
        raise UsageError("label takes files and folders: pipe into streammer listen - instead")
    with ending("interrupted", EXIT_INTERRUPTED):
        import rich.progress  # noqa: F401

        from streammer.labelling.files import find_audio
        from streammer.labelling.workers import label_files
        from streammer.outputs.table import TableWriter
        from streammer.schema import FILE_COLUMNS, STEP_COLUMNS

        columns = STEP_COLUMNS if steps else FILE_COLUMNS
        writer = None if out is None else TableWriter(out, columns, resumed=resume)
        run = _Run(find_audio(paths), writer)
        if resume:
            from streammer.outputs.resume import earlier_rows

            assert out is not None
            run.take_over(earlier_rows(out, columns))
        results = label_files([path for _, path in run.to_do], config, steps=steps, jobs=jobs)
    try:
        run.through(closing(results))
    except KeyboardInterrupt:
        complain(f"interrupted: {run.done} of {run.count} files are done{run.kept()}")
        return EXIT_INTERRUPTED
    where = f" in {out}" if out is not None else ""
    inform(f"{run.done} of {run.count} files labelled{where}")
    return EXIT_SOME_FAILED if run.failed else 0


class _Run:
    """The files to label, in order, and where their rows go.

    Parameters
    ----------
    found : Found
    writer : TableWriter, optional
        By default, rows go to stdout.
    """

    def __init__(self, found: "Found", writer: Any) -> None:
        from streammer.labelling.workers import InOrder

        self._found = found
        self._writer = writer
        self._order = InOrder()
        self.to_do = list(enumerate(found.files))
        self.count = found.count
        self.done = 0
        self.failed = 0

    def take_over(self, earlier: dict[str, list[dict[str, Any]]]) -> None:
        """Take the rows of files that an earlier run has done."""
        from streammer.labelling.rows import FileResult, shown_path

        named = {shown_path(path) for path in self._found.files}
        if foreign := [path for path in earlier if path not in named]:
            raise UsageError(
                f"{self._writer.path} has rows of files that are not named, such as {foreign[0]}: "
                "name the same files and folders, or leave out --resume"
            )
        to_do, self.to_do = self.to_do, []
        for k, path in to_do:
            shown = shown_path(path)
            if shown in earlier:
                self._order.add(k, FileResult(shown, earlier[shown]))
            else:
                self.to_do.append((k, path))

    def through(self, closing_results: Any) -> None:
        """Keep the rows of every file, in order, and name what could not be used."""
        with ExitStack() as stack:
            if self._writer is not None:
                stack.enter_context(finishing())
                stack.enter_context(self._writer)
            advance = stack.enter_context(_progress(self.count, self.count - len(self.to_do)))
            results = stack.enter_context(closing_results)
            try:
                for unusable in self._found.unusable:
                    self._complain(unusable)
                self._keep(self._order.ready())
                for i, result in results:
                    self._order.add(self.to_do[i][0], result)
                    advance()
                    self._complain(result)
                    self._keep(self._order.ready())
            except KeyboardInterrupt:
                self._keep(self._order.rest())  # they waited only for those before them
                raise
            if not self.done:
                raise InputError(f"none of {self.count} files could be used: see the lines above")

    def kept(self) -> str:
        """Say where the rows of a part are, and what became of the table that was there."""
        if self._writer is None:
            return ""
        wanted, kept = self._writer.path, self._writer.kept
        rows = "" if kept is None else f", kept in {kept}"
        untouched = kept != wanted and os.path.lexists(wanted)
        return f"{rows}; {wanted} is as before" if untouched else rows

    def _complain(self, result: "FileResult") -> None:
        if result.complaint:
            complain(result.complaint)
        self.failed += bool(result.error)

    def _keep(self, finished: Iterable["FileResult"]) -> None:
        # What is printed can wait for its reader for ever, and must end by Ctrl-C.
        with nullcontext() if self._writer is None else interruptions_held():
            for result in finished:
                if result.error:
                    continue
                if self._writer is not None:
                    self._writer.write(result.rows)
                else:
                    for row in result.rows:
                        _print(row)
                self.done += 1


def _print(row: dict[str, Any]) -> None:
    # JSON is UTF-8, whatever the terminal takes: a path must be the path of the file.
    line = msgspec.json.encode(row) + b"\n"
    if hasattr(sys.stdout, "buffer"):
        sys.stdout.buffer.write(line)
    else:
        sys.stdout.write(line.decode())
    sys.stdout.flush()


@contextmanager
def _progress(total: int, done: int) -> Iterator[Any]:
    """Show a bar in a terminal; yield what moves it on by a file."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("labelling"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=is_quiet() or not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task("labelling", total=total, completed=done)
        yield lambda: progress.advance(task)
