"""A colour for every point of the plane of valence and arousal."""

import re
from dataclasses import dataclass

from streammer.bridges.frame import Frame
from streammer.errors import UsageError

__all__ = ["PALETTE", "RGB", "Palette", "colour", "parse_colour"]

RGB = tuple[float, float, float]
"""Red, green and blue from 0 to 1, as bright as the colour can be: intensity is another value."""


@dataclass(frozen=True)
class Palette:
    """The colours of the corners of the plane, of its middle, and of the resting scene."""

    q1: RGB
    q2: RGB
    q3: RGB
    q4: RGB
    middle: RGB
    rest: RGB


def parse_colour(text: str) -> RGB:
    """Return the colour that a text such as #ff8a12 says."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise UsageError(f"colour {text!r} cannot be read: expected is one such as #ff8a12")
    red, green, blue = (int(text[i : i + 2], 16) / 255.0 for i in (1, 3, 5))
    return red, green, blue


PALETTE = Palette(
    q1=parse_colour("#ff9a00"),  # happy, excited: amber
    q2=parse_colour("#ff0030"),  # tense, angry: red
    q3=parse_colour("#1030ff"),  # sad, gloomy: blue
    q4=parse_colour("#00d060"),  # calm, content: green
    middle=parse_colour("#ffe8c8"),
    rest=parse_colour("#ffb060"),  # a warm house light
)


_VIVID = 1.5
"""The middle's colour is left behind at two thirds of the way out: most music is not further."""


def colour(frame: Frame, palette: Palette) -> RGB:
    """Return the colour of a frame.

    The corners are mixed by where the frame is in the range of the room, which fades into the
    middle's colour towards it, so that neighbours in the plane are neighbours in colour; at rest
    it is the resting scene's.
    """
    x, y = frame.x, frame.y
    outward = min(1.0, _VIVID * max(abs(2.0 * x - 1.0), abs(2.0 * y - 1.0)))
    lit = outward * frame.active
    weights = (
        (palette.q1, lit * x * y),
        (palette.q2, lit * (1.0 - x) * y),
        (palette.q3, lit * (1.0 - x) * (1.0 - y)),
        (palette.q4, lit * x * (1.0 - y)),
        (palette.middle, (1.0 - outward) * frame.active),
        (palette.rest, 1.0 - frame.active),
    )
    mixed = tuple(sum(part * rgb[i] for rgb, part in weights) for i in range(3))
    # Amber and green make a dark olive: a mixture is as bright as what it is mixed of.
    bright = sum(part * max(rgb) for rgb, part in weights)
    scale = bright / max(mixed) if max(mixed) > 0.0 else 0.0
    red, green, blue = (min(1.0, scale * value) for value in mixed)
    return red, green, blue
