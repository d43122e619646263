"""The numbers that leave: as many decimals as mean something, the same everywhere."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammer.bus.wire import encode
from streammer.config import StreamConfig
from streammer.estimate import DECIMALS, MoodEstimate, rounded
from tests.core.engine_parts import blocks, on_bus, run
from tests.sounds import SR, make_song


def decimals(text):
    return max(0, -Decimal(text).as_tuple().exponent)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(DECIMALS)),
    value=st.floats(-1.0, 1.0) | st.floats(-2e9, 2e9) | st.floats(-1e-3, 1e-3),
)
def test_rounding_is_exact_and_leaves_few_decimals(name, value):
    got = rounded({name: value})[name]
    places = DECIMALS[name]
    assert decimals(repr(got)) <= max(1, places)
    assert (
        abs(Decimal(repr(got)) - Decimal(value))
        <= Decimal(5).scaleb(-places - 1) + Decimal(abs(value)) * Decimal(2) ** -52
    )
    assert rounded({name: got}) == {name: got}
    assert json.loads(json.dumps(got)) == msgspec.json.decode(msgspec.json.encode(got)) == got
    assert not repr(got).startswith("-0.0") or got != 0.0


def test_wire_csv_and_python_carry_the_same_few_decimals(models):
    x = make_song(8.0)
    x[3 * SR : 6 * SR] = 0.0
    config = StreamConfig(smoothing_s=0.7)
    engine, bus = on_bus([*blocks(x), ("wait", 3.0)], models, config=config)
    estimates = list(engine.estimates())
    assert {"live", "silent", "degraded"} <= {e.state for e in estimates}
    for e in estimates:
        line = encode(e)
        assert len(line) < 420
        on_the_wire = json.loads(line, parse_float=str)
        for name, value in msgspec.structs.asdict(e).items():
            if isinstance(value, float):
                assert decimals(repr(value)) <= max(1, DECIMALS[name]), name
                assert float(on_the_wire[name]) == value, name
                assert decimals(on_the_wire[name]) <= max(1, DECIMALS[name]), name
    status = json.loads(encode(bus.status), parse_float=str)
    assert all(decimals(status[name]) <= 6 for name in ("step_s", "latency_s", "uptime_s"))


def test_every_number_of_an_estimate_has_its_decimals():
    floats = {
        f.name for f in msgspec.structs.fields(MoodEstimate) if f.type in (float, float | None)
    }
    assert floats <= DECIMALS.keys()


@pytest.mark.parametrize("before", [0.0, 4.0])
def test_live_silence_is_in_no_quadrant(models, before):
    silence = make_song(12.0) * 0.0
    estimates, _ = run([*blocks(make_song(before)), *blocks(silence)], models)
    quiet = [e for e in estimates if e.state == "silent"]
    assert quiet[-1].quadrant is None
    if not before:
        assert {e.quadrant for e in quiet} == {None}
    for e in quiet:
        neutral = abs(e.valence) < 0.05 and abs(e.arousal) < 0.05
        assert (e.quadrant is None) == neutral
    assert all(e.quadrant is not None for e in estimates if e.state == "warming")
