"""`reproduce`: every published DEAM system through the same code, resumable, then the report.

A job is one recipe in one mode with one kind of labels on one split. What has finished is not
run again; a killed run is gone on with.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline.datasets import Dataset, load_dataset
from offline.datasets.check import figures_from
from offline.datasets.folds import is_test58
from offline.progress import say
from offline.recipes.extends import all_recipes, find_recipe
from offline.recipes.load import QUICK, load_recipe
from offline.recipes.recipe import Recipe
from streammer.errors import InputError, StreammerError, UsageError

__all__ = ["Plan", "jobs", "reproduce"]


@dataclass(frozen=True)
class Plan:
    """What to run.

    Parameters
    ----------
    only : tuple of str
        Recipes; all when empty.
    quick : bool
        One fold, one epoch, an eighth of the width.
    folds : int
        Of five.
    width, steps, precision, image, stride
        In place of the recipes' own; stated in the report.
    modes, labels : tuple of str
    """

    only: tuple[str, ...] = ()
    quick: bool = False
    folds: int = 5
    width: float | None = None
    steps: int | None = None
    precision: str | None = None
    image: tuple[int, int] | None = None
    stride: int | None = None
    modes: tuple[str, ...] = ("corrected", "original")
    labels: tuple[str, ...] = ("dynamic", "static")


def jobs(plan: Plan, dataset: Dataset) -> Iterator[tuple[str, Recipe]]:
    """All (recipe name, recipe) of a plan, corrected and dynamic ones first.

    Raises
    ------
    UsageError
        `only` names an unknown recipe.
    """
    names = [n for n in (plan.only or all_recipes())]
    for name in names:
        find_recipe(name)
    full = has_full_audio(dataset)
    for labels in plan.labels:
        for mode in plan.modes:
            for name in names:
                base = load_recipe(name, mode=mode)
                if not _has(base, mode, labels):
                    continue
                splits: list[dict[str, Any]] = [
                    {"data.fold": fold} for fold in range(1 if plan.quick else plan.folds)
                ]
                own = base.kind.published_split
                if full and not plan.quick:
                    splits.append({"data.split": "test58"})
                    splits += [{"data.split": own}] if own else []
                for split in splits:
                    changes = {**_changes(plan, base, full), **split}
                    yield name, load_recipe(name, mode=mode, labels=labels, changes=changes)


def _has(base: Recipe, mode: str, labels: str) -> bool:
    """Whether a recipe is reported in this mode with this kind of labels."""
    if mode == "original" and not base.faults:
        return False
    return base.kind.reported and labels in base.kind.labels


def _changes(plan: Plan, base: Recipe, full: bool) -> dict[str, Any]:
    """Return what a plan changes of a recipe, as far as its kind reads it."""
    changes: dict[str, Any] = dict(QUICK) if plan.quick else {}
    if plan.width is not None:
        changes["network.width"] = plan.width
    if plan.steps is not None:
        changes["training.steps"] = plan.steps
    if plan.precision is not None and base.kind.half_precision:
        changes["training.precision"] = plan.precision
    if plan.image is not None and base.kind.images:
        changes["network.image"] = list(plan.image)
    if plan.stride is not None:
        changes["evaluation.stride"] = plan.stride
    if not full and "static" in base.kind.labels:
        changes["data.song_s"] = 10.0
    return {key: value for key, value in changes.items() if base.kind.reads(key)}


def has_full_audio(dataset: Dataset) -> bool:
    """Whether the whole excerpts are there, as the published protocols need them."""
    return any(line.startswith("can compute the published") for line in figures_from(dataset))


def reproduce(
    deam: Path, plan: Plan, *, cache: Path, runs: Path, out: Path | None, workers: int = 1
) -> None:
    """Run a plan and, with a folder `out`, write the report after it.

    A job that cannot run is reported and left out of the report; the others go on.

    Raises
    ------
    InputError
        The folder holds no DEAM, or nothing ran.
    """
    from offline.reporting.report import write_report

    dataset = load_dataset(deam)
    if dataset.name != "deam":
        raise InputError(f"{deam}: holds {dataset.name}, expected DEAM or its clips")
    for line in dataset.findings.notes:
        say(line)
    todo = list(jobs(plan, dataset))
    if not todo:
        raise UsageError("nothing to run: no recipe has this mode and kind of labels")
    done = 0
    for at, (_, recipe) in enumerate(todo):
        try:
            run_job(dataset, deam, recipe, cache, runs, workers)
            done += 1
        except StreammerError as error:
            say(f"[{at + 1}/{len(todo)}] {recipe.slug}: {error}")
        else:
            say(f"[{at + 1}/{len(todo)}] {recipe.slug}: done")
    if not done:
        raise InputError(f"{deam}: none of {len(todo)} jobs ran; see the lines above")
    if out is not None:
        say(str(write_report(deam, runs, cache, out)))


def run_job(
    dataset: Dataset,
    deam: Path,
    recipe: Recipe,
    cache: Path,
    runs: Path,
    workers: int,
) -> None:
    """Train, evaluate and, for the first fold, evaluate on the 58 songs; skip what is there."""
    from offline.evaluation.evaluate import evaluate, is_scored
    from offline.training.train import train

    run = train(recipe, dataset, data=deam, cache=cache, runs=runs, workers=workers, show=False)
    if not is_scored(run):
        evaluate(run, dataset, workers=workers, show=False)
    test58 = [s.uid for s in dataset if is_test58(s)]
    first = recipe.data.split in ("artist", "song") and recipe.data.fold == 0
    if first and test58 and not is_scored(run, "test58"):
        evaluate(run, dataset, songs=test58, name="test58", workers=workers, show=False)
