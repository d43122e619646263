"""The channel map: which light is on which DMX channels, and what each of them shows.

::

    [palette]                      # optional: colours of the corners, the middle and rest
    Q1 = "#ff9a00"

    [[fixture]]
    name = "par left"
    universe = 1                   # default: that of the bridge
    address = 1                    # its first channel, from 1
    channels = ["dimmer", "red", "green", "blue", "strobe"]
    strobe = { rule = "drop", value = 200, seconds = 2 }    # without it, strobe stays at 0

A function with ``:16`` takes two channels, coarse and fine; a number stays as it is.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from streammer.bridges.colour import PALETTE, Palette, parse_colour
from streammer.bridges.rules import Rule
from streammer.errors import InputError, UsageError

__all__ = ["CHANNELS", "FUNCTIONS", "Fixture", "Strobe", "read_map", "width"]

CHANNELS = 512

FUNCTIONS = (
    "dimmer", "red", "green", "blue", "white", "hue", "saturation", "valence", "arousal",
    "active", "strobe",
)  # fmt: skip
"""What a channel can show."""

_FIXTURE_KEYS = ("name", "universe", "address", "channels", "strobe")
_STROBE_KEYS = ("rule", "value", "seconds")


@dataclass(frozen=True)
class Strobe:
    """A strobe that was asked for: after which rule, at which value, for how long [s]."""

    rule: str
    value: int
    seconds: float


@dataclass(frozen=True)
class Fixture:
    """A light.

    Attributes
    ----------
    name : str
    universe, address : int
        Where its first channel is, from 1 within a universe.
    channels : tuple of str or int
        What each of its channels shows.
    strobe : Strobe or None
    """

    name: str
    universe: int
    address: int
    channels: tuple[str | int, ...]
    strobe: Strobe | None = None


_ONE_LIGHT = ("dimmer", "red", "green", "blue")
"""The light that a bridge has without a map, on channels 1 to 4."""


def read_map(
    path: Path | None, *, universe: int, universes: range, rules: Sequence[Rule]
) -> tuple[tuple[Fixture, ...], Palette]:
    """Return the fixtures and the colours of a channel map.

    Parameters
    ----------
    path : Path, optional
        Without one there is one light, on channels 1 to 4: dimmer, red, green, blue.
    universe : int
        Of the fixtures that name none.
    universes : range
        Those that the protocol has.
    rules : sequence of Rule
        What a strobe may wait for.

    Raises
    ------
    InputError
        The file cannot be read.
    UsageError
        It says what cannot be: no such universe or function, two fixtures on one channel.
    """
    if path is None:
        fixtures: tuple[Fixture, ...] = (Fixture("light", universe, 1, _ONE_LIGHT),)
        table: dict[str, Any] = {}
    else:
        table = _load(path)
        _known(path, table, ("palette", "fixture"), "the map")
        entries = table.get("fixture", [])
        if not isinstance(entries, list) or not entries:
            raise UsageError(f"{path} has no fixture: give each light a table [[fixture]]")
        fixtures = tuple(_fixture(path, entry, universe, k) for k, entry in enumerate(entries, 1))
    for fixture in fixtures:
        _check_place(fixture, universes)
        if fixture.strobe and fixture.strobe.rule not in {rule.name for rule in rules}:
            raise UsageError(
                f"the strobe of {fixture.name} waits for rule {fixture.strobe.rule!r}, which can "
                f'never fire: give it, such as --rule "{fixture.strobe.rule}: arousal over 0.4"'
            )
    _check_apart(fixtures)
    return fixtures, _palette(table.get("palette", {}))


def width(fixture: Fixture) -> int:
    """Return how many channels a fixture takes."""
    return sum(2 if str(function).endswith(":16") else 1 for function in fixture.channels)


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): expected is a channel map in TOML"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from error


def _known(path: Path, table: Any, keys: Sequence[str], where: str) -> None:
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {where} is no table: expected keys are {', '.join(keys)}")
    for key in table:
        if key not in keys:
            near = get_close_matches(key, keys, 1)
            hint = f"did you mean {near[0]}?" if near else f"expected are {', '.join(keys)}"
            raise UsageError(f"{path}: {where} has no key {key!r}: {hint}")


def _fixture(path: Path, entry: Any, universe: int, k: int) -> Fixture:
    _known(path, entry, _FIXTURE_KEYS, f"fixture {k}")
    name = entry.get("name", f"fixture {k}")
    universe, address = entry.get("universe", universe), entry.get("address")
    channels = entry.get("channels")
    if not isinstance(name, str) or type(universe) is not int or type(address) is not int:
        raise UsageError(
            f"{path}: fixture {k} needs address, a whole number (its first channel, from 1); name "
            "is text, universe a whole number"
        )
    if not isinstance(channels, list) or not channels:
        raise UsageError(
            f'{path}: {name} needs channels, such as channels = ["dimmer", "red", "green", "blue"]'
        )
    for function in channels:
        _check_function(path, name, function)
    strobe = _strobe(path, name, entry["strobe"]) if "strobe" in entry else None
    fixture = Fixture(name, universe, address, tuple(channels), strobe)
    if strobe and not any(str(function).startswith("strobe") for function in channels):
        raise UsageError(f"{path}: {name} asks for strobe and has no such channel")
    return fixture


def _check_function(path: Path, name: str, function: Any) -> None:
    if type(function) is int and 0 <= function <= 255:
        return
    if isinstance(function, str) and function.removesuffix(":16") in FUNCTIONS:
        return
    near = get_close_matches(str(function), FUNCTIONS, 1)
    hint = f"did you mean {near[0]}?" if near else f"expected are {', '.join(FUNCTIONS)}"
    raise UsageError(
        f"{path}: {name} cannot show {function!r} on a channel: {hint}, or a number from 0 to 255"
    )


def _strobe(path: Path, name: str, entry: Any) -> Strobe:
    _known(path, entry, _STROBE_KEYS, f"strobe of {name}")
    rule, value = entry.get("rule"), entry.get("value", 255)
    seconds = entry.get("seconds", 1.0)
    if (
        not isinstance(rule, str)
        or type(value) is not int
        or not 0 <= value <= 255
        or not isinstance(seconds, int | float)
        or not 0.0 < seconds <= 60.0
    ):
        raise UsageError(
            f"{path}: strobe of {name} cannot be read: expected is such as "
            '{ rule = "drop", value = 200, seconds = 2 }, value to 255, seconds to 60'
        )
    return Strobe(rule, value, float(seconds))


def _check_place(fixture: Fixture, universes: range) -> None:
    if fixture.universe not in universes:
        raise UsageError(
            f"universe {fixture.universe} of {fixture.name} is none: "
            f"{universes.start} to {universes.stop - 1} is expected"
        )
    last = fixture.address + width(fixture) - 1
    if fixture.address < 1 or last > CHANNELS:
        raise UsageError(
            f"{fixture.name} is on channels {fixture.address} to {last}: "
            f"a universe has 1 to {CHANNELS}"
        )


def _check_apart(fixtures: Sequence[Fixture]) -> None:
    owners: dict[tuple[int, int], Fixture] = {}
    for fixture in fixtures:
        for channel in range(fixture.address, fixture.address + width(fixture)):
            owner = owners.setdefault((fixture.universe, channel), fixture)
            if owner is not fixture:
                raise UsageError(
                    f"{owner.name} and {fixture.name} are both on channel {channel} of universe "
                    f"{fixture.universe}: give one of them another address"
                )


def _palette(table: Any) -> Palette:
    names = {field.name: field.name.upper() for field in fields(Palette) if field.name[0] == "q"}
    names |= {"middle": "middle", "rest": "rest"}
    _known(Path("the map"), table, tuple(names.values()), "palette")
    colours = {
        field: parse_colour(str(table[name])) for field, name in names.items() if name in table
    }
    return replace(PALETTE, **colours)
