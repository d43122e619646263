"""`streammer models`: what can be listened with, and whether it is fit for it."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from streammer.cli.messages import complain
from streammer.errors import ModelError
from streammer.inference.artefact import (
    DEFAULT_MODEL,
    find_artefact,
    list_zoo,
    read_metadata,
    zoo_dir,
)
from streammer.inference.trial import try_artefact

__all__ = ["models"]


def models(
    paths: Annotated[Sequence[str], Parameter(show_default=False)] = (),
    /,
    *,
    check: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """List the models that come with streammer: a table in a terminal, JSON lines elsewhere.

    Parameters
    ----------
    paths
        Names or .onnx files; default all that come with streammer.
    check
        Check each against the model contract, and its card and metrics against its graph.
    """
    rows, failed = [], False
    for name in paths or list_zoo():
        try:
            path = find_artefact(name)
            if check:
                try_artefact(path)
            rows.append(_row(path))
        except ModelError as error:
            complain(error)
            failed = True
    if not rows and not failed:
        complain(f"no models in {zoo_dir()}: install streammer anew, or name an .onnx file")
        failed = True
    if sys.stdout.isatty():
        _print_table(rows, checked=check)
    else:
        for row in rows:
            print(msgspec.json.encode({**row, **({"checked": True} if check else {})}).decode())
    return ModelError.exit_code if failed else 0


def _row(path: Path) -> dict[str, Any]:
    meta = read_metadata(path)
    return {
        "name": meta.name,
        "default": list_zoo().get(DEFAULT_MODEL) == path,
        "version": meta.version,
        "outputs": meta.outputs,
        "step_s": meta.step_s,
        "size_bytes": path.stat().st_size,
        "trained_on": meta.trained_on,
        "licence": meta.licence,
        "evaluated": bool(meta.metrics),
        "path": str(path),
    }


def _print_table(rows: Sequence[dict[str, Any]], *, checked: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("model", "version", "gives", "step", "size", "trained on", "licence"):
        table.add_column(title, justify="right" if title in ("step", "size") else "left")
    if checked:
        table.add_column("checked")
    for row in rows:
        table.add_row(*map(Text, _cells(row)), *([Text("all well")] if checked else []))
    if rows:
        Console().print(table)


def _cells(row: dict[str, Any]) -> Iterator[str]:
    yield row["name"] + (" (default)" if row["default"] else "")
    yield row["version"]
    yield ", ".join(row["outputs"])
    yield f"{row['step_s']:g} s"
    size = row["size_bytes"]
    yield f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"
    yield row["trained_on"]
    yield row["licence"]
