"""docs/wire.md says what is so."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from streammer import bus
from streammer.bus import connection, following, hub, last_values, sockets, switchboard
from streammer.bus.hub_status import HubStatus
from streammer.bus.wire import MAX_PAYLOAD_BYTES, decode_mood, decode_status
from streammer.estimate import STATES, MoodEstimate, StreamStatus

PAGE = (Path(__file__).parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")
SAMPLES = [
    block.replace("\n", "").encode() for block in re.findall(r"```json\n(.*?)```", PAGE, re.S)
]


def table_keys(heading):
    section = PAGE.split(heading)[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [key for cell in cells for key in re.findall(r"`(\w+)`", cell)]


def test_the_sample_messages_are_taken():
    mood, status, _ = SAMPLES
    assert decode_mood(mood, "main").quadrant == "Q4"
    assert decode_status(status, "main").steps == 242


@pytest.mark.parametrize(("index", "kind"), [(0, MoodEstimate), (1, StreamStatus), (2, HubStatus)])
def test_the_sample_messages_have_every_key(index, kind):
    assert list(json.loads(SAMPLES[index])) == [f.name for f in msgspec.structs.fields(kind)]


def test_every_key_quadrant_and_state_of_an_estimate_is_explained():
    keys = table_keys("## `mood/")
    fields = [field.name for field in msgspec.structs.fields(MoodEstimate)]
    assert keys == [*fields, "Q1", "Q2", "Q3", "Q4", *STATES]


def test_every_key_of_a_status_is_explained():
    fields = {field.name for field in msgspec.structs.fields(StreamStatus)}
    assert set(table_keys("## `status/")) == fields


def test_every_key_of_a_hub_is_explained():
    fields = {field.name for field in msgspec.structs.fields(HubStatus)}
    assert set(table_keys("## hub/status")) == fields


def test_the_numbers_of_a_hub_on_the_page_are_those_of_the_code():
    assert f"every {hub.HUB_STATUS_S:.0f} s and when `conflicts` changes" in PAGE
    assert f"something came within {switchboard.FORGET_S:.0f} s" in PAGE
    assert f"beyond the {switchboard.MAX_HUB_STREAMS} that a hub keeps" in PAGE


def test_the_numbers_on_the_page_are_those_of_the_code():
    assert f"at most {MAX_PAYLOAD_BYTES} bytes" in PAGE
    assert f"in {last_values.RESEND_GAP_S * 1000:.0f} ms" in PAGE
    assert f"more than {sockets.HIGH_WATER} messages behind" in PAGE
    assert f"no new estimate for {following.STALE_S:.0f} s" in PAGE
    assert f"nothing at all arrives for {connection.RECONNECT_S:.0f} s" in PAGE
    assert bus.DEFAULT_ENDPOINT in PAGE


def test_every_attribute_of_the_subscriber_on_the_page_exists():
    section = PAGE.split("## The `Subscriber`")[1]
    names = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section, re.M)))
    assert {"status", "stale", "age_s", "ended", "skipped", "malformed"} <= set(names)
    assert all(hasattr(bus.Subscriber, name) for name in names)
