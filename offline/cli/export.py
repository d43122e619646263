"""`export`: a trained run as an artefact that the live core takes."""

from pathlib import Path

from offline.cli.options import run_folder
from offline.progress import say

__all__ = ["export"]


def export(run: Path, *, to: Path | None = None, name: str = "", version: str = "1") -> None:
    """Export a trained run as an artefact that `streammer listen --model PATH` takes.

    Parameters
    ----------
    run
        Folder that `train` printed, or its name in runs/.
    to
        Folder of the artefact; the run's own by default.
    name
        Name of the artefact; the recipe's by default.
    version
        Version that the artefact carries.

    Examples
    --------
    python -m offline export runs/live --to my-models --name mine
    python -m offline export runs/window-m2-dynamic-corrected-artist0
    """
    from offline.training.live.run import is_live_run

    folder = run_folder(run)
    if is_live_run(folder):
        path = _export_live(folder, to or folder, name, version)
    else:
        path = _export_run(folder, to, name, version)
    print(path)


def _export_live(run: Path, to: Path, name: str, version: str) -> Path:
    from offline.export.live import export_folds, export_shipped
    from offline.training.live.run import open_data
    from streammer.inference.artefact import read_metadata

    data = open_data(run)
    export_folds(run, data)
    path = export_shipped(run, data, to, name=name, version=version)
    if not read_metadata(path).metrics:
        say(f"{path}: its card has no figures yet; run `evaluate {run}` and export again")
    return path


def _export_run(run: Path, to: Path | None, name: str, version: str) -> Path:
    from offline.export.run import export_run, is_causal
    from offline.runs import open_run

    opened = open_run(run)
    path = export_run(opened, to, name=name, version=version)
    if not is_causal(opened.recipe):
        say(f"{opened.recipe.name} is not causal: the artefact is marked and refused live")
    return path
