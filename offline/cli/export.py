"""`export`: a trained run as an artefact that the live core takes."""

from pathlib import Path

from offline.cli.options import run_folder

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
    from offline.runs import recipe_of_run

    folder = run_folder(run)
    print(recipe_of_run(folder).kind.verb("export")(folder, to, name, version))
