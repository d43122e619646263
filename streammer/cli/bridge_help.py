"""What the help of `streammer bridge` and its protocols says."""

__all__ = ["BRIDGES", "EPILOGUE"]

EPILOGUE = """\
Examples:

  streammer bridge osc --port 7000

  streammer bridge osc --help
"""

_OSC = """\
Examples:

  streammer bridge osc --port 7000

  streammer bridge osc --host 10.0.0.5 --port 7000 --rate 60 --delay-ms 200

  streammer bridge osc --stream main --stream bar --rule "drop: arousal over 0.4 for 8 s"

Addresses below /mood/STREAM: valence, arousal (-1 to 1), valence01, arousal01, intensity, active
(0 to 1), color (red, green, blue), quadrant (1 to 4, 0 at rest), p/positive, p/energetic,
sigma/valence, sigma/arousal, state, and rule/NAME, once, when a rule fires.
"""

BRIDGES = {
    "osc": ("Send OSC to visuals, media servers and desks: a bundle a frame.", _OSC),
}
"""Each protocol with its line in the list, and the examples of its own help."""
