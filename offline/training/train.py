"""`train`: a recipe and a data set -> a run folder with a fitted system."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offline.datasets import Dataset, load_dataset
from offline.files import write_json
from offline.progress import say
from offline.recipes.recipe import Recipe
from offline.runs import FITTED, Run, make_run

if TYPE_CHECKING:
    from streammer.frontend import FrontEndSpec

__all__ = ["feature_inputs", "is_main_process", "train", "train_recipe"]


def is_main_process() -> bool:
    """Whether this is the first of several training processes (or the only one)."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def train_recipe(recipe: Recipe, data: Path, cache: Path, runs: Path, **how: Any) -> Path:
    """Train a recipe on the data set in a folder, and return the run's folder; see `train`."""
    dataset = load_dataset(data)
    if is_main_process():
        for line in dataset.findings.notes:
            say(line)
    return train(recipe, dataset, data=data, cache=cache, runs=runs, **how).path


def train(
    recipe: Recipe,
    dataset: Dataset,
    *,
    data: Path,
    cache: Path,
    runs: Path,
    name: str = "",
    fresh: bool = False,
    workers: int = 1,
    show: bool = True,
) -> Run:
    """Train a recipe, or go on where a killed run was; a finished run is left alone.

    Parameters
    ----------
    recipe : Recipe
    dataset : Dataset
    data, cache, runs : Path
        Folder of the data set, of cached features, of runs.
    fresh : bool
        Throw an earlier run of this name away.
    workers : int
        Processes for missing features, and for batches where a GPU computes.

    Raises
    ------
    InputError
        The data set has nothing to train or validate on.
    """
    system = recipe.kind.make(recipe)
    system.check()
    run = make_run(recipe, data, dataset, cache, runs, fresh=fresh and is_main_process(), name=name)
    if run.fitted:
        say(f"{run.path}: already trained; use --fresh to start anew")
        return run
    fitted = system.fit(run, dataset, workers=workers, show=show)
    if is_main_process():
        write_json(run.path / FITTED, fitted)
        say(f"{run.path}: trained ({_line(fitted)})")
    return run


def _line(fitted: dict[str, Any]) -> str:
    parts = [f"{fitted['n_train']} songs"]
    if "steps" in fitted:
        parts.append(f"{fitted['steps']} steps in {fitted['train_s']:.0f} s")
    return ", ".join(parts)


def feature_inputs(recipe: Recipe, folder: Path) -> "tuple[list[Path], list[FrontEndSpec]]":
    """Return the files that a recipe takes features of, and the front ends.

    Raises
    ------
    UsageError
        It takes none.
    """
    found: tuple[list[Path], list[FrontEndSpec]]
    found = recipe.kind.make(recipe).features(load_dataset(folder))
    return found
