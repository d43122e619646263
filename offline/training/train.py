"""`train`: a recipe and a data set -> a run folder with a fitted network."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from offline.datasets import Dataset
from offline.files import write_json
from offline.progress import say
from offline.recipes.recipe import Recipe
from offline.runs import FITTED, Run, make_run, prior_of
from streammer.errors import InputError

__all__ = ["is_main_process", "train"]


def is_main_process() -> bool:
    """Whether this is the first of several training processes (or the only one)."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


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
        Processes for missing features.

    Raises
    ------
    InputError
        The data set has nothing to train or validate on.
    """
    run = make_run(recipe, data, dataset, cache, runs, fresh=fresh, name=name)
    if run.fitted:
        say(f"{run.path}: already trained; use --fresh to start anew")
        return run
    if recipe.family == "classical":
        from offline.training.classical import fit_classical

        fitted = fit_classical(run, dataset)
    else:
        fitted = _fit_network(run, dataset, workers, show)
    if is_main_process():
        write_json(run.path / FITTED, fitted)
        say(f"{run.path}: trained ({_line(fitted)})")
    return run


def _line(fitted: dict[str, Any]) -> str:
    parts = [f"{fitted['n_train']} songs"]
    if "epochs" in fitted:
        parts.append(f"{fitted['epochs']} epochs in {fitted['train_s']:.0f} s")
    return ", ".join(parts)


def _fit_network(run: Run, dataset: Dataset, workers: int, show: bool) -> dict[str, Any]:
    import torch

    from models.audio.sequence import n_trained
    from offline.batches.clips import build_clips, sequence_sizes
    from offline.batches.loader import make_loader
    from offline.training.loop import fit
    from offline.training.networks import build_network, fit_scale

    recipe, split = run.recipe, run.split
    common: dict[str, Any] = {"workers": workers, "show": show}
    train_clips = build_clips(dataset, split.train, recipe, run.cache, **common)
    validation = build_clips(
        dataset, split.validation, recipe, run.cache, first_clip_only=True, **common
    )
    for side in (train_clips, validation):
        for line in side.missed.lines():
            say(line)
    labels = train_clips.labels()  # of the whole side: the constant knows all training songs
    if not len(labels):
        raise InputError(f"{dataset.root}: no labels to train on")
    read = set(split.train[:: recipe.data.every_song])
    train_clips.items = [p for p in train_clips.items if p.uid in read]
    if not train_clips.items:
        raise InputError(f"{recipe.name}: none of every {recipe.data.every_song} songs has audio")
    sizes = sequence_sizes(train_clips.items, recipe)
    torch.manual_seed(recipe.training.seed)
    net = build_network(recipe)
    fit_scale(net, train_clips.items, recipe, recipe.training.seed)
    done = fit(
        net,
        recipe,
        (
            make_loader(train_clips.items, recipe, sizes, train=True),
            make_loader(validation.items, recipe, sizes, train=False),
        ),
        run.path,
        show=show,
    )
    return {
        **done,
        "sizes": list(sizes),
        "n_weights": n_trained(net),
        "n_train": len({p.uid for p in train_clips.items}),
        "n_validation": len(validation),
        "without": {"train": train_clips.without, "validation": validation.without},
        "data_hash": train_clips.data_hash(),
        "constant": [float(v) for v in labels.mean(axis=0)],
        "prior": prior_of(np.asarray(labels), recipe.outputs),
    }
