"""From a TOML file to a run: every mistake with its file, line and key, and the near name."""

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from streammer.config.check import Checker
from streammer.config.fields import fields_of, takes_text
from streammer.config.lines import KeyPath, find_lines
from streammer.config.plugs import BRIDGES, OUTPUTS
from streammer.config.run import (
    MAX_FEEDS,
    BusOptions,
    FeedOptions,
    JsonlOptions,
    ModelOptions,
    Plugged,
    RunConfig,
)
from streammer.errors import InputError, UsageError

__all__ = ["FEED_VARIABLE", "RunFileError", "parse_run", "read_run"]

FEED_VARIABLE = "STREAMMER_FEED_"
"""Begins the environment variables that override a key of a feed: STREAMMER_FEED_BAR_SOURCE."""

_MAX_BYTES = 4 << 20
_TABLES = ("bus", "model", "feeds", "outputs", "bridges")


class RunFileError(UsageError):
    """A file that is no run.

    Attributes
    ----------
    problems : sequence of str
        All of them, a line each; the message is the first.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(problems[0])
        self.problems = tuple(problems)


def read_run(
    path: Path,
    *,
    overrides: Mapping[KeyPath, tuple[Any, str]] | None = None,
    settings: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> RunConfig:
    """Read the file of a run.

    Parameters
    ----------
    path : Path
    overrides : mapping, optional
        Key -> value and what gave it (an option), stronger than the file.
    settings : sequence of str, optional
        ``NAME.KEY=VALUE``, each of which overrides a key of a feed.
    environment : mapping, optional
        Variables; by default the process's. Those of a feed override its keys.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read.
    RunFileError
        If it is no run.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from error
    if len(data) > _MAX_BYTES:
        raise RunFileError([f"{path} is over {_MAX_BYTES >> 20} MiB: expected a run, in TOML"])
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RunFileError([f"{path}:{line}: no UTF-8, in which TOML is written"]) from error
    environment = os.environ if environment is None else environment
    return parse_run(text, path, overrides=overrides, settings=settings, environment=environment)


