"""In which line of a TOML file a key stands."""

import tomllib
from collections.abc import Iterator
from typing import Any

__all__ = ["KeyPath", "find_lines"]

KeyPath = tuple[str | int, ...]
"""Keys, and positions in arrays from 0: ("feeds", 2, "gain_db")."""


def find_lines(text: str) -> dict[KeyPath, int]:
    r"""Return the line, from 1, of every table and key of a document that is well formed.

    Notes
    -----
    `tomllib` tells no positions, but statement by statement it tells which keys each has. A
    statement is what can be parsed by itself: a line, or as many as a value in brackets takes.

    Examples
    --------
    >>> find_lines("[bus]\nbind = 'x'\n")
    {('bus',): 1, ('bus', 'bind'): 2}
    """
    found: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, statement, parsed in _statements(text):
        if statement.lstrip().startswith("["):
            table = _table_of(parsed, counts)
            for length in range(1, len(table) + 1):
                found.setdefault(table[:length], line)
        else:
            for path in _paths(parsed, table):
                found.setdefault(path, line)
    return found


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    lines = text.splitlines()
    begun, pending = 0, ""
    for number, line in enumerate(lines):
        pending = f"{pending}\n{line}" if pending else line
        try:
            parsed = tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue  # goes on in the next line
        if parsed:
            yield begun + 1, pending, parsed
        begun, pending = number + 1, ""


def _table_of(parsed: Any, counts: dict[KeyPath, int]) -> KeyPath:
    """Return the path of a header, positions in arrays of tables included."""
    path: KeyPath = ()
    while parsed:
        if isinstance(parsed, list):  # [[...]]: the next of its kind
            counts[path] = counts.get(path, -1) + 1
            path, parsed = (*path, counts[path]), parsed[0]
        else:
            ((key, parsed),) = parsed.items()
            path = (*path, key)
            if path in counts and not isinstance(parsed, list):
                path = (*path, counts[path])  # [feeds.x] belongs to the last of [[feeds]]
    return path


def _paths(parsed: Any, path: KeyPath) -> Iterator[KeyPath]:
    items = parsed.items() if isinstance(parsed, dict) else enumerate(parsed)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from _paths(value, (*path, key))
