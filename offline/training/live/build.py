"""`train` of the live model: networks, kernel ridges and MLPs, per fold and seed."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.live.mood import KernelMood
from models.live.texture import Texture
from offline.batches.live.data import LiveData
from offline.batches.live.load import load_live
from offline.batches.live.statistics import Rows, fit_change, make_rows
from offline.features.cache import FeatureCache
from offline.files import write_with
from offline.progress import say
from offline.recipes.live import LivePlan, plan_of
from offline.recipes.recipe import Recipe
from offline.training.live.members import train_members
from offline.training.live.mlp import fit_mlps, make_pairs
from offline.training.live.ridge import fit_kernel
from offline.training.live.run import kernel_path, mlps_path, networks_of, start_run
from streammer.errors import UsageError

__all__ = ["train_live"]


def train_live(
    recipe: Recipe,
    root: Path,
    cache: Path,
    run: Path,
    *,
    fresh: bool = False,
    workers: int = 1,
) -> LiveData:
    """Train everything that is not there yet in the run's folder.

    Parameters
    ----------
    recipe : Recipe
        Of the family ``live``.
    root, cache, run : Path
        Data, cached features, folder of the run.
    fresh : bool
        Throw an earlier run of this folder away.
    workers : int
        Processes for missing features.

    Raises
    ------
    UsageError
        The folder holds a run of another configuration, or the songs do not fill the folds.
    """
    plan = plan_of(recipe)
    start_run(run, recipe, root, cache, fresh=fresh)
    data = load_live(root, FeatureCache(cache), workers=workers)
    for note in data.notes[:20]:
        say(note)
    _check_folds(data, plan)
    if plan.has_networks:
        train_members(data, recipe, plan, run, networks_of(plan))
    train_kernels(data, plan, run)
    return data


def _check_folds(data: LiveData, plan: LivePlan) -> None:
    for fold in range(plan.folds):
        if not data.first_clips((fold,)):
            songs = len(data.first_clips(tuple(range(plan.folds))))
            raise UsageError(
                f"fold {fold} of {plan.folds} has no song of the {songs} with labels; give more "
                "songs, or fewer folds by --set network.options.folds=N"
            )


def train_kernels(data: LiveData, plan: LivePlan, run: Path) -> None:
    """Fit what takes statistics as input, per fold and seed, and once on every fold."""
    for seed in range(plan.seeds):
        wanted: list[int | None] = [*range(plan.folds), *([None] if seed == 0 else [])]
        missing = [f for f in wanted if not _is_fitted(run, plan, f, seed)]
        if not missing:
            continue
        part = plan.part
        texture = Texture(memory_s=part.memory_s, threshold=part.threshold)
        # What changes inside songs carries nothing of moods: one spread serves all folds.
        songs = data.first_clips(tuple(range(plan.folds)))
        fit_change(texture, data, [i for i in songs if len(data.mel[i]) >= 20][:400])
        moods, half_planes = make_rows(
            data, texture, plan.copied, seed, copies=part.copies, sounds=part.sounds
        )
        pairs = make_pairs(data, texture, plan.copied, seed) if plan.has_mlps else None
        for fold in missing:
            folds = [f for f in range(plan.folds) if f != fold]
            spread = data.prior(folds)[1]
            kernel = fit_kernel(moods, half_planes, texture, part, fold, spread, seed)
            _save_kernel(kernel, kernel_path(run, fold, seed))
            say(f"kernel ridge without fold {fold}, seed {seed}: {_size(moods, fold)} rows")
            if pairs is not None:
                bag = fit_mlps(moods, half_planes, pairs, plan.mlp, fold, seed, _teacher(kernel))
                body = bag.state_dict()
                write_with(mlps_path(run, fold, seed), lambda p, b=body: torch.save(b, p))
                say(f"MLPs without fold {fold}, seed {seed}: {bag.n} members")


def _teacher(kernel: KernelMood) -> Any:
    @torch.no_grad()
    def predicted(x: np.ndarray) -> np.ndarray:
        raw = kernel.read(torch.from_numpy(x).float())
        return torch.cat((raw[:, :2], raw[:, 4:6]), 1).numpy()

    return predicted


def _is_fitted(run: Path, plan: LivePlan, fold: int | None, seed: int) -> bool:
    wanted = [kernel_path(run, fold, seed)]
    if plan.has_mlps:
        wanted.append(mlps_path(run, fold, seed))
    return all(path.exists() for path in wanted)


def _size(rows: Rows, fold: int | None) -> int:
    return int((rows.fold != fold).sum()) if fold is not None else len(rows.fold)


def _save_kernel(kernel: KernelMood, path: Path) -> None:
    body = {"state": kernel.state_dict(), "gamma": kernel.gamma}
    write_with(path, lambda part: torch.save(body, part))
