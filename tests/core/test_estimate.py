"""The estimate's keys, and epochs whose order is their age."""

import msgspec

from streammer.clock import FakeClock
from streammer.estimate import STATES, MoodEstimate, new_epoch

KEYS = [
    *("v", "stream", "epoch", "seq", "t_audio_s", "t_capture", "t_publish"),
    *("valence", "arousal", "sigma_valence", "sigma_arousal", "p_positive", "p_energetic"),
    *("quadrant", "state", "level_dbfs", "lag_ms", "model", "lost_samples"),
]


def estimate(**changes):
    return MoodEstimate(
        **{
            "stream": "main",
            "epoch": "0" * 16,
            "seq": 0,
            "t_audio_s": 0.5,
            "t_capture": 1.0,
            "t_publish": 1.1,
            "valence": 0.1,
            "arousal": None,
            "sigma_valence": 0.2,
            "sigma_arousal": None,
            "p_positive": None,
            "p_energetic": None,
            "quadrant": None,
            "state": "live",
            "level_dbfs": -20.0,
            "lag_ms": 1.0,
            "model": "default",
            "lost_samples": 0,
            **changes,
        }
    )


def test_keys_of_version_one_stand_as_the_contract_names_them():
    assert list(MoodEstimate.__struct_fields__) == KEYS
    assert STATES == ("ended", "degraded", "silent", "warming", "clipping", "live")


def test_json_has_every_key_and_null_where_nothing_is_known():
    decoded = msgspec.json.decode(msgspec.json.encode(estimate()))
    assert list(decoded) == KEYS
    assert decoded["arousal"] is None


def test_keys_added_within_a_version_are_tolerated():
    data = msgspec.json.decode(msgspec.json.encode(estimate())) | {"beat": 3}
    assert msgspec.convert(data, MoodEstimate) == estimate()


def test_the_greater_epoch_is_the_newer():
    clock = FakeClock()
    epochs = []
    for _ in range(50):
        epochs.append(new_epoch(clock))
        clock.advance(0.002)
    assert epochs == sorted(epochs)
    assert all(len(e) == 16 and int(e, 16) >= 0 for e in epochs)
    assert int(epochs[0][:12], 16) == int((100.0 + 1.7e9) * 1000)
