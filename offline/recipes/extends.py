"""Recipe files as plain values: read, laid over what they extend, and checked key by key."""

import tomllib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from offline.recipes.recipe import Recipe
from offline.systems import near
from streammer.errors import InputError, UsageError
from streammer.frontend import FrontEndSpec

__all__ = ["all_recipes", "find_recipe", "lay", "read_recipe", "refuse_keys", "refuse_unknown"]

RECIPES = Path(__file__).parent
"""Folder of the recipes that come with the laboratory."""
OVERLAYS = ("original", "corrected", "static")
_TABLES = {"front_end": FrontEndSpec}
_OWN = ("name", "extends")
"""Keys that are not taken over from what is extended."""


def _files() -> dict[str, Path]:
    return {p.stem: p for p in sorted(RECIPES.rglob("*.toml"))}


def all_recipes() -> list[str]:
    """Names of the recipes that come with the laboratory, without those that are only extended."""
    return sorted(name for name in _files() if not name.startswith("_"))


def find_recipe(name: str, beside: Path | None = None) -> Path:
    """Path of a recipe given by name or path.

    Parameters
    ----------
    beside : Path, optional
        File that names it: a relative path is looked for in its folder.

    Raises
    ------
    InputError
        There is no such file.
    UsageError
        There is no such name; the near one is given.
    """
    if name.endswith(".toml"):
        path = beside.parent / name if beside is not None else Path(name)
        if not path.is_file():
            raise InputError(f"{path}: no such recipe file")
        return path
    own = _files()
    if name in own:
        return own[name]
    raise UsageError(f"no recipe or .toml file is called {name!r}{near(name, all_recipes())}")


def read_recipe(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a recipe and lay it over what it extends, overlays over overlays.

    Raises
    ------
    UsageError
        It is no TOML, has an unknown key, or extends itself.
    """
    try:
        own = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: no readable recipe ({error})") from error
    base = own.pop("extends", None)
    if base is None:
        return own
    if not isinstance(base, str):
        raise UsageError(f"{path}: extends is {base!r}; expected the name of a recipe or its file")
    parent = find_recipe(base, path)
    chain = (*above, path)
    if parent.resolve() in {p.resolve() for p in chain}:
        names = " extends ".join(p.stem for p in (*chain, parent))
        raise UsageError(f"{path}: a recipe cannot extend itself: {names}")
    body = read_recipe(parent, chain)
    for key in _OWN:
        body.pop(key, None)
    lay(body, own)
    return body


def lay(body: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Lay values over others: tables key by key, all else in place of what was there."""
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(body.get(key), dict):
            lay(body[key], value)
        else:
            body[key] = deepcopy(value)  # what is laid over it next must not change the given value


def refuse_unknown(body: Mapping[str, Any], where: str) -> None:
    """Refuse keys that no recipe has, also in overlays, with the near name.

    Raises
    ------
    UsageError
        Names the first one with its parents.
    """
    own = {key: value for key, value in body.items() if key not in OVERLAYS}
    refuse_keys(own, Recipe, where, more=OVERLAYS, tables=_TABLES)
    for overlay in OVERLAYS:
        part = body.get(overlay, {})
        if isinstance(part, dict):
            inner = {key: value for key, value in part.items() if key != "static"}
            refuse_keys(inner, Recipe, where, f"{overlay}.", tables=_TABLES)
            if overlay != "static":
                static = part.get("static", {})
                refuse_keys(static, Recipe, where, f"{overlay}.static.", tables=_TABLES)


def refuse_keys(
    body: Any,
    struct: Any,
    where: str,
    parents: str = "",
    *,
    more: Iterable[str] = (),
    tables: Mapping[str, type] = MappingProxyType({}),
) -> None:
    """Refuse keys that a struct or dataclass has no field for, with the near name.

    Parameters
    ----------
    body : Any
        Values as TOML gives them; what is no table is left to the conversion.
    struct : type
    where, parents : str
        What is read, and the dotted keys above, for the message.
    more : iterable of str
        Further names that are known.
    tables : mapping of str to type
        Fields whose type does not say what is inside them.

    Raises
    ------
    UsageError
        Names the first one.
    """
    if not isinstance(body, dict):
        return
    types = get_type_hints(struct)
    for key, value in body.items():
        if key not in types:
            raise UsageError(f"{where}: unknown key {parents}{key}{near(key, [*types, *more])}")
        inside = tables.get(key, types[key])
        if _is_struct(inside) or key in tables:
            refuse_keys(value, inside, where, f"{parents}{key}.")


def _is_struct(hint: Any) -> bool:
    plain = get_args(hint)[0] if get_origin(hint) else hint
    return isinstance(plain, type) and issubclass(plain, msgspec.Struct)
