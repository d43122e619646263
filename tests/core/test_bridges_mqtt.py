"""MQTT: what is refused before a broker is asked, and what Home Assistant is told."""

import json

import pytest

from streammer.bridges.discovery import discovery
from streammer.bridges.mqtt import Mqtt, MqttOptions
from streammer.errors import InputError, UsageError


@pytest.mark.parametrize(
    "changes",
    [
        {"prefix": ""}, {"prefix": "a b"}, {"prefix": "mood/#"}, {"prefix": "/mood"},
        {"discovery": "home+assistant"}, {"port": 70000}, {"host": ""}, {"rate": 0.5},
        {"password_file": "x"},
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused_in_one_line(changes):
    with pytest.raises(UsageError) as raised:
        MqttOptions(**changes)
    assert "\n" not in str(raised.value)


def test_a_password_is_the_first_line_of_a_file_that_is_there(tmp_path):
    path = tmp_path / "password"
    for text in (None, ""):
        if text is not None:
            path.write_text(text)
        with pytest.raises(InputError, match="password"):
            Mqtt(MqttOptions(username="a", password_file=path), ["main"])
    path.write_text("secret\nmore\n")
    Mqtt(MqttOptions(username="a", password_file=path), ["main"])


def test_an_event_is_announced_only_where_there_are_rules_and_names_fit_a_topic():
    available = ["streammer/a.b/bridge", "streammer/a.b/availability"]
    without = dict(discovery("homeassistant", "streammer/a.b", "a.b", available, []))
    assert not any("/event/" in topic for topic in without)
    rules = dict(discovery("ha", "streammer/a.b", "a.b", available, ["drop", "calm"]))
    assert json.loads(rules["ha/event/streammer_a_b/rule/config"])["event_types"] == [
        "drop", "calm",
    ]  # fmt: skip
    for topic, text in rules.items():
        config = json.loads(text)
        assert topic.startswith("ha/")
        assert [a["topic"] for a in config["availability"]] == available
        assert config["availability_mode"] == "all"
