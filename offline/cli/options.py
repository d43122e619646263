"""Options that several commands share, and what they resolve to."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from streammer.errors import UsageError

__all__ = [
    "DEFAULT_CACHE",
    "DEFAULT_RUNS",
    "Cache",
    "DataPath",
    "Runs",
    "assignments",
    "data_folder",
    "run_folder",
]

DataPath = Annotated[
    Path | None,
    Parameter(
        name=["--data", "--deam", "-d"],
        env_var="STREAMMER_DATA",
        help="Folder of the data set; STREAMMER_DATA where it is not given.",
    ),
]
Cache = Annotated[Path, Parameter(help="Folder of cached features.")]
Runs = Annotated[Path, Parameter(help="Folder of runs.")]
DEFAULT_CACHE = Path("cache/features")
DEFAULT_RUNS = Path("runs")


def data_folder(given: Path | None) -> Path:
    """Return the folder of the data set.

    Raises
    ------
    UsageError
        Neither the option nor the environment names one.
    """
    if given is None:
        raise UsageError(
            "no data set is named; expected --data PATH or STREAMMER_DATA in the environment "
            "(`python -m offline data make PATH` writes a small one)"
        )
    return given


def run_folder(run: Path) -> Path:
    """Return the folder of a run given by its path or, inside ``runs``, by its name."""
    beside = DEFAULT_RUNS / run
    return beside if beside.is_dir() and not run.is_dir() else run


def assignments(given: Iterable[str] | None) -> dict[str, Any]:
    """Return what ``--set name=value`` options say, the values read as TOML, else as text.

    Raises
    ------
    UsageError
        One has no ``=``.
    """
    out: dict[str, Any] = {}
    for text in given or ():
        key, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"--set {text!r}: expected name=value, e.g. training.lr=0.01")
        try:
            out[key] = tomllib.loads(f"v = {value}")["v"]
        except tomllib.TOMLDecodeError:
            out[key] = value
    return out
