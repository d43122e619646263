"""Reading recipes: by name or path, with the overlays of mode and labels and what was set."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from offline.recipes.recipe import Recipe
from streammer.errors import InputError, UsageError

__all__ = ["QUICK", "RECIPES", "all_recipes", "find_recipe", "load_recipe", "recipe_from"]

RECIPES = Path(__file__).parent
"""Folder of the recipes that come with the laboratory."""

QUICK: dict[str, Any] = {
    "network.width": 0.125,
    "training.epochs": 1,
    "data.per_clip": 1,
    "evaluation.n_boot": 100,
}
"""Changes that make a recipe run in seconds: does everything work?"""

_FORMER = {
    "faithful": "original", "mended": "corrected", "perceptrons": "mlps",
    "perceptron_share": "mlp_share",
}  # fmt: skip


def find_recipe(name: str) -> Path:
    """Path of a recipe given by name or path.

    Raises
    ------
    UsageError
        There is none; the known ones are named.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise InputError(f"{path}: no such recipe file")
        return path
    own = {p.stem: p for p in RECIPES.rglob("*.toml")}
    if name in own:
        return own[name]
    known = ", ".join(sorted(own))
    raise UsageError(f"recipe {name!r} is unknown; expected a .toml file or one of {known}")


def load_recipe(
    name: str,
    *,
    mode: str | None = None,
    labels: str | None = None,
    changes: dict[str, Any] | None = None,
) -> Recipe:
    """Read a recipe, lay the overlays of mode and labels over it, then `changes`.

    Parameters
    ----------
    name : str
        Name or path.
    mode, labels : str, optional
        In place of the recipe's own.
    changes : dict, optional
        Dotted names to values, e.g. ``{'network.width': 0.25}``.

    Raises
    ------
    UsageError
        Unknown name, key or value, in one line.
    """
    path = find_recipe(name)
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: no readable recipe ({error})") from error
    body = _renamed(body)
    mode = mode or body.get("mode", "corrected")
    if mode not in ("corrected", "original"):
        raise UsageError(f"mode is {mode!r}; expected corrected or original")
    overlays = {key: body.pop(key, {}) for key in ("original", "corrected", "static")}
    labels = labels or body.get("data", {}).get("labels", "dynamic")
    if labels == "static" and body.get("family") in ("window", "chroma", "stacked", "live"):
        raise UsageError(f"{path.stem}: has no static form; expected labels = dynamic")
    if labels == "static":
        _lay(body, overlays["static"])
    own = dict(overlays[mode])
    for_static = own.pop("static", {})
    _lay(body, own)
    if labels == "static":
        _lay(body, for_static)
    _lay(body, {"mode": mode, "data": {"labels": labels}})
    body.setdefault("name", path.stem)
    for dotted, value in (changes or {}).items():
        if value is None:
            continue
        part: dict[str, Any] = {}
        here = part
        *parents, last = dotted.split(".")
        for key in parents:
            here = here.setdefault(key, {})
        here[last] = value
        _lay(body, part)
    return recipe_from(body, str(path))


def _renamed(body: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe with today's names for keys that artefacts of version 0.1 carry."""
    if "mode" in body:
        body["mode"] = _FORMER.get(body["mode"], body["mode"])
    options = body.get("network", {}).get("options", {})
    for part in (body, options):
        for old in _FORMER.keys() & part.keys():
            part[_FORMER[old]] = part.pop(old)
    return body


def recipe_from(body: dict[str, Any], where: str) -> Recipe:
    """Make a checked recipe of plain values; `where` stands in the message."""
    try:
        return msgspec.convert(body, Recipe, strict=False)
    except (msgspec.ValidationError, UsageError) as error:
        raise UsageError(f"{where}: {error}") from error


def _lay(body: dict[str, Any], over: dict[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(body.get(key), dict):
            _lay(body[key], value)
        else:
            body[key] = value


def all_recipes() -> list[str]:
    """Names of the recipes that come with the laboratory."""
    return sorted(p.stem for p in RECIPES.rglob("*.toml"))