def parse_run(
    text: str,
    path: Path,
    *,
    overrides: Mapping[KeyPath, tuple[Any, str]] | None = None,
    settings: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> RunConfig:
    """Make a run of the text of a file; parameters and errors as of `read_run`."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RunFileError([_syntax(path, error)]) from error
    given: dict[KeyPath, str] = {}
    lines: dict[KeyPath, int] = {}

    def where(key: KeyPath) -> str:
        """Say where a key stands, or what gave it; a key that is missing, where its table is."""
        if not lines:
            lines.update(find_lines(text) or {(): 1})
        while key:
            if key in given:
                return given[key]
            if key in lines:
                return f"{path}:{lines[key]}"
            key = key[:-1]
        return f"{path}:1"

    checker = Checker(where)
    for key, (value, origin) in (overrides or {}).items():
        _override(document, key, value)
        given[key] = origin
    _override_feeds(document, _assignments(settings, environment or {}), given, checker)
    checker.known(document, _TABLES, (), "a run")
    config = _Tables(document, checker, where).config(path.parent)
    if checker.problems or config is None:
        raise RunFileError(checker.problems)
    return config


class _Tables:
    """The tables of a document, converted one by one; what is wrong is told to the checker."""

    def __init__(
        self, document: dict[str, Any], checker: Checker, where: Callable[[KeyPath], str]
    ) -> None:
        self._document = document
        self._checker = checker
        self._where = where
        self._names: list[str] = []

    def config(self, folder: Path) -> RunConfig | None:
        """Return the run, or None if something is wrong."""
        bus = self._checker.table(self._document.get("bus", {}), BusOptions, ("bus",))
        model = self._checker.table(self._document.get("model", {}), ModelOptions, ("model",))
        feeds = self._feeds()
        outputs = self._plugged("outputs")
        bridges = self._plugged("bridges")
        if self._checker.problems:
            return None
        assert bus is not None
        assert model is not None
        if bridges and not bus.publish:
            self._checker.problem(("bus", "publish"), "is false, but bridges follow the bus: true")
        try:
            config = RunConfig(
                feeds, bus, model, outputs, bridges, folder, shares=True, place=self._place
            )
        except UsageError as error:
            self._checker.problem(("feeds",), str(error), whole=True)
            return None
        for k, feed in enumerate(feeds):
            try:
                config.stream(feed)
            except UsageError as error:
                self._checker.problem(("feeds", k), str(error), whole=True)
        return config

    def _feeds(self) -> tuple[FeedOptions, ...]:
        tables = self._checker.tables(self._document.get("feeds", []), ("feeds",))
        if not tables and not self._checker.problems:
            self._checker.problem(
                (), "names no feed: expected [[feeds]] with a name and a source", whole=True
            )
        if len(tables) > MAX_FEEDS:
            self._checker.problem(
                ("feeds", MAX_FEEDS),
                f"{len(tables)} feeds are named, expected at most {MAX_FEEDS} in one process: "
                "divide them over several files, each with a bus of its own",
                whole=True,
            )
            return ()
        feeds: list[FeedOptions] = []
        first: dict[str, int] = {}
        for k, table in enumerate(tables):
            feed = self._checker.table(table, FeedOptions, ("feeds", k))
            if feed is None:
                continue
            if feed.name in first:
                line = self._where(("feeds", first[feed.name], "name")).rpartition(":")[2]
                self._checker.problem(
                    ("feeds", k, "name"),
                    f"is {feed.name!r}, which names a feed already (line {line}): give each a name "
                    "of its own",
                )
            first.setdefault(feed.name, k)
            feeds.append(feed)
        stdin = [k for k, feed in enumerate(feeds) if feed.source == "-"]
        for k in stdin[1:]:
            self._checker.problem(
                ("feeds", k, "source"), "is -, stdin, which another feed reads already"
            )
        self._names = sorted({str(table.get("name", "main")) for table in tables})
        return tuple(feeds)

    def _place(self, k: int) -> str:
        return self._where(("feeds", k, "source"))

    def _plugged(self, name: str) -> tuple[Plugged, ...]:
        registry, own = (OUTPUTS, ("jsonl",)) if name == "outputs" else (BRIDGES, ())
        found: list[Plugged] = []
        for k, table in enumerate(self._checker.tables(self._document.get(name, []), (name,))):
            path = (name, k)
            kind = self._checker.choice(table, "kind", (*own, *registry.kinds), path)
            if kind is None:
                continue
            struct = JsonlOptions if kind in own else registry[kind].options
            rest = {key: value for key, value in table.items() if key != "kind"}
            options = self._checker.table(rest, struct, path)
            if options is None:
                continue
            feed = getattr(options, "feed", None)
            if feed is not None:
                self._checker.choice({"feed": feed}, "feed", self._names, path)
            found.append(Plugged(None if kind in own else registry, kind, options))
        return tuple(found)


def _syntax(path: Path, error: Exception) -> str:
    # tomllib ends its message with "(at line 3, column 7)", or "(at end of document)".
    words, _, place = str(error).rpartition(" (at ")
    line = "".join(c for c in place.partition(",")[0] if c.isdigit())
    return f"{path}:{line or 1}: no TOML: {words or error}"


def _override(document: Any, key: KeyPath, value: Any) -> None:
    *tables, last = key
    for part in tables:
        document = document.setdefault(part, {}) if isinstance(document, dict) else document[part]
        if not isinstance(document, dict | list):
            return  # what stands there is refused anyway
    document[last] = value


def _assignments(
    settings: Sequence[str], environment: Mapping[str, str]
) -> list[tuple[str, str, str, str]]:
    """Return feed, key, value and origin of what overrides the keys of feeds, strongest last."""
    found = []
    for variable in sorted(environment):
        if variable.startswith(FEED_VARIABLE):
            rest = variable.removeprefix(FEED_VARIABLE)
            keys = sorted((f.upper() for f in FeedOptions.__struct_fields__), key=len)
            key = next((k for k in reversed(keys) if rest.endswith(f"_{k}")), "")
            feed = rest[: -len(key) - 1] if key else rest
            found.append((feed, key.lower(), environment[variable], variable))
    for setting in settings:
        name, equals, value = setting.partition("=")
        feed, dot, key = name.strip().removeprefix("feeds.").rpartition(".")
        if not (equals and dot):
            raise UsageError(
                f"--set {setting} is no setting: NAME.KEY=VALUE is expected, such as "
                "stage.gain_db=6"
            )
        found.append((feed, key.strip(), value.strip(), f"--set {setting}"))
    return found


def _override_feeds(
    document: dict[str, Any],
    assignments: Sequence[tuple[str, str, str, str]],
    given: dict[KeyPath, str],
    checker: Checker,
) -> None:
    feeds = document.get("feeds")
    tables = [t for t in feeds if isinstance(t, dict)] if isinstance(feeds, list) else []
    names = [str(table.get("name", "main")) for table in tables]
    for feed, key, value, origin in assignments:
        variable = origin.startswith(FEED_VARIABLE)
        as_named = [_as_variable(name) for name in names] if variable else names
        if feed not in as_named:
            checker.problem((), f"names no feed of the run: {', '.join(names[:8])}", origin=origin)
            continue
        k = as_named.index(feed)
        tables[k][key] = _value(value, key)
        given["feeds", k, key] = origin


def _as_variable(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name).upper()


def _value(text: str, key: str) -> Any:
    """Return a value as TOML has it; what is no TOML is a text without its quotes."""
    if any(field.name == key and takes_text(field.type) for field in fields_of(FeedOptions)):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
