"""A colour that glides with the mood, thirty times a second: python visuals.py [ENDPOINT [STREAM]].

The terminal stands for your canvas: put `frame` where your program draws.
"""

import colorsys
import math
import sys
import time

from lights import REST, Lights

from streammer import Subscriber

FPS = 30.0
GLIDE_S = 0.8  # estimates come twice a second, pictures do not


class Canvas:
    """What is shown: hue and brightness on their way to what was last wanted."""

    def __init__(self, moods):
        self.moods, self.lights = moods, Lights()
        self.wanted, self.shown = REST, REST

    def frame(self, dt_s):
        """Return hue and brightness of the next picture; never waits."""
        mood = self.moods.read(timeout_s=0.0)
        if self.moods.stale or self.moods.ended or (mood and mood.state == "silent"):
            self.wanted = self.lights.rest()
        elif mood and mood.state != "degraded" and mood.quadrant:
            self.wanted = self.lights.follow(mood)
        part = 1.0 - math.exp(-dt_s / GLIDE_S)
        pairs = zip(self.shown[1:], self.wanted[1:], strict=True)
        self.shown = (self.wanted[0], *(old + part * (new - old) for old, new in pairs))
        return self.shown[1:]


def draw(hue, brightness):
    """Paint one line of the terminal; where it is none, print the hue."""
    r, g, b = (round(255 * c) for c in colorsys.hsv_to_rgb(hue / 360.0, 1.0, brightness))
    if sys.stdout.isatty():
        print(f"\r\x1b[48;2;{r};{g};{b}m{' ' * 60}\x1b[0m", end="", flush=True)
    else:
        print(f"hue {hue:5.1f}  #{r:02x}{g:02x}{b:02x}", flush=True)


def main(endpoint="tcp://127.0.0.1:5580", stream="main"):
    with Subscriber(endpoint, stream=stream) as moods:
        canvas, before = Canvas(moods), time.monotonic()
        draw(*REST[1:])  # a first picture, before any music
        while True:
            time.sleep(1.0 / FPS)
            now = time.monotonic()
            draw(*canvas.frame(now - before))
            before = now


if __name__ == "__main__":
    main(*sys.argv[1:])
