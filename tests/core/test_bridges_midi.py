"""MIDI: which messages a frame becomes, and what cannot be is refused."""

import itertools

import pytest
from bridge_parts import at_half_seconds, mood, played

from streammer.bridges import midi
from streammer.bridges.midi import Midi, MidiOptions
from streammer.bridges.options import Shaping
from streammer.errors import UsageError

STILL = {"attack": 0.0, "release": 0.0, "range": "-1,1", "dwell": 0.0}


class FakeOut:
    """An output that keeps what it is sent."""

    def __init__(self):
        self.ports, self.sent, self.opened, self.closed = ["Synth A:in", "Synth B:in"], [], (), 0

    def names(self):
        return self.ports

    def open(self, name):
        self.opened = (name,)

    def send(self, message):
        self.sent.append(tuple(message))

    def close(self):
        self.closed += 1


@pytest.fixture
def out(monkeypatch):
    fake = FakeOut()
    monkeypatch.setattr(midi, "midi_out", lambda api: fake)
    return fake


def frames_of(*moods, **options):
    return played(Shaping(**(STILL | options)), at_half_seconds(moods), until=0.5 * len(moods))


def test_controllers_of_7_bits_follow_the_values_and_are_sent_only_when_they_change(out):
    bridge = Midi(MidiOptions(channel=3, programs="", **STILL))
    bridge.open()
    for frame in frames_of(*[mood(1, -1)] * 3):
        bridge.send({"main": frame})
    bridge.leave()
    assert {m[0] for m in out.sent} == {0xB2}
    last = {control: value for _, control, value in out.sent[:-1]}
    assert last == {20: 127, 21: 0, 22: round(127 * 0.2)}
    assert out.sent[-1] == (0xB2, 22, 0)  # dark at the end
    for control in (20, 21, 22):
        values = [m[2] for m in out.sent if m[1] == control]
        assert all(a != b for a, b in itertools.pairwise(values))
    assert out.opened == (None,)


def test_controllers_of_14_bits_are_coarse_then_fine(out):
    bridge = Midi(MidiOptions(high_resolution=True, programs="", cc="valence01=7", **STILL))
    bridge.open()
    frames = frames_of(mood(-1, 0), mood(0.123, 0), mood(0.123, 0))
    for frame in frames:
        bridge.send({"main": frame})
    assert [m[1] for m in out.sent] == [7, 39] * (len(out.sent) // 2)
    coarse, fine = out.sent[-2][2], out.sent[-1][2]
    assert 128 * coarse + fine == round(16383 * frames[-1].valence01)


def test_a_program_is_changed_with_the_quadrant_and_at_rest(out):
    bridge = Midi(MidiOptions(programs="10,11,12,13,99", cc="active=1", **STILL))
    bridge.open()
    moods = [mood(0.5, 0.5), mood(-0.5, 0.5), mood(-0.5, -0.5), mood(0.5, -0.5)]
    silent = [mood(0, 0, state="silent")]
    for frame in frames_of(*moods, *silent, fade=0.0):
        bridge.send({"main": frame})
    programs = [m[1] for m in out.sent if m[0] == 0xC0]
    assert [p for p, _ in itertools.groupby(programs)] == [10, 11, 12, 13, 99]


def test_everything_is_sent_again_now_and_then_for_who_joins_later(out):
    bridge = Midi(MidiOptions(**STILL))
    bridge.open()
    for frame in frames_of(*[mood(0.5, 0.5)] * 20):
        bridge.send({"main": frame})
    assert sum(m[0] == 0xC0 for m in out.sent) == pytest.approx(6, abs=1)


def test_a_rule_sounds_its_note_and_ends_it(out):
    rule = ("drop: arousal over 0.4",)
    bridge = Midi(MidiOptions(rule=rule, note=("drop=60",), **STILL))
    bridge.open()
    for frame in frames_of(*[mood(0, 0.8)] * 4, rule=rule):
        bridge.send({"main": frame})
    assert [m for m in out.sent if m[1] == 60] == [(0x90, 60, 127), (0x80, 60, 0)]


def test_a_port_is_found_by_the_beginning_of_its_name_and_noticed_when_it_goes(out):
    bridge = Midi(MidiOptions(port="Synth B", **STILL))
    bridge.open()
    assert out.opened == ("Synth B:in",)
    frames = frames_of(*[mood(0, 0)] * 8)
    bridge.send({"main": frames[0]})
    out.ports = ["Synth A:in"]
    with pytest.raises(OSError, match="Synth B:in is gone"):
        bridge.send({"main": frames[-1]})
    bridge.close()
    assert out.closed == 1
    with pytest.raises(OSError, match="there is Synth A:in"):
        bridge.open()
    assert out.closed == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channel": 17}, "--channel is 17: 1 to 16"),
        ({"cc": "valence=20"}, "--cc 'valence=20' cannot be read: expected is NAME=NUMBER"),
        ({"cc": "valence01=120"}, "0 to 119"),
        ({"cc": "valence01=32", "high_resolution": True}, "0 to 31"),
        ({"cc": "valence01=1,arousal01=1"}, "two values on one controller"),
        ({"cc": "valence01=1,valence01=2"}, "valence01 twice"),
        ({"programs": "0,1,2"}, "five numbers"),
        ({"programs": "0,1,2,3,128"}, "five numbers"),
        ({"note": ("drop=60",)}, "give --rule"),
        ({"rule": ("drop: arousal over 0.4",), "note": ("drop=128",)}, "0 to 127"),
        ({"api": "oss"}, "--api is 'oss'"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(changes, words):
    with pytest.raises(UsageError) as raised:
        MidiOptions(**changes)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_machine_without_a_binding_is_told_what_to_install(monkeypatch):
    for module in ("rtmidi", "rtmidi2"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(UsageError, match=r"pip install 'streammer\[bridges\]'"):
        Midi(MidiOptions()).open()
