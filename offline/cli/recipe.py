"""`recipe`: what a recipe says with all that it extends and all that is set."""

from typing import Annotated, Literal

from cyclopts import Parameter

from offline.cli.options import assignments

__all__ = ["recipe"]


def recipe(
    name: str = "",
    *,
    mode: Literal["corrected", "original"] | None = None,
    labels: Literal["dynamic", "static"] | None = None,
    set_: Annotated[list[str] | None, Parameter(name="--set")] = None,
) -> None:
    """Print a recipe with everything laid over it, as a run of it would keep it; or list all.

    Parameters
    ----------
    name
        Name of a recipe, or a .toml file; all are listed without one.
    mode
        The original's settings, or the corrected ones.
    set_
        Any value in place of the recipe's, as in `train`.

    Examples
    --------
    python -m offline recipe
    python -m offline recipe crnn-cbam-max --mode original
    """
    from offline.recipes.extends import all_recipes
    from offline.recipes.load import load_recipe
    from offline.recipes.recipe import recipe_toml
    from offline.recipes.unused import refuse_unused

    if not name:
        for known in all_recipes():
            print(f"{known:20s} {load_recipe(known).about}")
        return
    changes = assignments(set_)
    chosen = load_recipe(name, mode=mode, labels=labels, changes=changes)
    refuse_unused(chosen, changes, mode)
    print(recipe_toml(chosen), end="")
