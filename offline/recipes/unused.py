"""Options that a family of systems does not read, so that none is taken without effect."""

from collections.abc import Iterable

from offline.recipes.recipe import Recipe
from streammer.errors import UsageError

__all__ = ["refuse_unused"]

_NETWORK_ONLY = (
    "network.image", "network.width", "training.accelerator", "training.batch",
    "training.devices", "training.epochs", "training.loss", "training.lr", "training.optimiser",
    "training.patience", "training.precision", "training.time_budget_s", "training.warm_epochs",
    "training.warm_lr", "training.weight_decay",
)  # fmt: skip
_UNUSED: dict[str, tuple[str, ...]] = {
    "spectral": ("data.features", "data.sequence_s"),
    "window": ("data.features", "data.sequence_s", "data.song_s", "network.image"),
    "chroma": ("data.features", "data.song_s", "data.window_s", "network.image", "network.width"),
    "stacked": ("data.features", "data.song_s", "data.window_s", "network.image"),
    "classical": (
        "data.consecutive", "data.every_song", "data.per_clip", "data.sequence_s",
        "data.smooth_labels", "data.song_s", "data.target", "data.window_s", "evaluation.from_s",
        "evaluation.stride", "front_end", "network.options", *_NETWORK_ONLY,
    ),
    "live": (
        "data", "evaluation", "front_end", "network.image", "network.width", "outputs",
        "training.accelerator", "training.batch", "training.devices", "training.loss",
        "training.optimiser", "training.patience", "training.time_budget_s",
        "training.warm_epochs", "training.warm_lr",
    ),
}  # fmt: skip
_BY_OPTION = {"data.labels": "--labels", "mode": "--mode", "name": "--name"}
"""What `--set` cannot change, because overlays or folders follow from it."""


def refuse_unused(recipe: Recipe, given: Iterable[str], mode: str | None = None) -> None:
    """Refuse options that would do nothing for a recipe.

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
    unused = _UNUSED[recipe.family]
    for name in given:
        if name in _BY_OPTION:
            raise UsageError(f"--set {name}: expected the option {_BY_OPTION[name]}")
        parents = [name.rsplit(".", n)[0] for n in range(name.count(".") + 1)]
        if any(parent in unused for parent in parents):
            raise UsageError(
                f"{recipe.name}: {name} has no effect on a system of the family {recipe.family}; "
                "leave it out"
            )
    if mode == "original" and not recipe.faults:
        raise UsageError(f"{recipe.name}: has one form only; leave --mode out")
