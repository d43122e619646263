"""DMX: the channel map, what each channel shows, and the packets that carry it."""

import colorsys
import itertools
import socket

import pytest
import sacn
from bridge_parts import STEADY, at_half_seconds, mood, played
from hypothesis import given
from hypothesis import strategies as st

from streammer.bridges.artnet import Artnet, ArtnetOptions
from streammer.bridges.colour import PALETTE, colour
from streammer.bridges.dmx import Lights
from streammer.bridges.fixtures import Fixture, Strobe, read_map
from streammer.bridges.options import Shaping
from streammer.bridges.sacn import Sacn, SacnOptions
from streammer.errors import InputError, UsageError

STILL = {"attack": 0.0, "release": 0.0, "range": "-1,1"}


def frame_at(valence, arousal, **options):
    moods = at_half_seconds([mood(valence, arousal)] * 3)
    return played(Shaping(**(STILL | options)), moods, until=1.5)[-1]


def shown(fixture, frame):
    return Lights([fixture], PALETTE).show(frame)[fixture.universe]


def mapped(tmp_path, text, **changes):
    path = tmp_path / "lights.toml"
    path.write_text(text, encoding="utf-8")
    options = {"universe": 1, "universes": range(1, 64000), "rules": ()} | changes
    return read_map(path, **options)


MAP = """
[palette]
Q1 = "#ffffff"
rest = "#000000"
[[fixture]]
name = "par"
address = 1
channels = ["dimmer", "red", "green", "blue", "strobe"]
[[fixture]]
name = "head"
universe = 7
address = 100
channels = ["dimmer:16", 255, "hue:16", 0]
"""


def test_a_map_has_its_fixtures_and_its_colours(tmp_path):
    fixtures, palette = mapped(tmp_path, MAP)
    assert fixtures == (
        Fixture("par", 1, 1, ("dimmer", "red", "green", "blue", "strobe")),
        Fixture("head", 7, 100, ("dimmer:16", 255, "hue:16", 0)),
    )
    assert (palette.q1, palette.rest, palette.q2) == ((1, 1, 1), (0, 0, 0), PALETTE.q2)
    lights = Lights(fixtures, palette)
    data = lights.show(frame_at(1, 1))
    assert set(data) == {1, 7}
    assert list(data[1][:5]) == [255, 255, 255, 255, 0]
    assert list(data[7][99:106]) == [255, 255, 255, 0, 0, 0, 0]
    assert lights.dark() == {1: bytes(512), 7: bytes(512)}


def test_intensity_follows_arousal_and_colour_the_plane():
    rgb = Fixture("rgb", 1, 1, ("red", "green", "blue"))
    bright, dim = shown(rgb, frame_at(-1, 1)), shown(rgb, frame_at(-1, -1))
    assert max(bright) == 255
    assert max(dim) == pytest.approx(255 * 0.2, abs=1)
    assert bright[0] > bright[2]  # tense is red
    assert dim[2] > dim[0]  # sad is blue
    dimmed = shown(Fixture("d", 1, 1, ("dimmer", "red", "green", "blue")), frame_at(-1, -1))
    assert (dimmed[0], max(dimmed[1:4])) == (51, 255)


def test_white_is_what_the_colours_have_in_common():
    frame = frame_at(0, 0)
    r, g, b = colour(frame, PALETTE)
    data = shown(Fixture("w", 1, 1, ("dimmer", "red", "green", "blue", "white")), frame)
    assert data[4] == round(255 * min(r, g, b))
    assert data[1] == round(255 * (r - min(r, g, b)))


@STEADY
@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_channel_of_16_bits_is_coarse_and_fine(valence, arousal):
    frame = frame_at(valence, arousal)
    data = shown(Fixture("v", 1, 511, ("valence:16",)), frame)
    assert 256 * data[510] + data[511] == round(65535 * frame.valence01)


def test_a_strobe_never_moves_unless_it_was_asked_for():
    loud = at_half_seconds([mood(1, 1)] * 20)
    options = Shaping(rule=("drop: arousal over 0.4 for 3 s",), **STILL)
    frames = played(options, loud, until=9.9)
    channels = ("strobe", "strobe:16")
    still = Lights([Fixture("a", 1, 1, channels)], PALETTE)
    assert all(still.show(frame)[1][:3] == bytes(3) for frame in frames)
    asked = Lights([Fixture("a", 1, 1, channels, Strobe("drop", 200, 2.0))], PALETTE)
    at = [frame.t for frame in frames if asked.show(frame)[1][0] == 200]
    assert at[0] == pytest.approx(3.25, abs=0.35)
    assert at[-1] - at[0] == pytest.approx(2.0, abs=0.1)


