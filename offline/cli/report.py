"""`report`: one document from the runs that have finished."""

from pathlib import Path

from offline.cli.options import DEFAULT_CACHE, Cache, DataPath, Runs, data_folder

__all__ = ["report"]


def report(
    *,
    data: DataPath = None,
    runs: Runs = Path("runs/reproduce"),
    cache: Cache = DEFAULT_CACHE,
    out: Path = Path("runs/report"),
    live: Path | None = None,
) -> None:
    """Write report.md and report.html from the runs that have finished.

    Parameters
    ----------
    live
        Run of `train live`, exported: its folds' artefacts are scored beside the others.

    Examples
    --------
    python -m offline report --data ~/DEAM --live runs/live
    """
    from offline.reporting.report import write_report

    print(write_report(data_folder(data), runs, cache, out, live))
