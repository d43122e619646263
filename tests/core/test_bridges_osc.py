"""OSC: what is in a bundle, byte by byte as the library reads it back."""

import socket

import pytest
from bridge_parts import at_half_seconds, mood, played
from pythonosc.osc_bundle import OscBundle

from streammer.bridges.options import Shaping
from streammer.bridges.osc import Osc, OscOptions
from streammer.errors import UsageError


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10.0)
        yield sock


def sent(receiver, frames, **options):
    bridge = Osc(OscOptions(port=receiver.getsockname()[1], **options))
    bridge.open()
    try:
        bridge.send(frames)
        bundles = [OscBundle(receiver.recv(65536)) for _ in frames]
    finally:
        bridge.close()
    return [{m.address: m.params for m in bundle} for bundle in bundles]


def frame_of(*moods, **options):
    options = Shaping(attack=0.0, release=0.0, range="-1,1", **options)
    return played(options, at_half_seconds(moods), until=0.5 * len(moods))[-1]


def test_a_bundle_has_every_value_of_a_frame(receiver):
    frame = frame_of(*[mood(0.5, -0.25, p=(0.75, 0.25))] * 3)
    (got,) = sent(receiver, {"main": frame})
    color = got.pop("/mood/main/color")
    assert len(color) == 3
    assert got == {
        "/mood/main/valence": [pytest.approx(0.5)],
        "/mood/main/arousal": [pytest.approx(-0.25)],
        "/mood/main/valence01": [pytest.approx(0.75)],
        "/mood/main/arousal01": [pytest.approx(0.375)],
        "/mood/main/x": [pytest.approx(0.75)],
        "/mood/main/y": [pytest.approx(0.25)],
        "/mood/main/intensity": [pytest.approx(0.2 + 0.8 * 0.375)],
        "/mood/main/active": [pytest.approx(1.0)],
        "/mood/main/quadrant": [4],
        "/mood/main/p/positive": [pytest.approx(0.75)],
        "/mood/main/p/energetic": [pytest.approx(0.25)],
        "/mood/main/sigma/valence": [pytest.approx(0.2)],
        "/mood/main/sigma/arousal": [pytest.approx(0.2)],
        "/mood/main/state": ["live"],
    }


def test_every_stream_has_a_bundle_that_fits_a_packet_and_a_rule_fires_in_it(receiver):
    frame = frame_of(*[mood(0.5, 0.8)] * 4, rule=("drop: arousal over 0.4",))
    fired = frame.__class__(**(vars(frame) | {"fired": ("drop",)}))
    first, second = sent(receiver, {"main": fired, "bar": frame}, prefix="/show/mood/")
    assert first["/show/mood/main/rule/drop"] == [1]
    assert "/show/mood/bar/rule/drop" not in second
    assert second["/show/mood/bar/quadrant"] == [1]


def test_what_a_stream_does_not_have_is_left_out_and_rest_has_no_quadrant(receiver):
    frame = played(Shaping(), [], until=0.1)[-1]
    (got,) = sent(receiver, {"main": frame})
    assert "/mood/main/valence" not in got
    assert got["/mood/main/quadrant"] == [0]
    assert got["/mood/main/state"] == ["stale"]


def test_a_name_with_addresses_of_both_kinds_means_the_older_one(receiver, monkeypatch):
    port = receiver.getsockname()[1]
    both = [
        (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("::1", port, 0, 0)),
        (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [*both])
    (got,) = sent(receiver, {"main": frame_of(mood(0, 0))}, host="localhost")
    assert "/mood/main/active" in got


@pytest.mark.parametrize(
    "changes", [{"port": 0}, {"port": 70000}, {"host": ""}, {"host": "a:b"}, {"prefix": "mood"}]
)
def test_a_place_that_is_none_is_refused(changes):
    with pytest.raises(UsageError, match="expected"):
        OscOptions(**changes)


def test_a_missing_library_is_one_line_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pythonosc", None)
    with pytest.raises(UsageError, match=r"pip install 'streammer\[bridges\]'"):
        Osc(OscOptions())