def test_nothing_strobes_once_the_music_is_silent():
    options = Shaping(rule=("drop: arousal over 0.4",), fade=5.0, **STILL)
    history = at_half_seconds([mood(1, 1)] * 3 + [mood(0, 0, state="silent")] * 10)
    lights = Lights([Fixture("a", 1, 1, ("strobe",), Strobe("drop", 255, 60.0))], PALETTE)
    values = [(f.t, lights.show(f)[1][0]) for f in played(options, history, until=6.0)]
    assert {v for t, v in values if t > 1.6} == {0}
    assert 255 in {v for _, v in values}


REGIONS = {
    "happy": (0.7, 0.7),
    "tense": (-0.7, 0.7),
    "sad": (-0.7, -0.7),
    "calm": (0.7, -0.7),
    "middle": (0.0, 0.0),
}


def look(region, room):
    """Return hue [degrees], saturation and intensity of a song of a region, in one evening."""
    evening = [mood(*REGIONS[name]) for name in REGIONS for _ in range(120)] * 2
    song = [mood(*REGIONS[region])] * 30
    last = played(Shaping(range=room, rate=2), at_half_seconds(evening + song), until=0.5 * 1230)[
        -1
    ]
    hue, saturation, _ = colorsys.rgb_to_hsv(*colour(last, PALETTE))
    return 360.0 * hue, saturation, last.intensity


@pytest.mark.parametrize("room", ["-1,1", "auto"])
def test_five_very_different_songs_give_five_visibly_different_looks(room):
    looks = {region: look(region, room) for region in REGIONS}
    corners = [looks[name] for name in ("happy", "tense", "sad", "calm")]
    for (hue, saturation, _), (other, _, _) in itertools.combinations(corners, 2):
        assert saturation > 0.6
        assert min(abs(hue - other), 360.0 - abs(hue - other)) > 30.0
    assert looks["middle"][1] < 0.3  # the fifth is nearly white
    loud = [looks[name][2] for name in ("happy", "tense")]
    soft = [looks[name][2] for name in ("sad", "calm")]
    assert min(loud) - max(soft) > 0.5
    assert max(soft) + 0.15 < looks["middle"][2] < min(loud) - 0.15


@STEADY
@given(st.floats(0, 1), st.floats(0, 1), st.floats(-0.01, 0.01), st.floats(-0.01, 0.01))
def test_neighbours_in_the_plane_are_neighbours_in_colour(x, y, dx, dy):
    frame = frame_at(0, 0)
    there = {"x": x, "y": y}
    near = {"x": min(1, max(0, x + dx)), "y": min(1, max(0, y + dy))}
    pairs = [colour(frame.__class__(**(vars(frame) | at)), PALETTE) for at in (there, near)]
    assert all(0.0 <= value <= 1.0 for rgb in pairs for value in rgb)
    assert max(abs(a - b) for a, b in zip(*pairs, strict=True)) < 0.08


def test_at_rest_the_light_has_the_colour_of_rest():
    frame = played(Shaping(), [], until=0.1)[-1]
    assert colour(frame, PALETTE) == pytest.approx(PALETTE.rest)


