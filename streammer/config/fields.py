"""The keys of a table: of a msgspec struct, or of a frozen dataclass that others use too."""

import dataclasses
import re
from inspect import cleandoc
from typing import Any, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta

__all__ = ["MISSING", "Field", "fields_of", "takes_text"]

MISSING: Any = object()
"""Stands for a default that there is none of."""


class Field(NamedTuple):
    """A key: its type, its default (or `MISSING`), and what it means."""

    name: str
    type: Any
    default: Any
    meta: Meta

    @property
    def required(self) -> bool:
        """Whether the key must be given."""
        return self.default is MISSING


def fields_of(table: type[Any]) -> list[Field]:
    """Return the keys of a table, those without a default first as they stand."""
    if issubclass(table, msgspec.Struct):
        return [
            Field(
                field.name,
                field.type,
                MISSING if field.required else field.default,
                _meta(field.type) or Meta(),
            )
            for field in msgspec.structs.fields(table)
        ]
    hints = get_type_hints(table, include_extras=True)
    said = _described(table)
    fields = []
    for field in dataclasses.fields(table):
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        meta = _meta(hints[field.name]) or Meta(description=said.get(field.name))
        fields.append(
            Field(
                field.name,
                hints[field.name],
                MISSING if default is dataclasses.MISSING else default,
                meta,
            )
        )
    return fields


def takes_text(wanted: Any) -> bool:
    """Return whether a value of this type may be any text."""
    return (
        wanted is str
        or any(map(takes_text, getattr(wanted, "__args__", ())))
        or (takes_text(getattr(wanted, "__origin__", None)) if wanted is not None else False)
    )


def _meta(wanted: Any) -> Meta | None:
    return next((m for m in getattr(wanted, "__metadata__", ()) if isinstance(m, Meta)), None)


def _described(table: type[Any]) -> dict[str, str]:
    """Return what the docstrings of a dataclass and its bases say of their attributes."""
    found: dict[str, str] = {}
    for base in reversed(table.__mro__):
        # Python 3.13 takes the indentation out of docstrings, its predecessors leave it in.
        _, _, attributes = cleandoc(base.__doc__ or "").partition("Attributes\n")
        for name, text in re.findall(r"^(\w+) : .*\n((?:    .*\n?)+)", attributes, re.M):
            found[name] = " ".join(text.split())
    return found
