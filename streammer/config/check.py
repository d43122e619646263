"""Values against the types of a table: what is wrong is said with place, key and what would do."""

import math
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from streammer.config.fields import fields_of
from streammer.config.lines import KeyPath
from streammer.errors import UsageError

__all__ = ["Checker"]

Options = TypeVar("Options")

_WORDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
_SHOWN = 60


class Checker:
    """Convert tables, and gather what is wrong with them.

    Parameters
    ----------
    where : callable
        Says where a key stands: file and line, or the option that gave it.

    Attributes
    ----------
    problems : list of str
        A line each.
    """

    def __init__(self, where: Callable[[KeyPath], str]) -> None:
        self.problems: list[str] = []
        self._where = where

    def problem(
        self, path: KeyPath, text: str, *, whole: bool = False, origin: str | None = None
    ) -> None:
        """Note a problem: place, key and what is wrong; `whole` if the text needs no key."""
        place = origin or self._where(path)
        key = "" if whole or not path or origin else f"{_key(path)} "
        self.problems.append(f"{place}: {key}{text}" if not origin else f"{place} {text}")

    def known(self, table: dict[str, Any], keys: Sequence[str], path: KeyPath, what: str) -> bool:
        """Return whether a table has no other keys than these."""
        unknown = [key for key in table if key not in keys]
        for key in unknown:
            near = get_close_matches(key, keys, 1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"expected {_listed(keys)}"
            self.problem((*path, key), f"is no key of {what}: {hint}")
        return not unknown

    def choice(
        self, table: dict[str, Any], key: str, values: Sequence[str], path: KeyPath
    ) -> str | None:
        """Return the value of a key that has few, or None if it has none of them."""
        value = table.get(key)
        if isinstance(value, str) and value in values:
            return value
        expected = _listed(values) if values else "none yet: this streammer has no such kind"
        near = get_close_matches(str(value), values, 1)
        hint = f"did you mean {near[0]}?" if near else f"expected {expected}"
        said = "is missing" if value is None else f"is {_shown(value)}"
        self.problem((*path, key), f"{said}: {hint}")
        return None

    def tables(self, value: Any, path: KeyPath) -> list[dict[str, Any]]:
        """Return an array of tables, empty if it is none."""
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
        name = _key(path)
        self.problem(path, f"is {_shown(value)}: expected tables, each begun by [[{name}]]")
        return []

    def table(self, table: Any, struct: type[Options], path: KeyPath) -> Options | None:
        """Return a table as its struct, or None if something is wrong with it."""
        if not isinstance(table, dict):
            self.problem(path, f"is {_shown(table)}: expected a table, begun by [{_key(path)}]")
            return None
        fields = {field.name: field for field in fields_of(struct)}
        good = self.known(table, tuple(fields), path, _what(path))
        values: dict[str, Any] = {}
        for name, field in fields.items():
            if name not in table:
                if field.required:
                    self.problem((*path, name), "is missing")
                    good = False
                continue
            try:
                values[name] = _converted(table[name], field.type)
            except (msgspec.ValidationError, ValueError) as error:
                self.problem(
                    (*path, name), f"is {_shown(table[name])}: {_expected(error, field.type)}"
                )
                good = False
        if not good:
            return None
        try:
            return struct(**values)
        except (UsageError, ValueError, TypeError) as error:  # of values that do not go together
            self.problem(path, str(error), whole=True)
            return None


def _converted(value: Any, wanted: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("expected a finite number")
    return msgspec.convert(value, wanted, dec_hook=_path)


def _path(wanted: type[Any], value: Any) -> Path:
    """Return a path, the one type of a table that TOML has not."""
    if wanted is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError("expected a path, a text")


def _expected(error: Exception, wanted: Any) -> str:
    """Return what would have been right, in the user's words."""
    low, high = _bounds(wanted)
    if low is not None and high is not None:
        return f"expected a number from {low:g} to {high:g}"
    said = str(error)
    if said.startswith("Invalid enum value"):
        return f"expected {_listed(_choices(wanted))}"
    match = re.match(r"Expected (.*?)(?:, got .*?)?(?: - at `\$(.*)`)?$", said)
    if match is None:
        return said
    named = " ".join(re.findall(r"`([^`]*)`", match[1]))
    types = [_WORDS.get(word, word) for word in re.findall(r"\w+", named)]
    # What is optional in the file is left out there; TOML has no null.
    types = [t for t in types if t != "nothing"] or [match[1]]
    rest = re.sub(r"`[^`]*`", "", match[1]).strip(" |")
    rest = re.sub(r">= (\S+)", r"from \1", re.sub(r"<= (\S+)", r"up to \1", rest))
    positions = re.findall(r"\d+", match[2] or "")
    place = f" in place {int(positions[0]) + 1}" if positions else ""
    return f"expected {' or '.join(types)}{' ' + rest if rest else ''}{place}"


def _bounds(wanted: Any) -> tuple[float | None, float | None]:
    for meta in getattr(wanted, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta):
            return meta.ge, meta.le
    return None, None


def _choices(wanted: Any) -> list[str]:
    """Return the words of a Literal, however it is wrapped."""
    found: list[str] = []
    for part in getattr(wanted, "__args__", ()):
        found += [part] if isinstance(part, str) else _choices(part)
    return found or _choices(getattr(wanted, "__origin__", None)) if wanted is not None else found


def _key(path: KeyPath) -> str:
    """Return a key as a person would name it: feeds[2].gain_db, counted from 1."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _what(path: KeyPath) -> str:
    return f"[[{path[0]}]]" if len(path) > 1 else f"[{path[0]}]"


def _listed(values: Sequence[str]) -> str:
    shown = list(values[:12]) + (["…"] if len(values) > 12 else [])
    return ", ".join(shown[:-1]) + f" or {shown[-1]}" if len(shown) > 1 else shown[0]


def _shown(value: Any) -> str:
    text = {True: "true", False: "false"}.get(value, repr(value)) if isinstance(value, bool) else (
        f'"{value}"' if isinstance(value, str) else repr(value)
    )  # fmt: skip
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
