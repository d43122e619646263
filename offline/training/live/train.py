"""`train` of the live model: a network for every held-out fold, and one of all, which ships.

A network is trained, where the recipe says so, after several seeds and on the mean of their
outputs. None is chosen by its epoch: the schedule ends at a learning rate of zero and the average
of the last weights counts. What takes songs that were not trained on, the scale of sigma, is fitted
on an inner fold with a network that was trained without it; the held-out fold decides nothing.
"""

from pathlib import Path

import numpy as np

from models.live.mood_net import MoodNet
from models.live.mood_step import MoodStep
from offline.batches.live.data import LiveData
from offline.batches.live.load import load_live
from offline.batches.live.teaching import Tables, fit_teaching, load_tables
from offline.features.cache import FeatureCache
from offline.files import write_json
from offline.progress import say
from offline.recipes.mood import MoodPlan, mood_plan
from offline.recipes.recipe import Recipe
from offline.runs import FITTED, begin_run
from offline.training.live.calibration import fit_calibration
from offline.training.live.run import (
    CALIBRATION,
    EVERY,
    Member,
    network_folder,
    networks_of,
    save_calibration,
    selected,
)
from offline.training.live.system import MoodSystem, check_weights
from offline.training.loop import check_device, fit_network, makers_of, on_gpu, train_network
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
    show: bool = False,
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
        Processes for missing features and tags, and for batches where a GPU trains.
    show : bool
        Progress bars.

    Raises
    ------
    UsageError
        The folder holds a run of another configuration, or the songs do not fill the folds.
    """
    plan = mood_plan(recipe)
    check_weights(recipe)
    check_device(recipe.training)
    selected(recipe, LiveData())  # refuses folds that there are not, before anything is written
    begin_run(run, recipe, root, cache, fresh=fresh)
    kept = FeatureCache(cache)
    data = load_live(root, kept, sounds=plan.sounds, workers=workers, show=show)
    _check_folds(data, plan)
    data = selected(recipe, data)
    for note in data.notes[:20]:
        say(note)
    tables: Tables = {}
    if recipe.training.weights.get("teacher"):
        tables = load_tables(
            data, root, kept, plan.teacher, workers=workers, show=show,
            device="cuda" if on_gpu(recipe.training) else "cpu",
        )  # fmt: skip
    makers = makers_of(recipe.training, workers)
    for member in networks_of(recipe):
        _train(recipe, data, tables, kept, run, member, workers=makers, show=show)
    return data


def _check_folds(data: LiveData, plan: MoodPlan) -> None:
    if plan.folds < 3:
        raise UsageError(
            f"{plan.folds} folds: expected at least 3 (one is held out, one calibrates, the rest "
            "train)"
        )
    for fold in range(plan.folds):
        if not data.first_clips((fold,)):
            songs = len(data.first_clips(tuple(range(plan.folds))))
            raise UsageError(
                f"fold {fold} of {plan.folds} has no song of the {songs} with labels; give more "
                "songs, or fewer folds by --set network.options.folds=N"
            )


def _train(
    recipe: Recipe,
    data: LiveData,
    tables: Tables,
    cache: FeatureCache,
    run: Path,
    member: Member,
    *,
    workers: int,
    show: bool,
) -> None:
    """Train one member: the seeds before it, itself, and the network that calibrates it."""
    plan, folder = mood_plan(recipe), network_folder(run, member)
    base = 10_000 * recipe.training.seed + 1000 * member.seed + 100 * (member.fold + 1)

    def made(folds: tuple[int, ...]) -> MoodSystem:
        taught = fit_teaching(data, tables, folds, plan.teacher.components)
        _note(run, data, taught=taught is not None)
        return MoodSystem(recipe, data, folds, taught, cache)

    system = made(member.folds(plan).train)
    done = train_network(system, system.batches, folder, seed=base, workers=workers, show=show)
    say(f"{member.name}: {done.facts['steps']} steps")
    if member.fold == EVERY or (folder / CALIBRATION).exists():
        return
    here = [f for f in member.folds(plan).train if data.first_clips((f,))]
    calibrates = next((f for f in here if f > member.fold), here[0])
    inner = member.folds(plan).inner(calibrates)
    system = made(inner.train)
    found = fit_network(
        system, system.batches(base), folder / "inner", seed=base, workers=workers, show=show
    )
    spread = data.prior(inner.train)[1]
    save_calibration(folder, fit_calibration(_step(found.net, spread), data, inner.validation))


def _step(net: object, spread: np.ndarray) -> MoodStep:
    assert isinstance(net, MoodNet)
    return MoodStep(net, sigma_max=(float(spread[0]), float(spread[1])))


def _note(run: Path, data: LiveData, *, taught: bool) -> None:
    """Write down what the networks of a run were trained on."""
    every = tuple(sorted({c.fold for c in data.clips if c.fold >= 0}))
    kinds = ("curve", "quadrant", "cluster", "deezer")
    songs = {kind: len({data.clips[i].song for i in data.where(kind, every)}) for kind in kinds}
    write_json(
        run / FITTED,
        {"data_hash": data.data_hash(), "notes": data.notes, "clips": len(data.clips),
         "songs": songs, "taught": taught},
    )  # fmt: skip
