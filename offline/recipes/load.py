"""Reading recipes: by name or path, with the overlays of mode and labels and what was set."""

import tomllib
from typing import Any

import msgspec

from offline.recipes.extends import find_recipe, lay, read_recipe, refuse_unknown
from offline.recipes.recipe import Recipe
from offline.systems import system_kind
from streammer.errors import UsageError

__all__ = ["QUICK", "load_recipe", "load_text", "recipe_from"]

QUICK: dict[str, Any] = {
    "network.width": 0.125,
    "training.epochs": 1,
    "training.steps": 0,
    "data.per_clip": 1,
    "evaluation.n_boot": 100,
}
"""Changes that make a recipe run in seconds: does everything work?"""

_FORMER = {"faithful": "original", "mended": "corrected"}


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
    body = read_recipe(path)
    body.setdefault("name", path.stem)
    return _laid(body, str(path), mode, labels, changes)


def load_text(text: str, where: str, *, changes: dict[str, Any] | None = None) -> Recipe:
    """Read the recipe that an artefact or a run carries; `where` stands in messages.

    Raises
    ------
    UsageError
        It is none, or has an unknown key or value.
    """
    try:
        body = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: carries no readable recipe ({error})") from error
    return _laid(body, where, None, None, changes)


def _laid(
    body: dict[str, Any], where: str, mode: str | None, labels: str | None,
    changes: dict[str, Any] | None,
) -> Recipe:  # fmt: skip
    """Lay overlays and changes over a recipe's values."""
    body = _renamed(body)
    refuse_unknown(body, where)
    mode = mode or body.get("mode", "corrected")
    if mode not in ("corrected", "original"):
        raise UsageError(f"mode is {mode!r}; expected corrected or original")
    overlays = {key: body.pop(key, {}) for key in ("original", "corrected", "static")}
    labels = labels or body.get("data", {}).get("labels", "dynamic")
    forms = system_kind(str(body.get("family"))).labels
    if labels not in forms:
        said = body.get("name", where)
        raise UsageError(f"{said}: has no {labels} form; expected labels = {forms[0]}")
    if labels == "static":
        lay(body, overlays["static"])
    own = dict(overlays[mode])
    for_static = own.pop("static", {})
    lay(body, own)
    if labels == "static":
        lay(body, for_static)
    lay(body, {"mode": mode, "data": {"labels": labels}})
    for dotted, value in (changes or {}).items():
        if value is None:
            continue
        part: dict[str, Any] = {}
        here = part
        *parents, last = dotted.split(".")
        for key in parents:
            here = here.setdefault(key, {})
        here[last] = value
        lay(body, part)
    return recipe_from(body, where)


def _renamed(body: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe with today's names for keys that artefacts of version 0.1 carry."""
    if "mode" in body:
        body["mode"] = _FORMER.get(body["mode"], body["mode"])
    for old in _FORMER.keys() & body.keys():
        body[_FORMER[old]] = body.pop(old)
    for part in (body, body.get("original", {})):
        training = part.get("training", {})
        training.pop("time_budget_s", None)  # seconds cannot be repeated: whole epochs can
        if "warm_epochs" in training:
            training["warm_steps"] = 100 * training.pop("warm_epochs")
    return body


def recipe_from(body: dict[str, Any], where: str) -> Recipe:
    """Make a checked recipe of plain values; `where` stands in the message."""
    refuse_unknown(body, where)
    try:
        return msgspec.convert(body, Recipe, strict=False)
    except (msgspec.ValidationError, UsageError) as error:
        raise UsageError(f"{where}: {error}") from error
