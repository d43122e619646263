"""Options that a family of systems does not read, so that none is taken without effect."""

from collections.abc import Iterable

from offline.recipes.recipe import Recipe
from streammer.errors import UsageError

__all__ = ["refuse_unused"]

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
    for name in given:
        if name in _BY_OPTION:
            raise UsageError(f"--set {name}: expected the option {_BY_OPTION[name]}")
        if not recipe.kind.reads(name):
            raise UsageError(
                f"{recipe.name}: {name} has no effect on a system of the family {recipe.family}; "
                "leave it out"
            )
    if mode == "original" and not recipe.faults:
        raise UsageError(f"{recipe.name}: has one form only; leave --mode out")
