"""The wire format: what is sent, and what is taken."""

import json
import math
import random

import msgspec
import pytest
from bus_parts import EPOCH, estimate, status
from hypothesis import given, settings
from hypothesis import strategies as st

from streammer.bus import wire

KEYS = [
    "v", "stream", "epoch", "seq", "t_audio_s", "t_capture", "t_publish", "valence", "arousal",
    "sigma_valence", "sigma_arousal", "p_positive", "p_energetic", "quadrant", "state",
    "level_dbfs", "lag_ms", "model", "lost_samples",
]  # fmt: skip


def payload(**changes: object) -> bytes:
    return json.dumps(json.loads(wire.encode(estimate(3))) | changes).encode()


def test_an_estimate_is_one_json_object_with_the_keys_of_the_contract():
    said = json.loads(wire.encode(estimate(3)))
    assert list(said) == KEYS
    assert said["v"] == 1
    assert said["seq"] == 3
    assert said["p_positive"] is None


def test_estimates_and_statuses_come_back_as_they_were_sent():
    assert wire.decode_mood(wire.encode(estimate(7)), "main") == estimate(7)
    assert wire.decode_status(wire.encode(status(detail="a")), "main") == status(detail="a")


def test_an_estimate_takes_less_than_500_bytes():
    full = estimate(
        172800, valence=-1 / 3, arousal=1 / 3, sigma_valence=1 / 3, sigma_arousal=1 / 3,
        p_positive=1 / 3, p_energetic=1 / 3, quadrant="Q2", t_audio_s=86400.123456789,
    )  # fmt: skip
    assert len(wire.encode(full)) < 500


def test_unknown_keys_are_tolerated():
    assert wire.decode_mood(payload(brightness=0.3, more={"a": [1]}), "main") == estimate(3)


def test_whole_numbers_may_stand_for_floats():
    assert wire.decode_mood(payload(valence=1, arousal=-1), "main").valence == 1.0


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": None},
        {"stream": "Main"},
        {"stream": "other"},
        {"stream": 3},
        {"epoch": "12"},
        {"epoch": EPOCH.upper()},
        {"seq": -1},
        {"seq": 1.5},
        {"seq": True},
        {"seq": 2**53 + 2},
        {"valence": 1.01},
        {"arousal": -1.01},
        {"valence": "0.1"},
        {"valence": None},
        {"sigma_valence": -0.1},
        {"p_positive": 1.5},
        {"p_energetic": -0.5},
        {"quadrant": "Q5"},
        {"quadrant": "Q1", "arousal": None, "p_positive": None},
        {"state": "happy"},
        {"level_dbfs": -121.0},
        {"level_dbfs": None},
        {"t_audio_s": -1.0},
        {"lag_ms": None},
        {"model": None},
        {"lost_samples": -1},
    ],
    ids=str,
)
def test_what_breaks_a_rule_is_refused(changes):
    with pytest.raises(wire.WireError):
        wire.decode_mood(payload(**changes), "main")


@pytest.mark.parametrize("key", KEYS)
def test_every_key_but_the_version_is_required(key):
    said = json.loads(payload())
    del said[key]
    if key == "v":
        assert wire.decode_mood(json.dumps(said).encode(), "main") == estimate(3)
    else:
        with pytest.raises(wire.WireError):
            wire.decode_mood(json.dumps(said).encode(), "main")


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"{}",
        b"null",
        b"[1]",
        b"\xff\xfe",
        b'"\xff"',
        payload()[:-1],
        payload() + b"x",
        payload(valence=math.nan),
        payload(level_dbfs=math.inf),
        payload().replace(b"0.25", b"1e999", 1),
        payload(deep=1).replace(b'"deep": 1', b'"deep":' + b"[" * 9999 + b"]" * 9999),
        payload(model="\ud800"),
        payload(more="x" * wire.MAX_PAYLOAD_BYTES),
    ],
    ids=lambda junk: f"{junk[:12]!r}-{len(junk)}",
)
def test_junk_is_refused(junk):
    with pytest.raises(wire.WireError):
        wire.decode_mood(junk, "main")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "field", ["valence", "sigma_arousal", "p_positive", "level_dbfs", "lag_ms", "t_capture"]
)
def test_no_float_leaves_that_is_not_finite(field, bad):
    with pytest.raises(wire.WireError, match=field):
        wire.encode(estimate(**{field: bad}))


@pytest.mark.parametrize(
    "changes",
    [{"uptime_s": math.nan}, {"steps": -1}, {"sr": -1}, {"v": 2}, {"stream": "-"}, {"epoch": ""}],
    ids=str,
)
def test_a_status_is_checked_too(changes):
    with pytest.raises(wire.WireError):
        wire.encode(status(**changes))
    with pytest.raises(wire.WireError):
        wire.decode_status(msgspec.json.encode(status(**changes)), "main")


def test_a_file_name_that_is_no_unicode_is_said_as_well_as_can_be():
    said = json.loads(wire.encode(status(source="caf\udce9.mp3", models=["a\udce9 1"])))
    assert said["source"] == "caf?.mp3"
    assert said["models"] == ["a? 1"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@settings(derandomize=True, max_examples=1500, deadline=None)
@given(key=st.sampled_from(KEYS), value=json_values)
def test_any_value_under_any_key_is_taken_within_the_rules_or_refused(key, value):
    _taken_within_the_rules_or_refused(payload(**{key: value}))


@settings(derandomize=True, max_examples=1500, deadline=None)
@given(
    at=st.integers(0, len(payload()) - 1), length=st.integers(0, 12), junk=st.binary(max_size=12)
)
def test_damaged_payloads_are_taken_within_the_rules_or_refused(at, length, junk):
    good = payload()
    _taken_within_the_rules_or_refused(good[:at] + junk + good[at + length :])


@settings(derandomize=True, max_examples=500, deadline=None)
@given(junk=st.binary(max_size=400))
def test_any_bytes_are_taken_within_the_rules_or_refused(junk):
    _taken_within_the_rules_or_refused(junk)


@pytest.mark.nightly
def test_a_million_damaged_payloads_are_taken_within_the_rules_or_refused():
    rng = random.Random(0)
    good = [payload(), payload(p_positive=0.5, p_energetic=0.25, model="ä\u2028", more=[{"a": 1}])]
    tokens = [b"null", b"true", b"-1", b"1e999", b"NaN", b'"', b"\\u", b"{", b"}", b"[", b",", b":"]
    for _ in range(1_000_000):
        raw = bytearray(rng.choice(good))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(raw))
            junk = rng.choice(tokens) if rng.random() < 0.5 else rng.randbytes(rng.randint(0, 3))
            raw[at : at + rng.randint(0, 4)] = junk
        _taken_within_the_rules_or_refused(bytes(raw))


def _taken_within_the_rules_or_refused(raw: bytes) -> None:
    try:
        mood = wire.decode_mood(raw, "main")
    except wire.WireError:
        return
    for value in msgspec.structs.asdict(mood).values():
        assert not isinstance(value, float) or math.isfinite(value)
    assert mood.valence is None or -1.0 <= mood.valence <= 1.0
    assert mood.stream == "main"
    assert wire.encode(mood)  # what is taken may be passed on
