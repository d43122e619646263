"""How a mood is shaped for lights and screens: frozen options, checked on construction."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from streammer.bridges.rules import Rule, parse_rules
from streammer.errors import UsageError

__all__ = ["Quiet", "Rest", "Shaping", "check_range"]

Quiet = Literal["hold", "rest", "black"]
"""What is shown while there is no music: the last mood, the resting scene, or nothing."""


@dataclass(frozen=True)
class Rest:
    """The resting scene: where in the plane, and how bright; each from 0 to 1."""

    valence: float
    arousal: float
    intensity: float


@dataclass(frozen=True, kw_only=True)
class Shaping:
    """What is made of the estimates before they are sent.

    Attributes
    ----------
    rate : float
        Frames a second, 1 to 60.
    range : str
        What becomes 0 and 1: auto (the range that this room has had), LOW,HIGH on the scale of -1
        to 1, or one pair for valence and one for arousal, such as -0.2,0.4,-0.5,0.6.
    range_s : float
        With range auto: the room is forgotten with this time constant [s], 10 to 86400.
    attack : float
        Time that a rise takes which spans the whole range [s]; 0 is as fast as the mood.
    release : float
        The same for a fall [s].
    damp : float
        The less sure the model is, the slower: at 1, a sigma of 0.2 doubles attack and release.
    dwell : float
        A quadrant stays at least so long [s].
    margin : float
        How far beyond the middle a mood must be for a new quadrant, 0 to 0.4.
    floor : float
        Intensity of the calmest music, 0 to 1.
    delay_ms : float
        Everything is shown so much later [ms], 0 to 5000: loudspeakers far away, Bluetooth.
    on_silent : str
        When the music is silent: hold what is lit, fade to rest, or fade to black.
    on_stale : str
        When no estimates come any more, or none have come yet.
    on_ended : str
        When the stream has ended.
    rest : str
        The resting scene: valence, arousal and intensity, each from 0 to 1.
    fade : float
        Time that a fade to the resting scene or to black takes [s].
    rule : tuple of str
        Fires once when a value has been beyond a threshold for a time, such as
        "drop: arousal over 0.4 for 8 s"; there may be several.
    """

    rate: float = 30.0
    range: str = "auto"
    range_s: float = 600.0
    attack: float = 1.0
    release: float = 2.0
    damp: float = 0.0
    dwell: float = 8.0
    margin: float = 0.05
    floor: float = 0.2
    delay_ms: float = 0.0
    on_silent: Quiet = "rest"
    on_stale: Quiet = "rest"
    on_ended: Quiet = "rest"
    rest: str = "0.6,0.2,0.3"
    fade: float = 3.0
    rule: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value, low, high, unit in (
            ("rate", self.rate, 1.0, 60.0, "frames a second"),
            ("range-s", self.range_s, 10.0, 86400.0, "s"),
            ("attack", self.attack, 0.0, 600.0, "s"),
            ("release", self.release, 0.0, 600.0, "s"),
            ("damp", self.damp, 0.0, 10.0, ""),
            ("dwell", self.dwell, 0.0, 3600.0, "s"),
            ("margin", self.margin, 0.0, 0.4, ""),
            ("floor", self.floor, 0.0, 1.0, ""),
            ("delay-ms", self.delay_ms, 0.0, 5000.0, "ms"),
            ("fade", self.fade, 0.0, 600.0, "s"),
        ):
            check_range(name, value, low, high, unit)
        for name, quiet in (
            ("on-silent", self.on_silent),
            ("on-stale", self.on_stale),
            ("on-ended", self.on_ended),
        ):
            if quiet not in ("hold", "rest", "black"):
                raise UsageError(f"--{name} is {quiet!r}: hold, rest or black is expected")
        if self.damp and not (self.attack or self.release):
            raise UsageError(
                "--damp slows attack and release, and both are 0: give one of them, such as "
                "--attack 1"
            )
        # What cannot be read is refused here, before anything is opened.
        _ = self.limits, self.resting, self.rules

    @cached_property
    def limits(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Fixed ranges of valence and of arousal, or None for the range of the room."""
        if self.range == "auto":
            return None
        numbers = _numbers(self.range)
        if len(numbers) == 2:
            numbers *= 2
        pairs = [tuple(numbers[i : i + 2]) for i in (0, 2)] if len(numbers) == 4 else []
        if not pairs or not all(-1.0 <= low < high <= 1.0 for low, high in pairs):
            raise UsageError(
                f"--range {self.range} is no range: auto, LOW,HIGH or VALENCE_LOW,VALENCE_HIGH,"
                "AROUSAL_LOW,AROUSAL_HIGH is expected, each from -1 to 1, such as -0.5,0.5"
            )
        return (pairs[0][0], pairs[0][1]), (pairs[1][0], pairs[1][1])

    @cached_property
    def resting(self) -> Rest:
        """The resting scene."""
        numbers = _numbers(self.rest)
        if len(numbers) != 3 or not all(0.0 <= number <= 1.0 for number in numbers):
            raise UsageError(
                f"--rest {self.rest} is no scene: valence, arousal and intensity are expected, "
                "each from 0 to 1, such as 0.6,0.2,0.3"
            )
        return Rest(*numbers)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, in the order in which they were given."""
        return parse_rules(self.rule)


def check_range(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    """Raise `UsageError` if an option's value is not in a range."""
    if not (math.isfinite(value) and low <= value <= high):
        given = f"{value:g} {unit}".strip()
        raise UsageError(f"--{name} is {given}: {low:g} to {high:g} is expected")


def _numbers(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []
