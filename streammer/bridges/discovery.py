"""What Home Assistant is told so that a stream shows up as a device with sensors by itself."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from streammer import __version__

__all__ = ["discovery"]

_SENSORS: dict[str, dict[str, Any]] = {
    "valence": {"icon": "mdi:emoticon-outline", "suggested_display_precision": 2},
    "arousal": {"icon": "mdi:lightning-bolt-outline", "suggested_display_precision": 2},
    "intensity": {"icon": "mdi:brightness-6", "suggested_display_precision": 2},
    "quadrant": {"icon": "mdi:music", "device_class": "enum", "options": ["Q1", "Q2", "Q3", "Q4"]},
    "color": {"icon": "mdi:palette"},
    "state": {"icon": "mdi:waveform", "entity_category": "diagnostic"},
}
_MEASURED = ("valence", "arousal", "intensity")


def discovery(
    root: str, topic: str, stream: str, available: Sequence[str], rules: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the topics and messages that announce a stream.

    Parameters
    ----------
    root : str
        Where Home Assistant looks, by its default ``homeassistant``.
    topic : str
        Below which the stream is published.
    stream : str
    available : sequence of str
        Topics that must all say ``online``.
    rules : sequence of str
        Names of the rules, which become the types of one event.
    """
    node = f"streammer_{stream.replace('.', '_')}"
    common = {
        "availability": [{"topic": each} for each in available],
        "availability_mode": "all",
        "device": {
            "identifiers": [node],
            "name": f"Mood of {stream}",
            "manufacturer": "streammer",
            "sw_version": __version__,
        },
        "origin": {"name": "streammer", "sw_version": __version__},
    }
    for key, words in _SENSORS.items():
        config = common | words | {
            "name": key.capitalize(),
            "unique_id": f"{node}_{key}",
            "state_topic": f"{topic}/mood",
            "value_template": f"{{{{ value_json.{key} }}}}",
        }  # fmt: skip
        if key in _MEASURED:
            config["state_class"] = "measurement"
        yield f"{root}/sensor/{node}/{key}/config", json.dumps(config)
    if rules:
        config = common | {
            "name": "Rule",
            "unique_id": f"{node}_rule",
            "state_topic": f"{topic}/rule",
            "event_types": list(rules),
            "icon": "mdi:flash",
        }
        yield f"{root}/event/{node}/rule/config", json.dumps(config)
