"""A calm progress bar on stderr, silent where nobody looks."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

__all__ = ["progress_bar", "say"]


@contextmanager
def progress_bar(title: str, total: int, *, show: bool = True) -> Iterator[Callable[[], None]]:
    """Show a bar while the body runs; yields the function that moves it on by one."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
    if show and not console.is_terminal:
        say(f"{title}: {total} done")


def say(line: str) -> None:
    """Say one line on stderr."""
    print(line, file=sys.stderr, flush=True)
