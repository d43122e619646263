"""What the help of `streammer bridge` and its protocols says."""

__all__ = ["BRIDGES", "EPILOGUE"]

EPILOGUE = """\
Examples:

  streammer bridge osc --port 7000

  streammer bridge sacn --map lights.toml

  streammer bridge osc --help
"""

_OSC = """\
Examples:

  streammer bridge osc --port 7000

  streammer bridge osc --host 10.0.0.5 --port 7000 --rate 60 --delay-ms 200

  streammer bridge osc --stream main --stream bar --rule "drop: arousal over 0.4 for 8 s"

Addresses below /mood/STREAM: valence, arousal (-1 to 1), valence01, arousal01, x, y (where in
the plane of colours), intensity, active (0 to 1), color (red, green, blue), quadrant (1 to 4, 0 at
rest), p/positive, p/energetic, sigma/valence, sigma/arousal, state, and rule/NAME, once, when a
rule fires.
"""

_SACN = """\
Examples:

  streammer bridge sacn --universe 1

  streammer bridge sacn --map lights.toml --priority 120 --delay-ms 150

  streammer bridge sacn --host 10.0.0.7 --on-silent black --fade 5

Without a map, channels 1 to 4 are dimmer, red, green and blue of one light. All channels go to 0
when the bridge ends.
"""

_ARTNET = """\
Examples:

  streammer bridge artnet --universe 0

  streammer bridge artnet --host 10.0.0.7 --map lights.toml --rate 40

Without a map, channels 1 to 4 are dimmer, red, green and blue of one light. All channels go to 0
when the bridge ends.
"""

_MQTT = """\
Examples:

  streammer bridge mqtt --host homeassistant.local --username mood --password-file mood.txt

  streammer bridge mqtt --stream main --stream bar --rate 5 --prefix club

  streammer bridge mqtt --discovery "" --rule "drop: arousal over 0.4 for 8 s"

Topics below streammer/STREAM: mood (JSON, retained), availability (online, offline), bridge (the
same of the bridge, and its last will), rule (an event when one fires). Home Assistant shows the
stream as a device with sensors.
"""

_MIDI = """\
Examples:

  streammer bridge midi

  streammer bridge midi --port "IAC Driver" --channel 2 --cc valence01=1,arousal01=2

  streammer bridge midi --high-resolution --rule "drop: arousal over 0.4 for 8 s" --note drop=60

Without --port others connect to the port streammer:mood. By default controller 20 is valence, 21
arousal, 22 intensity; programs 0 to 3 are the quadrants, 4 is rest.
"""

_WLED = """\
Examples:

  streammer bridge wled

  streammer bridge wled --host 10.0.0.9 --no-sync

  streammer bridge wled --host 10.0.0.9 --presets Q1=1,Q2=2,Q3=3,Q4=4,rest=5

Every WLED whose audio-reactive mode is set to receive follows Sound Sync. With --host, one WLED is
given colour and brightness, or the preset of the quadrant.
"""

BRIDGES = {
    "osc": ("Send OSC to visuals, media servers and desks: a bundle a frame.", _OSC),
    "sacn": ("Light DMX fixtures by sACN (E1.31).", _SACN),
    "artnet": ("Light DMX fixtures by Art-Net.", _ARTNET),
    "mqtt": ("Publish the mood on an MQTT broker, for Home Assistant too.", _MQTT),
    "midi": ("Send the mood as MIDI controllers and program changes.", _MIDI),
    "wled": ("Set WLED's presets or colours, and send Sound Sync.", _WLED),
}
"""Each protocol with its line in the list, and the examples of its own help."""
