"""WLED: a Sound Sync packet field by field, and what its JSON API is asked."""

import struct

import pytest
from bridge_parts import at_half_seconds, mood, played

from streammer.bridges.options import Shaping
from streammer.bridges.wled import WledJson, WledOptions, WledSync, sound_sync, wled_bridges
from streammer.errors import UsageError

STILL = {"attack": 0.0, "release": 0.0, "range": "-1,1", "dwell": 0.0}


def frames_of(*moods, **options):
    return played(Shaping(**(STILL | options)), at_half_seconds(moods), until=0.5 * len(moods))


def test_a_packet_has_each_field_where_the_firmware_reads_it():
    packet = sound_sync(201, 0.5, 1.0, peak=True)
    assert len(packet) == 44
    assert packet[0:6] == b"00002\0"
    assert packet[6:8] == bytes(2)
    assert struct.unpack_from("<f", packet, 8) == (127.5,)
    assert struct.unpack_from("<f", packet, 12) == (127.5,)
    assert (packet[16], packet[17]) == (1, 201)
    bands = list(packet[18:34])
    assert max(bands) == bands[12] == pytest.approx(127, abs=1)  # a happy song is treble
    assert packet[34:36] == bytes(2)
    assert struct.unpack_from("<f", packet, 36) == (2048.0,)
    assert struct.unpack_from("<f", packet, 40)[0] == pytest.approx(5000.0)


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("valence", [0.0, 0.5, 1.0])
def test_every_field_stays_in_the_range_that_effects_expect(level, valence):
    packet = sound_sync(255, level, valence, peak=False)
    raw, smooth = struct.unpack_from("<ff", packet, 8)
    assert 0.0 <= raw == smooth <= 255.0
    assert packet[16] == 0
    assert max(packet[18:34]) <= 254
    assert 1.0 <= struct.unpack_from("<f", packet, 40)[0] <= 11025.0


class Wire:
    """Takes the place of the socket: keeps the datagrams."""

    def __init__(self):
        self.datagrams = []

    def send(self, datagram):
        self.datagrams.append(datagram)


def test_packets_are_counted_and_silence_and_the_end_are_still():
    bridge = WledSync(WledOptions())
    bridge._out = wire = Wire()
    music, silence = [mood(0.5, 0.5)] * 3, [mood(0, 0, state="silent")] * 4
    for frame in frames_of(*music, *silence, fade=0.0):
        bridge.send({"main": frame})
    bridge.leave()
    assert [d[17] for d in wire.datagrams] == list(range(len(wire.datagrams)))
    volumes = [struct.unpack_from("<f", d, 8)[0] for d in wire.datagrams]
    assert max(volumes) > 150.0
    assert volumes[-20:] == [0.0] * 20


def asked(bridge, frames):
    said = []
    bridge._ask = lambda method, path, body: said.append((method, path, body))
    bridge.open()
    for frame in frames:
        bridge.send({"main": frame})
    bridge.leave()
    assert said[0] == ("GET", "/json/info", None)
    assert {call[:2] for call in said[1:]} == {("POST", "/json/state")}
    return [body for *_, body in said[1:]]


def test_presets_follow_the_quadrant_and_rest():
    presets = "Q1=1,Q2=2,Q3=3,rest=9"
    bridge = WledJson(WledOptions(host="10.0.0.9", presets=presets, **STILL))
    moods = [mood(0.5, 0.5), mood(-0.5, 0.5), mood(0.5, -0.5), mood(-0.5, -0.5)]
    silence = [mood(0, 0, state="silent")] * 2
    bodies = asked(bridge, frames_of(*moods, *silence, fade=0.0))
    assert bodies == [{"ps": n} for n in (1, 2, 3, 9, 9)]  # Q4 has none: what stood stays


def test_without_presets_it_is_given_colour_and_brightness_twice_a_second():
    bridge = WledJson(WledOptions(host="10.0.0.9", **STILL))
    bodies = asked(bridge, frames_of(*[mood(0.1 * k - 0.5, 0.1 * k - 0.5) for k in range(11)]))
    assert 8 <= len(bodies) <= 13
    assert bodies[-1] == {"on": False}
    assert bodies[-2]["bri"] > bodies[0]["bri"]
    for body in bodies[:-1]:
        ((red, green, blue),) = body["seg"][0]["col"]
        assert all(0 <= part <= 255 for part in (red, green, blue, body["bri"]))


def test_the_api_of_one_and_the_packets_for_all_do_not_wait_for_each_other():
    kinds = [type(b) for b in wled_bridges(WledOptions(host="10.0.0.9"))]
    assert kinds == [WledJson, WledSync]
    assert [type(b) for b in wled_bridges(WledOptions())] == [WledSync]
    assert [type(b) for b in wled_bridges(WledOptions(host="a", sync=False))] == [WledJson]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sync": False}, "leaves nothing to send"),
        ({"presets": "Q1=1"}, "say which with --host"),
        ({"host": "a", "presets": "Q5=1"}, "NAME of Q1, Q2, Q3, Q4, rest"),
        ({"host": "a", "presets": "Q1=251"}, "NUMBER from 1 to 250"),
        ({"host": "a", "presets": "Q1=1,Q1=2"}, "Q1 twice"),
        ({"http_port": 0}, "--http-port is 0"),
        ({"group": ""}, "is no host"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(changes, words):
    with pytest.raises(UsageError) as raised:
        WledOptions(**changes)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
