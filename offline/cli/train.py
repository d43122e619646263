"""`train`: fit a recipe on a data set, or go on where a killed run was."""

import os
import sys
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from offline.cli.options import (
    DEFAULT_CACHE,
    DEFAULT_RUNS,
    Cache,
    DataPath,
    Runs,
    assignments,
    data_folder,
)

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
    inner: int | None = None,
    width: float | None = None,
    image: tuple[int, int] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
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
        Correct the original's faults, or keep its settings (original).
    labels
        2 Hz labels or one per song.
    split
        artist, song (5 folds), test58, mediaeval2013, mediaeval2014, seed001, seed002.
    fold
        Outer fold: tested, by nothing chosen.
    inner
        For selection: test on this fold and put the outer one away.
    width
        Factor on all channels and units.
    image
        Bins and frames of the spectral image.
    steps
        Optimiser steps in all, in place of whole epochs.
    precision
        32, mixed (the device's own), bf16-mixed, 16-mixed.
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
    python -m offline train window-m2 --fold 3 --width 0.5 --steps 500
    python -m offline train window-m2 --fold 3 --inner 0 --set training.lr=0.003
    """
    from offline.recipes.load import load_recipe
    from offline.recipes.unused import refuse_unused

    asked: dict[str, Any] = {
        "data.split": split,
        "data.fold": fold,
        "data.inner": inner,
        "network.width": width,
        "network.image": list(image) if image else None,
        "training.epochs": epochs,
        "training.steps": steps,
        "training.seed": seed,
        "training.precision": precision,
        "training.devices": devices,
        "training.accelerator": accelerator,
        **assignments(set_),
    }
    changes = {key: value for key, value in asked.items() if value is not None}
    chosen = load_recipe(recipe, mode=mode, labels=labels, changes=changes)
    refuse_unused(chosen, changes, mode)
    run = chosen.kind.verb("train")(
        chosen, data_folder(data), cache, runs, name=name, fresh=fresh, workers=workers,
        show=progress and sys.stderr.isatty(),
    )  # fmt: skip
    if os.environ.get("LOCAL_RANK", "0") == "0":  # of several processes one speaks
        print(run)
