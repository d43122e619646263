"""`streammer bridge mqtt` beside mosquitto: retained moods, availability, Home Assistant."""

import json
import signal

import pytest
from mosquitto import Mosquitto, Watcher
from receivers import bridge


@pytest.fixture
def broker(tmp_path):
    server = Mosquitto(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def watcher_of():
    watchers = []

    def watch(broker):
        watchers.append(Watcher(broker.port))
        return watchers[-1]

    yield watch
    for watcher in watchers:
        watcher.close()


def mood_of(last):
    return json.loads(last.get("streammer/main/mood", "{}"))


def test_the_mood_is_published_and_kept_for_who_comes_later(broker, watcher_of, start, publish):
    _, endpoint = publish()
    process = start(*bridge("mqtt", "--port", broker.port, "--connect", endpoint, "--rate", 10))
    seen = set()
    watcher_of(broker).until(lambda last: seen.add(mood_of(last).get("valence01")) or len(seen) > 5)
    late = watcher_of(broker)
    late.until(lambda last: mood_of(last).get("state") == "live")
    assert (first := next(m for m in late.messages if m[0] == "streammer/main/mood"))[2], first
    mood = late.json("streammer/main/mood")
    assert set(mood) == {
        "valence", "arousal", "valence01", "arousal01", "p_positive", "p_energetic",
        "sigma_valence", "sigma_arousal", "intensity", "active", "color", "quadrant", "state",
    }  # fmt: skip
    assert mood["p_positive"] is None
    assert late.last["streammer/main/availability"] == "online"
    assert late.last["streammer/main/bridge"] == "online"
    assert process.end(signal.SIGTERM) == 0
    late.until(lambda last: last["streammer/main/bridge"] == "offline")


def test_a_killed_bridge_and_a_killed_publisher_each_become_unavailable(
    broker, watcher_of, start, publish
):
    publisher, endpoint = publish()
    process = start(*bridge("mqtt", "--port", broker.port, "--connect", endpoint))
    watcher = watcher_of(broker)
    watcher.until(lambda last: last.get("streammer/main/availability") == "online")
    publisher.send(signal.SIGKILL)
    watcher.until(lambda last: last["streammer/main/availability"] == "offline")
    assert watcher.last["streammer/main/bridge"] == "online"
    process.send(signal.SIGKILL)
    watcher.until(lambda last: last["streammer/main/bridge"] == "offline")  # the last will


def test_home_assistant_finds_sensors_whose_templates_and_topics_are_there(
    broker, watcher_of, start, publish
):
    _, endpoint = publish()
    rule = "calm: arousal under 0.3"
    start(*bridge("mqtt", "--port", broker.port, "--connect", endpoint, "--rule", rule))
    watcher = watcher_of(broker)
    watcher.until(lambda last: "streammer/main/rule" in last)
    configs = {t: json.loads(m) for t, m in watcher.last.items() if t.startswith("homeassistant/")}
    assert {t.split("/")[3] for t in configs} == {
        "valence", "arousal", "intensity", "quadrant", "color", "state", "rule",
    }  # fmt: skip
    late = watcher_of(broker)
    late.until(lambda last: set(configs) <= set(last))
    assert all(retain for topic, _, retain in late.messages if topic in configs)
    mood = watcher.json("streammer/main/mood")
    for topic, config in configs.items():
        assert config["state_topic"] in watcher.last
        assert config["device"]["identifiers"] == ["streammer_main"]
        for available in config["availability"]:
            assert watcher.last[available["topic"]] == "online"
        if topic.startswith("homeassistant/sensor/"):
            key = config["value_template"].removeprefix("{{ value_json.").removesuffix(" }}")
            assert key in mood
            if config.get("device_class") == "enum":
                assert mood[key] in config["options"]
    assert len({c["unique_id"] for c in configs.values()}) == len(configs)
    event = configs["homeassistant/event/streammer_main/rule/config"]
    assert watcher.json("streammer/main/rule")["event_type"] in event["event_types"]


def test_a_broker_that_restarts_is_said_once_and_gets_everything_again(
    broker, watcher_of, start, publish
):
    _, endpoint = publish()
    broker.stop()
    process = start(*bridge("mqtt", "--port", broker.port, "--connect", endpoint))
    process.await_err("trying again every 1 s", 60.0)
    broker.start()
    process.await_err("goes on", 60.0)
    broker.stop()
    broker.start()  # keeps nothing
    watcher = watcher_of(broker)
    watcher.until(lambda last: last.get("streammer/main/availability") == "online")
    watcher.until(lambda last: "homeassistant/sensor/streammer_main/valence/config" in last)
    assert process.end(signal.SIGTERM) == 0
    assert process.err.count("trying again") == 2


def test_a_broker_that_refuses_is_one_line_and_code_4(tmp_path, watcher_of, start):
    server = Mosquitto(tmp_path, account=("lights", "secret"))
    try:
        (tmp_path / "wrong").write_text("guess\n")
        (tmp_path / "right").write_text("secret\n")
        account = ["mqtt", "--port", server.port, "--username", "lights", "--password-file"]
        process = start(*bridge(*account, tmp_path / "wrong", "--quiet"))
        assert process.wait(60) == 4
        (line,) = process.err.splitlines()
        assert f"the broker at 127.0.0.1:{server.port} refuses (Not authorized)" in line
        allowed = start(*bridge(*account, tmp_path / "right"))
        allowed.await_err("MQTT to")
        assert allowed.end(signal.SIGTERM) == 0
        assert "refuses" not in allowed.err
    finally:
        server.stop()
