"""DMX universes of a frame: what every channel of a map shows."""

import colorsys
from collections.abc import Sequence

from streammer.bridges.colour import RGB, Palette, colour
from streammer.bridges.fixtures import CHANNELS, Fixture
from streammer.bridges.frame import Frame

__all__ = ["Lights"]


class Lights:
    """Make the universes of a frame.

    Parameters
    ----------
    fixtures : sequence of Fixture
    palette : Palette

    Attributes
    ----------
    universes : tuple of int
        Those that have a fixture.
    """

    def __init__(self, fixtures: Sequence[Fixture], palette: Palette) -> None:
        self._fixtures = fixtures
        self._palette = palette
        self._strobe_until: dict[str, float] = {}
        self.universes = tuple(sorted({fixture.universe for fixture in fixtures}))

    def show(self, frame: Frame) -> dict[int, bytes]:
        """Return the 512 channels of every universe."""
        data = {universe: bytearray(CHANNELS) for universe in self.universes}
        rgb = colour(frame, self._palette)
        for fixture in self._fixtures:
            if fixture.strobe and fixture.strobe.rule in frame.fired:
                self._strobe_until[fixture.strobe.rule] = frame.t + fixture.strobe.seconds
            at = fixture.address - 1
            values = _values(fixture, frame, rgb) | {"strobe": self._strobe(fixture, frame)}
            for function in fixture.channels:
                for byte in _bytes(function, values):
                    data[fixture.universe][at] = byte
                    at += 1
        return {universe: bytes(channels) for universe, channels in data.items()}

    def dark(self) -> dict[int, bytes]:
        """Return every universe with all its channels at 0."""
        return dict.fromkeys(self.universes, bytes(CHANNELS))

    def _strobe(self, fixture: Fixture, frame: Frame) -> float:
        # A strobe can harm people: it never moves by itself.
        if fixture.strobe is None or frame.active < 1.0:
            return 0.0
        until = self._strobe_until.get(fixture.strobe.rule, frame.t)
        return fixture.strobe.value / 255.0 if frame.t < until else 0.0


def _values(fixture: Fixture, frame: Frame, rgb: RGB) -> dict[str, float]:
    """Return what every function shows, from 0 to 1."""
    names = {str(function).removesuffix(":16") for function in fixture.channels}
    bright = 1.0 if "dimmer" in names else frame.intensity
    white = min(rgb) if "white" in names else 0.0
    hue, saturation, _ = colorsys.rgb_to_hsv(*rgb)
    return {
        "dimmer": frame.intensity,
        "red": bright * (rgb[0] - white),
        "green": bright * (rgb[1] - white),
        "blue": bright * (rgb[2] - white),
        "white": bright * white,
        "hue": hue,
        "saturation": saturation,
        "valence": frame.valence01,
        "arousal": frame.arousal01,
        "active": frame.active,
    }


def _bytes(function: str | int, values: dict[str, float]) -> tuple[int, ...]:
    """Return the channels of a function: one, or coarse and fine."""
    if isinstance(function, int):
        return (function,)
    value = min(1.0, max(0.0, values[function.removesuffix(":16")]))
    if function.endswith(":16"):
        return divmod(round(65535 * value), 256)
    return (round(255 * value),)
