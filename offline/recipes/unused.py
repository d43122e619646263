"""Settings that have no effect on a recipe, so that none is taken without one."""

from collections.abc import Callable, Iterable

from offline.recipes.recipe import Recipe
from streammer.errors import UsageError

__all__ = ["refuse_unused"]

_BY_OPTION = {"data.labels": "--labels", "mode": "--mode", "name": "--name"}
"""What `--set` cannot change, because overlays or folders follow from it."""


def _decays(recipe: Recipe) -> bool:
    return recipe.training.schedule in ("decay", "plateau")


_ALONE: dict[str, tuple[str, Callable[[Recipe], bool]]] = {
    "training.momentum": ("training.optimiser = sgd", lambda r: r.training.optimiser == "sgd"),
    "training.warm_share": (
        "training.schedule = one_cycle or cosine",
        lambda r: r.training.schedule in ("one_cycle", "cosine"),
    ),
    "training.decay": ("training.schedule = decay or plateau", _decays),
    "training.decay_epochs": ("training.schedule = decay or plateau", _decays),
    "training.least_lr": (
        "training.schedule = plateau",
        lambda r: r.training.schedule == "plateau",
    ),
    "training.warm_lr": ("training.warm_steps", lambda r: r.training.warm_steps > 0),
    "training.warm_steps": (
        "training.schedule = constant and training.warm_lr",
        lambda r: r.training.schedule == "constant" and r.training.warm_lr > 0,
    ),
    "training.epochs": ("training.steps = 0", lambda r: not r.training.steps),
    "training.patience": ("training.keep = best", lambda r: r.training.keep == "best"),
    "data.per_clip": (
        "data.consecutive = false and dynamic labels",
        lambda r: not r.data.consecutive and r.data.labels == "dynamic",
    ),
    "data.song_s": ("static labels", lambda r: r.data.labels == "static"),
    "data.window_s": ("dynamic labels", lambda r: r.data.labels == "dynamic"),
    "data.smooth_labels": ("dynamic labels", lambda r: r.data.labels == "dynamic"),
    "data.fold": ("five folds", lambda r: r.data.split in ("artist", "song")),
    "data.inner": ("five folds", lambda r: r.data.split in ("artist", "song")),
    "evaluation.from_s": ("dynamic labels", lambda r: r.data.labels == "dynamic"),
    "evaluation.stride": ("dynamic labels", lambda r: r.data.labels == "dynamic"),
}
"""What has an effect only beside another setting: which, and whether it is there."""


def refuse_unused(recipe: Recipe, given: Iterable[str], mode: str | None = None) -> None:
    """Refuse options that would do nothing for a recipe, and options that its kind does not know.

    Parameters
    ----------
    recipe : Recipe
    given : iterable of str
        Dotted names that were set on the command line.
    mode : str, optional
        As asked for.

    Raises
    ------
    UsageError
        Names the option, and why it has no effect.
    """
    kind = recipe.kind
    for name in given:
        if name in _BY_OPTION:
            raise UsageError(f"--set {name}: expected the option {_BY_OPTION[name]}")
        if name == "family":
            raise UsageError("--set family: expected a recipe of that family")
        if not kind.reads(name):
            raise UsageError(
                f"{recipe.name}: {name} has no effect on a system of the family {kind.name}; "
                "leave it out"
            )
        if name in _ALONE and not _ALONE[name][1](recipe):
            raise UsageError(f"{recipe.name}: {name} has an effect only with {_ALONE[name][0]}")
    if mode == "original" and not recipe.faults:
        raise UsageError(f"{recipe.name}: has one form only; leave --mode out")
    kind.check(recipe)
