"""Colour and scene of a room that follow the mood: python lights.py [ENDPOINT [STREAM]].

Prints a line whenever the lights should change, as `scene party  hue  32  #ff8a12`.
"""

import colorsys
import sys
from collections import deque

from streammer import Subscriber

DWELL_S = 8.0  # a scene stays for so long, whatever comes
REST = ("rest", 40.0, 0.5)  # scene, hue, brightness while there is no music: a warm house light


class Range:
    """The range that this room has had: ten minutes without their outer tenths.

    A night of one genre so has all the colours; `usual` stands in until there is enough of it.
    """

    def __init__(self, usual, least=0.05):
        self.seen, self.least = deque(usual * 10, maxlen=1200), least

    def place(self, value):
        """Return where a value lies in the range, from 0 to 1."""
        self.seen.append(value)
        ordered, tenth = sorted(self.seen), len(self.seen) // 10
        low, high = ordered[tenth], ordered[-1 - tenth]
        span = max(high - low, self.least)  # what hardly moves is not blown up
        return min(1.0, max(0.0, 0.5 + (value - (low + high) / 2) / span))


class Lights:
    """Scene, hue and brightness of a mood, with hysteresis and dwell."""

    def __init__(self):
        self.positive, self.valence = Range([0.2, 0.8]), Range([-0.2, 0.4])
        self.arousal, self.scene, self.since = Range([-0.2, 0.4]), "rest", float("-inf")

    def follow(self, mood):
        """Return the lights of a mood while music plays."""
        lively = self.arousal.place(mood.arousal)
        # p_positive tells angry from happy better than the sign of valence does
        sure = mood.p_positive is not None
        warm = self.positive.place(mood.p_positive) if sure else self.valence.place(mood.valence)
        wanted = "party" if lively > 0.65 else "quiet" if lively < 0.35 else self.scene
        if self.scene == "rest" or (wanted != self.scene and mood.t_publish - self.since > DWELL_S):
            self.scene, self.since = wanted.replace("rest", "quiet"), mood.t_publish
        return self.scene, 240.0 - 210.0 * warm, 0.3 + 0.7 * lively  # blue .. green .. amber

    def rest(self):
        self.scene, self.since = "rest", float("-inf")
        return REST


def send(scene, hue, brightness):
    """Tell your desk here: OSC, Art-Net, a Hue bridge, WLED, Home Assistant."""
    r, g, b = (round(255 * c) for c in colorsys.hsv_to_rgb(hue / 360.0, 1.0, brightness))
    print(f"scene {scene}  hue {hue:3.0f}  #{r:02x}{g:02x}{b:02x}", flush=True)


def main(endpoint="tcp://127.0.0.1:5580", stream="main"):
    lights, shown = Lights(), REST
    send(*REST)  # a first scene, before any music
    with Subscriber(endpoint, stream=stream) as moods:
        while True:
            mood, wanted = moods.read(timeout_s=0.25), shown
            if moods.stale or moods.ended or (mood and mood.state == "silent"):
                wanted = lights.rest()
            elif mood and mood.state != "degraded" and mood.quadrant:  # degraded: keep what is lit
                wanted = lights.follow(mood)
            if wanted[0] != shown[0] or abs(wanted[1] - shown[1]) >= 3.0:
                send(*wanted)
                shown = wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