BAD = {
    "two on one channel": (
        '[[fixture]]\nname="a"\naddress=1\nchannels=["dimmer:16"]\n'
        '[[fixture]]\nname="b"\naddress=2\nchannels=["red"]',
        "a and b are both on channel 2 of universe 1",
    ),
    "universe 70000": (
        '[[fixture]]\nuniverse=70000\naddress=1\nchannels=["red"]',
        "universe 70000 of fixture 1 is none: 1 to 63999 is expected",
    ),
    "beyond the universe": (
        '[[fixture]]\naddress=512\nchannels=["red:16"]', "is on channels 512 to 513",
    ),
    "no address": ('[[fixture]]\nchannels=["red"]', "needs address"),
    "no channels": ("[[fixture]]\naddress=1", "needs channels"),
    "no fixture": ('[palette]\nQ1="#000000"', "has no fixture"),
    "a function that is none": (
        '[[fixture]]\naddress=1\nchannels=["rad"]', "cannot show 'rad' on a channel: did you",
    ),
    "a value that is none": ("[[fixture]]\naddress=1\nchannels=[256]", "a number from 0 to 255"),
    "a key that is none": (
        '[[fixture]]\nadress=1\nchannels=["red"]', "no key 'adress': did you mean address?",
    ),
    "a colour that is none": (
        '[palette]\nQ1="red"\n[[fixture]]\naddress=1\nchannels=["red"]', "colour 'red'",
    ),
    "a strobe that waits for nothing": (
        '[[fixture]]\naddress=1\nchannels=["strobe"]\nstrobe={rule="drop"}', "can never fire",
    ),
    "a strobe without a channel": (
        '[[fixture]]\naddress=1\nchannels=["red"]\nstrobe={rule="drop"}', "has no such channel",
    ),
    "a strobe too long": (
        '[[fixture]]\naddress=1\nchannels=["strobe"]\nstrobe={rule="a",seconds=61}', "to 60",
    ),
    "no TOML": ("[[fixture]", "is no TOML"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_map_that_cannot_be_is_refused_in_one_line(name, tmp_path):
    text, words = BAD[name]
    with pytest.raises(UsageError) as raised:
        mapped(tmp_path, text)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_map_that_is_not_there_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_map(tmp_path / "none.toml", universe=1, universes=range(1, 9), rules=())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Sacn(SacnOptions(universe=70000)), "universe 70000 of light is none: 1 to 63999"),
        (lambda: Artnet(ArtnetOptions(universe=32768)), "0 to 32767"),
        (lambda: SacnOptions(priority=201), "--priority is 201: 0 to 200 is expected"),
        (lambda: SacnOptions(name="x" * 64), "1 to 63 bytes"),
        (lambda: SacnOptions(interface="eth0"), "--interface eth0 is no address"),
        (lambda: SacnOptions(interface="127.0.0.1", host="10.0.0.1"), "leave out --host"),
    ],
)
def test_options_that_cannot_be_are_refused(make, words):
    with pytest.raises(UsageError, match=words):
        make()


class Wire:
    """Takes the place of the sockets: keeps the datagrams."""

    def __init__(self):
        self.datagrams = []

    def send(self, datagram):
        self.datagrams.append(datagram)


def test_a_packet_of_sacn_has_what_e131_asks_for_and_its_sequence_counts():
    bridge, wire = Sacn(SacnOptions(universe=300, priority=120, host="127.0.0.1", **STILL)), Wire()
    bridge._out = {300: wire}
    for _ in range(300):
        bridge.send({"main": frame_at(1, 1)})
    bridge.leave()
    parsed = [sacn.DataPacket.make_data_packet(data) for data in wire.datagrams]
    assert [p.sequence for p in parsed] == [k % 256 for k in range(306)]
    first, last = parsed[0], parsed[-1]
    assert (first.universe, first.priority, first.sourceName) == (300, 120, "streammer")
    assert first.dmxData[:4] == (255, 255, 154, 0)
    assert [p.option_StreamTerminated for p in parsed[-6:]] == [False] * 3 + [True] * 3
    assert all(p.dmxData == (0,) * 512 for p in parsed[-6:])
    assert last.cid == first.cid == sacn.DataPacket.make_data_packet(wire.datagrams[9]).cid


def test_a_packet_of_artnet_is_that_of_the_specification():
    bridge, wire = Artnet(ArtnetOptions(universe=0x1234, host="127.0.0.1", **STILL)), Wire()
    bridge._out = wire
    for _ in range(256):
        bridge.send({"main": frame_at(1, 1)})
    bridge.leave()
    first = wire.datagrams[0]
    assert first[:12] == b"Art-Net\0\x00\x50\x00\x0e"
    assert first[14:18] == b"\x34\x12\x02\x00"  # low byte first; 512 channels, high byte first
    assert first[18:22] == bytes((255, 255, 154, 0))
    assert len(first) == 18 + 512
    # 0 would say that there is no sequence.
    assert [d[12] for d in wire.datagrams[:256]] == [*range(1, 256), 1]
    assert all(d[18:] == bytes(512) for d in wire.datagrams[-3:])


def test_packets_can_be_sent_though_nobody_is_there():
    for bridge in (Artnet(ArtnetOptions(host="localhost")), Sacn(SacnOptions(host="localhost"))):
        try:
            bridge.open()
            bridge.send({"main": frame_at(0, 0)})
        finally:
            bridge.close()


def test_multicast_goes_to_the_group_of_each_universe(monkeypatch):
    places = []
    monkeypatch.setattr(
        socket.socket, "connect", lambda self, place: places.append(place), raising=True
    )
    bridge = Sacn(SacnOptions(universe=258, interface="127.0.0.1"))
    bridge.open()
    bridge.close()
    assert places == [("239.255.1.2", 5568), ("239.255.250.214", 5568)]
