"""`train`: fit a recipe on a data set, or go on where a killed run was."""

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from offline.cli.options import (
    DEFAULT_CACHE,
    DEFAULT_RUNS,
    Cache,
    DataPath,
    Runs,
    data_folder,
)
from offline.progress import say
from streammer.errors import UsageError

if TYPE_CHECKING:
    from offline.recipes.recipe import Recipe

__all__ = ["train"]


def train(
    recipe: str,
    *,
    data: DataPath = None,
    cache: Cache = DEFAULT_CACHE,
    runs: Runs = DEFAULT_RUNS,
    mode: Literal["corrected", "original"] | None = None,
    labels: Literal["dynamic", "static"] | None = None,
    split: str | None = None,
    fold: int | None = None,
    width: float | None = None,
    image: tuple[int, int] | None = None,
    epochs: int | None = None,
    time_budget: float | None = None,
    seed: int | None = None,
    precision: str | None = None,
    devices: int | None = None,
    accelerator: str | None = None,
    name: str = "",
    fresh: bool = False,
    workers: int = 2,
    progress: bool = True,
    set_: Annotated[list[str] | None, Parameter(name="--set")] = None,
) -> None:
    """Train a recipe on a data set, or go on where a killed run was.

    Parameters
    ----------
    recipe
        Name of a recipe, or a .toml file.
    mode
        Mend the original's faults, or keep them (original).
    labels
        2 Hz labels or one per song.
    split
        artist, song (5 folds), test58, mediaeval2013, mediaeval2014, seed001, seed002.
    width
        Factor on all channels and units.
    image
        Bins and frames of the spectral image.
    time_budget
        Seconds of training (of processor time on a CPU), checked after each epoch.
    precision
        32, bf16-mixed, 16-mixed.
    devices
        Processes or GPUs (DDP).
    name
        Name of the run folder.
    fresh
        Start anew.
    set_
        Any other value of the recipe, e.g. --set training.lr=0.01

    Examples
    --------
    python -m offline train crnn-gru3 --data ~/DEAM --devices 2 --precision bf16-mixed
    python -m offline train window-m2 --fold 3 --width 0.5 --time-budget 60
    """
    from offline.recipes.load import load_recipe
    from offline.recipes.unused import refuse_unused

    asked: dict[str, Any] = {
        "data.split": split,
        "data.fold": fold,
        "network.width": width,
        "network.image": list(image) if image else None,
        "training.epochs": epochs,
        "training.time_budget_s": time_budget,
        "training.seed": seed,
        "training.precision": precision,
        "training.devices": devices,
        "training.accelerator": accelerator,
        **dict(_assignment(text) for text in set_ or ()),
    }
    changes = {key: value for key, value in asked.items() if value is not None}
    chosen = load_recipe(recipe, mode=mode, labels=labels, changes=changes)
    refuse_unused(chosen, changes, mode)
    folder = data_folder(data)
    if chosen.family == "live":
        from offline.training.live.build import train_live

        run = runs / (name or chosen.name)
        train_live(chosen, folder, cache, run, fresh=fresh, workers=workers)
        print(run)
    else:
        _train_run(chosen, folder, cache, runs, name=name, fresh=fresh, workers=workers,
                   show=progress and sys.stderr.isatty())  # fmt: skip


def _train_run(recipe: "Recipe", data: Path, cache: Path, runs: Path, **how: Any) -> None:
    from offline.datasets import load_dataset
    from offline.training.train import is_main_process
    from offline.training.train import train as train_run

    dataset = load_dataset(data)
    if is_main_process():
        for line in dataset.findings.notes:
            say(line)
    run = train_run(recipe, dataset, data=data, cache=cache, runs=runs, **how)
    if is_main_process():
        print(run.path)


def _assignment(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"--set {text!r}: expected name=value, e.g. training.lr=0.01")
    try:
        return key, tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        return key, value
