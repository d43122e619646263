"""The commands of the live model, whose run holds all folds and seeds."""

from pathlib import Path
from typing import TYPE_CHECKING

from offline.progress import say
from offline.recipes.recipe import Recipe
from streammer.errors import UsageError

if TYPE_CHECKING:
    from streammer.frontend import FrontEndSpec

__all__ = ["evaluate", "export", "features", "train"]

PAGE = "page"
"""Folder in the run: the page is called live.md, as the card of an artefact called live is."""


def train(
    recipe: Recipe, data: Path, cache: Path, runs: Path, *, name: str, fresh: bool, workers: int,
    show: bool,
) -> Path:  # fmt: skip
    """Train what is not there yet, and return the run's folder."""
    from offline.training.live.train import train_live

    own = recipe.name
    if recipe.data.inner is not None:
        own += f"-fold{recipe.data.fold}-inner{recipe.data.inner}"
    run = runs / (name or own)
    train_live(recipe, data, cache, run, fresh=fresh, workers=workers, show=show)
    return run


def evaluate(run: Path, on: str | None, out: Path | None, workers: int) -> list[str]:
    """Score all folds and what ships, write the page, and return the lines to print."""
    from offline.evaluation.live.evaluate import evaluate_live, metrics_of
    from offline.export.live import export_folds, export_shipped
    from offline.export.onnx import attach_metrics
    from offline.reporting.live.page import write_page
    from offline.reporting.live.table import table_lines
    from offline.runs import recipe_of_run
    from offline.training.live.run import open_data, shipped_of

    if on is not None:
        raise UsageError(f"--on {on}: the live model is scored on its folds and the 58 songs")
    data = open_data(run, workers=workers)
    export_folds(run, data)
    if recipe_of_run(run).data.inner is not None:
        if out is not None:
            raise UsageError("--out: a run of selection has no page; its figures are printed")
        return table_lines(evaluate_live(run, data))
    shipped = shipped_of(run)
    if not shipped.exists():
        export_shipped(run, data, run)
    body = evaluate_live(run, data)
    attach_metrics(shipped, metrics_of(body))
    say(f"{write_page(run, body, data, out or run / PAGE)}: written")
    return table_lines(body)


def export(run: Path, to: Path | None, name: str, version: str) -> Path:
    """Export the folds, for evaluation, and what ships; return the path of the latter."""
    from offline.export.live import export_folds, export_shipped
    from offline.training.live.run import open_data
    from streammer.inference.artefact import read_metadata

    data = open_data(run)
    export_folds(run, data)
    path = export_shipped(run, data, to or run, name=name, version=version)
    if not read_metadata(path).metrics:
        say(f"{path}: its card has no figures yet; run `evaluate {run}` and export again")
    return path


def features(recipe: Recipe, folder: Path) -> "tuple[list[Path], list[FrontEndSpec]]":
    """Return the files that it takes features of, and the front ends."""
    from offline.batches.live.data import FRONT_ENDS
    from offline.datasets.collection import clips_of, sets_of

    return [clip.path for _, _, clip in clips_of(sets_of(folder))], [*FRONT_ENDS.values()]
