"""The range of a room: it follows what came, slowly, and never jumps."""

import itertools

import pytest
from bridge_parts import STEADY
from hypothesis import given
from hypothesis import strategies as st

from streammer.bridges.ranges import LEAST, init_range, place, widen


def after(values, time_constant_s=600.0):
    room = init_range(None)
    rooms = [room]
    for value in values:
        room = widen(room, value, 0.5, time_constant_s)
        rooms.append(room)
    return rooms


def night(low, high, n):
    return [low + (high - low) * (k % 61) / 60 for k in range(n)]


@pytest.mark.parametrize(("low", "high"), [(-0.8, -0.4), (0.2, 0.9), (-1.0, 1.0)])
def test_after_some_minutes_a_room_has_the_range_of_what_it_had(low, high):
    room = after(night(low, high, 1200))[-1]
    tenth = (high - low) / 10
    assert room.low == pytest.approx(low + tenth, abs=0.06)
    assert room.high == pytest.approx(high - tenth, abs=0.06)


def test_what_was_long_ago_is_forgotten():
    calm, loud = night(-0.6, -0.2, 600), night(0.2, 0.6, 1200)
    forgetful, mindful = after(calm + loud, 60.0)[-1], after(calm + loud, 6000.0)[-1]
    assert forgetful.low > 0.1
    assert mindful.low < -0.2


@STEADY
@given(st.lists(st.floats(-1, 1), max_size=200))
def test_no_estimate_moves_what_is_placed_by_more_than_an_eye_sees(values):
    for before, room in itertools.pairwise(after(values, 10.0)):
        assert room.high - room.low >= min(LEAST, before.high - before.low) - 1e-9
        for probe in (-0.5, 0.0, 0.3):
            assert abs(place(room, probe) - place(before, probe)) <= 0.025


def test_what_hardly_moves_is_not_blown_up():
    room = after([0.3] * 2400)[-1]
    assert room.high - room.low == pytest.approx(LEAST, abs=1e-6)
    assert place(room, 0.3) == pytest.approx(0.5, abs=0.06)


def test_a_fixed_range_stays():
    room = init_range((-0.5, 0.5))
    assert widen(room, 0.9, 0.5, 10.0) is room
    assert [place(room, v) for v in (-0.9, -0.5, 0.0, 0.5)] == [0.0, 0.0, 0.5, 1.0]
