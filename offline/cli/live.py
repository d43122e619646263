"""What the commands of the laboratory do for the live family."""

import json
from pathlib import Path

from offline.batches.live.data import LiveData, load_live
from offline.features.cache import FeatureCache
from offline.progress import say
from offline.recipes.recipe import Recipe, find_recipe
from offline.training.live.build import train_live
from offline.training.live.run import is_live_run, recipe_of_run, shipped_of

__all__ = ["evaluate_run", "export_run", "live_run", "open_data", "train_run"]


def live_run(run: Path, runs: Path) -> Path | None:
    """Folder of a live run given by path or, inside `runs`, by name; None when it is none."""
    for path in (run, runs / run):
        if is_live_run(path):
            return path
    return None


def train_run(
    recipe: Recipe, name: str, data: Path, cache: Path, run: Path, workers: int = 1
) -> Path:
    """Train a live recipe into `run`, or go on where a killed run was."""
    train_live(
        recipe, find_recipe(name).read_text(encoding="utf-8"), data, cache, run, workers=workers
    )
    return run


def open_data(run: Path) -> LiveData:
    """Load the data that a run was trained on."""
    body = json.loads((run / "live.json").read_text(encoding="utf-8"))
    return load_live(Path(body["data"]), FeatureCache(Path(body["cache"])))


def export_run(run: Path, to: Path | None, *, name: str = "", version: str = "1") -> Path:
    """Export the artefacts of all folds into the run, and the shipped one into `to`."""
    from offline.export.live import export_live
    from offline.export.live_card import sections_of

    recipe = recipe_of_run(run)
    name = name or recipe.name
    return export_live(
        run, open_data(run), to or run, name=name, version=version, sections=sections_of(run)
    )


def evaluate_run(run: Path, out: Path) -> list[str]:
    """Score every fold's artefact and the table of aims; lines to print."""
    from offline.evaluation.live.evaluate import evaluate_live, metrics_of
    from offline.export.onnx import attach_metrics
    from offline.reporting.live.page import write_page
    from offline.reporting.live.table import table_lines

    data = open_data(run)
    body = evaluate_live(run, data)
    attach_metrics(shipped_of(run), metrics_of(body))
    say(f"{write_page(run, body, data, out)}: written")
    return table_lines(body)
