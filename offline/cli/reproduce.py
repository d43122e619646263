"""`reproduce`: train, evaluate and report every published DEAM system."""

from pathlib import Path
from typing import Literal

from offline.cli.options import DEFAULT_CACHE, Cache, DataPath, Runs, data_folder

__all__ = ["reproduce"]


def reproduce(
    *,
    data: DataPath = None,
    only: list[str] | None = None,
    quick: bool = False,
    folds: int = 5,
    width: float | None = None,
    steps: int | None = None,
    precision: str | None = None,
    image: tuple[int, int] | None = None,
    stride: int | None = None,
    modes: list[Literal["corrected", "original"]] | None = None,
    labels: list[Literal["dynamic", "static"]] | None = None,
    cache: Cache = DEFAULT_CACHE,
    runs: Runs = Path("runs/reproduce"),
    out: Path = Path("runs/report"),
    report: bool = True,
    workers: int = 2,
) -> None:
    """Train, evaluate and report every published DEAM system; resumable.

    Parameters
    ----------
    only
        Recipes to run; all by default. The report shows what has finished.
    quick
        One fold, one epoch, an eighth of the width: does everything run?
    folds
        Folds to run, of five.
    width
        Factor on all networks' channels, stated in the report.
    steps
        Optimiser steps of every network, stated in the report.
    image
        Bins and frames of the spectral image, stated in the report.
    stride
        Score every n-th label, stated in the report.
    modes, labels
        Some of them; all by default.
    out
        Folder of report.md, report.html and their figures.
    report
        Write the report at the end.

    Examples
    --------
    python -m offline reproduce --data ~/DEAM
    python -m offline reproduce --data ~/DEAM --only crnn-gru3 --quick
    """
    from offline.reproduce import Plan
    from offline.reproduce import reproduce as run_all

    plan = Plan(
        only=tuple(only or ()), quick=quick, folds=folds, width=width, steps=steps,
        precision=precision, image=image, stride=stride,
        modes=tuple(modes or ("corrected", "original")),
        labels=tuple(labels or ("dynamic", "static")),
    )  # fmt: skip
    where = out if report else None
    run_all(data_folder(data), plan, cache=cache, runs=runs, out=where, workers=workers)
