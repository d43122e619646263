"""Kinds of bridges and outputs that a run may name: each registers itself, with its options.

A module that has one calls `register` when it is imported; `streammer run` imports those modules
before it reads a file. What is not registered is refused with the near name.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

__all__ = ["BRIDGES", "OUTPUTS", "Plug", "Plugs", "Running", "Where"]


class Where(NamedTuple):
    """What a bridge or an output is given when it is started.

    Attributes
    ----------
    endpoint : str
        The bus of the run, to subscribe to.
    streams : tuple of str
        Names of the streams it is for: the feed that its table names, else all of the run.
    folder : Path
        What relative paths in the file start at.
    """

    endpoint: str
    streams: tuple[str, ...]
    folder: Path


class Running(Protocol):
    """A bridge or an output that works, in a thread or a process of its own."""

    def close(self) -> None:
        """End within a second or two, whatever its receivers do."""
        ...


class Plug(NamedTuple):
    """One kind: its options, and what starts it.

    `start` returns soon and raises a `StreammerError` for what cannot work; what fails later is
    said in a line by the bridge itself, and never ends the run.
    """

    options: type[Any]
    start: Callable[[Any, Where], Running]


class Plugs:
    """The kinds that a table may have, by name."""

    def __init__(self) -> None:
        self._plugs: dict[str, Plug] = {}

    def register(
        self,
        kind: str,
        options: type[Any],
        start: Callable[[Any, Where], Running],
    ) -> None:
        """Add a kind.

        Parameters
        ----------
        kind : str
            What stands behind ``kind =`` in the file.
        options : type of msgspec.Struct or frozen dataclass
            Its other keys: types, ranges (`msgspec.Meta`) and defaults are checked when the file is
            read. A field `feed`, ``str | None``, names a feed of the run.
        start : callable
            Is given the options and a `Where`; returns a `Running`.
        """
        if kind in self._plugs:
            raise RuntimeError(f"kind {kind!r} is registered twice")
        self._plugs[kind] = Plug(options, start)

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds, sorted."""
        return tuple(sorted(self._plugs))

    def __getitem__(self, kind: str) -> Plug:
        return self._plugs[kind]


BRIDGES = Plugs()
"""Kinds of ``[[bridges]]``: what takes the mood to lights, visuals and other programs."""

OUTPUTS = Plugs()
"""Kinds of ``[[outputs]]`` besides jsonl, which the run writes itself."""
