"""The shaping step: steady frames that never overshoot, never jump, and keep their delay."""

import itertools
import math

import pytest
from bridge_parts import STEADY, at_half_seconds, mood, played
from hypothesis import example, given
from hypothesis import strategies as st

from streammer.bridges.frame import Received
from streammer.bridges.options import Shaping
from streammer.bridges.shaping import init_shape, shape
from streammer.errors import UsageError
from streammer.estimate import STATES

AXIS = st.floats(-1.0, 1.0)
SIXTYFOURTHS = st.integers(0, 320).map(lambda k: k / 64)
"""Times that floats hold exactly, so that sums of them are exact."""


@st.composite
def histories(draw, states=("live",), most=12):
    """Draw what is received: estimates at growing times, and now and then an end."""
    at, history = 0.0, []
    for _ in range(draw(st.integers(1, most))):
        at += draw(st.integers(1, 160)) / 64
        state = draw(st.sampled_from(states))
        if state == "ended":
            history.append(Received(at, None))
            continue
        sigma = draw(st.floats(0.0, 1.0))
        axes = draw(AXIS), draw(AXIS)
        p = draw(st.none() | st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)))
        history.append(Received(at, mood(*axes, state=state, sigma=sigma, p=p)))
    return history


@st.composite
def shapings(draw):
    quiet = st.sampled_from(["hold", "rest", "black"])
    return Shaping(
        rate=draw(st.integers(1, 60)),
        range=draw(st.sampled_from(["auto", "-1,1", "-0.2,0.4"])),
        attack=draw(st.sampled_from([0.0, 0.25, 2.0])),
        release=draw(st.sampled_from([0.25, 1.0, 5.0])),
        damp=draw(st.sampled_from([0.0, 1.0])),
        delay_ms=draw(st.sampled_from([0.0, 250.0, 5000.0])),
        on_silent=draw(quiet), on_stale=draw(quiet), on_ended=draw(quiet),
        fade=draw(st.sampled_from([0.5, 3.0])),
    )  # fmt: skip


VALUES = (
    "valence", "arousal", "valence01", "arousal01", "x", "y", "p_positive", "p_energetic",
    "intensity", "active",
)  # fmt: skip
SPAN = {name: 2.0 if name in ("valence", "arousal") else 1.0 for name in VALUES}


@STEADY
@given(shapings(), histories(states=(*STATES,)))
def test_any_order_of_states_keeps_every_value_in_its_range(options, history):
    for frame in played(options, history, until=history[-1].at + 9.0, rate=8):
        for name in VALUES:
            value = getattr(frame, name)
            low = -1.0 if SPAN[name] == 2.0 else 0.0
            assert value is None or low - 1e-9 <= value <= 1.0 + 1e-9, name
        assert frame.state in (*STATES, "stale")
        assert frame.quadrant in ("Q1", "Q2", "Q3", "Q4", None)
        assert all(math.isfinite(s) for s in (frame.sigma_valence or 0, frame.sigma_arousal or 0))


@STEADY
@given(shapings(), histories(states=(*STATES,)))
def test_nothing_jumps_further_than_the_slope_limit(options, history):
    frames = played(options, history, until=history[-1].at + 9.0)
    fastest = min(s for s in (options.attack, options.release, options.fade) if s)
    if options.attack == 0.0:
        return
    for before, after in itertools.pairwise(frames):
        for name in VALUES:
            pair = getattr(before, name), getattr(after, name)
            if None not in pair:
                most = SPAN[name] / fastest / options.rate
                assert abs(pair[1] - pair[0]) <= most * (1 + 1e-9) + 1e-9, name


@STEADY
@given(AXIS, AXIS, AXIS, st.sampled_from([10, 25, 60]), st.sampled_from(["auto", "-1,1"]))
def test_a_value_is_monotone_between_two_estimates_and_never_overshoots(a, b, c, rate, room):
    options = Shaping(rate=rate, attack=0.0, release=0.0, range=room)
    frames = played(options, at_half_seconds([mood(a), mood(b), mood(c)]), until=1.49)
    for name in ("valence", "valence01"):
        shown = [(f.t, getattr(f, name)) for f in frames]
        for k in (1, 2):
            piece = [v for t, v in shown if 0.5 * k <= t < 0.5 * (k + 1)]
            steps = [y - x for x, y in itertools.pairwise(piece)]
            assert all(s >= -1e-9 for s in steps) or all(s <= 1e-9 for s in steps)
    values = [f.valence for f in frames if f.t >= 0.5]
    assert all(min(a, b, c) - 1e-9 <= v <= max(a, b, c) + 1e-9 for v in values)


def test_an_estimate_is_reached_when_the_next_one_is_due():
    options = Shaping(rate=20, attack=0.0, release=0.0)
    ramp = [0.04 * k for k in range(12)]
    frames = played(options, at_half_seconds([mood(v) for v in ramp]), until=5.9)
    for frame in frames:
        if frame.t >= 1.0:  # one interval behind a ramp, everywhere
            assert frame.valence == pytest.approx(0.08 * (frame.t - 0.5), abs=1e-9)


@STEADY
@given(shapings(), histories(states=(*STATES,)), SIXTYFOURTHS)
@example(Shaping(on_stale="black"), [Received(0.5, mood(0.5, 0.5))], 3.0)
def test_a_delay_shifts_everything_by_exactly_so_much(options, history, delay_s):
    def values(delay_ms, start):
        changed = {name: getattr(options, name) for name in options.__dataclass_fields__}
        delayed = Shaping(**(changed | {"delay_ms": delay_ms}))
        frames = played(delayed, history, start=start, until=start + 12.0, rate=16)
        return [tuple(getattr(f, n) for n in (*VALUES, "quadrant", "state")) for f in frames]

    assert values(0.0, 0.0) == values(1000.0 * delay_s, delay_s)


@STEADY
@given(st.integers(1, 60), histories(states=(*STATES,)))
def test_where_it_is_does_not_depend_on_how_often_frames_are_made(rate, history):
    options = Shaping(attack=0.0, release=0.0, fade=2.0)
    end = math.ceil(history[-1].at + 3.0)
    often = played(options, history, until=end, rate=rate * 2)
    seldom = played(options, history, until=end, rate=rate)
    for a, b in zip(often[::2], seldom, strict=True):
        if a.state not in ("silent", "ended", "stale"):  # the fade itself is bounded frame by frame
            assert a.quadrant == b.quadrant
            assert a.valence == pytest.approx(b.valence, abs=1e-9)
            assert a.valence01 == pytest.approx(b.valence01, abs=1e-9)


def test_a_rise_takes_the_attack_and_a_fall_the_release():
    options = Shaping(rate=50, attack=2.0, release=4.0, range="-1,1")
    high = played(options, at_half_seconds([mood(1, 1)] * 20 + [mood(-1, -1)] * 40), until=29)
    up = next(f.t for f in high if f.valence == pytest.approx(1.0))
    assert up == pytest.approx(2.0 * (1.0 - 0.6), abs=0.05)  # from the resting scene at 0.6
    down = next(f.t for f in high if f.t > 10 and f.valence == pytest.approx(-1.0))
    assert down == pytest.approx(10.0 + 4.0, abs=0.05)


@pytest.mark.parametrize(("damp", "sigma", "times"), [(0, 0.4, 1), (1, 0.2, 2), (1, 0.4, 3)])
def test_the_less_sure_the_slower(damp, sigma, times):
    options = Shaping(rate=60, attack=1.0, damp=damp, range="-1,1", rest="0,0,0")
    moods = [mood(-1, -1, sigma=sigma)] * 4 + [mood(1, 1, sigma=sigma)] * 12
    frames = played(options, at_half_seconds(moods), until=7.9)
    reached = next(f.t for f in frames if f.valence01 == pytest.approx(1.0))
    assert reached == pytest.approx(2.0 + times, abs=0.05)


@pytest.mark.parametrize("kind", ["silent", "stale", "ended"])
@pytest.mark.parametrize("quiet", ["hold", "rest", "black"])
def test_silence_a_stale_stream_and_its_end_each_bring_what_was_asked_for(kind, quiet):
    options = Shaping(**{f"on_{kind}": quiet}, range="-1,1", rest="0.75,0.25,0.4", fade=2.0)
    history = at_half_seconds([mood(-0.5, 0.5)] * 12)
    if kind == "silent":
        history += at_half_seconds([mood(0, 0, state="silent")] * 20, start=6.0)
    if kind == "ended":
        history.append(Received(6.0, None))
    frames = played(options, history, until=12.0)
    before, after = next(f for f in frames if f.t >= 5.4), frames[-1]
    assert (before.state, before.quadrant, before.active) == ("live", "Q2", 1.0)
    assert after.state == kind
    if quiet == "hold":
        assert (after.valence, after.arousal, after.quadrant) == (-0.5, 0.5, "Q2")
        assert (after.intensity, after.active) == (before.intensity, 1.0)
    else:
        assert (after.quadrant, after.active) == (None, 0.0)
        assert after.intensity == pytest.approx(0.4 if quiet == "rest" else 0.0)
        assert after.valence01 == pytest.approx(0.75 if quiet == "rest" else 0.25)


def test_the_fade_begins_two_seconds_after_the_last_estimate_and_takes_its_time():
    options = Shaping(range="-1,1", rest="0,0,0", fade=2.0, attack=0.0, release=0.0)
    frames = played(options, at_half_seconds([mood(1, 1)] * 4), until=9.0)
    assert max(f.t for f in frames if f.active == 1.0) == pytest.approx(1.5 + 2.0, abs=0.05)
    assert min(f.t for f in frames if f.t > 1 and f.active == 0.0) == pytest.approx(5.5, abs=0.05)
    half = next(f for f in frames if f.t >= 4.5)
    assert half.valence01 == pytest.approx(0.5, abs=0.03)


def test_a_fade_takes_its_time_however_slow_the_release_is():
    options = Shaping(on_silent="black", fade=2.0, release=60.0, attack=0.0, range="-1,1")
    history = at_half_seconds([mood(1, 1)] * 4 + [mood(0, 0, state="silent")] * 20)
    frames = played(options, history, until=8.0)
    assert min(f.t for f in frames if f.intensity == 0.0) == pytest.approx(4.0, abs=0.1)


def test_an_estimate_that_comes_early_turns_the_way_and_does_not_jump():
    options = Shaping(rate=50, attack=0.0, release=0.0)
    history = at_half_seconds([mood(0.0)] * 6)
    history += [Received(3.0, mood(1.0)), Received(3.1, mood(-1.0)), Received(3.6, mood(-1.0))]
    values = [f.valence for f in played(options, history, until=4.5) if f.t >= 0.5]
    steps = [abs(b - a) for a, b in itertools.pairwise(values)]
    assert max(steps) <= 1.2 / 0.5 / 50 + 1e-9
    assert max(values) == pytest.approx(0.2, abs=0.05)


def test_before_any_estimate_the_resting_scene_stands():
    (first, *_) = frames = played(Shaping(rest="0.5,0.1,0.7"), [], until=1.0)
    assert (first.state, first.quadrant, first.valence) == ("stale", None, None)
    assert {(f.intensity, f.arousal01, f.active) for f in frames} == {(0.7, 0.1, 0.0)}


def test_a_degraded_source_keeps_what_is_lit():
    history = at_half_seconds([mood(0.5, 0.5)] * 8)
    history += at_half_seconds([mood(0.0, 0.0, state="degraded", sigma=0.9)] * 40, start=4.0)
    last = played(Shaping(), history, until=20.0)[-1]
    assert (last.valence, last.arousal, last.quadrant) == (0.5, 0.5, "Q1")
    assert (last.state, last.active) == ("degraded", 1.0)


def test_a_quadrant_stays_for_its_dwell_and_moves_only_for_a_clear_mood():
    options = Shaping(dwell=4.0, margin=0.2)
    moods = [mood(0.5, 0.5)] * 2 + [mood(-0.5, 0.5)] * 20 + [mood(0.1, 0.5)] * 20
    frames = played(options, at_half_seconds(moods), until=20.0)
    turns = [(b.t, b.quadrant) for a, b in itertools.pairwise(frames) if a.quadrant != b.quadrant]
    assert [q for _, q in turns] == ["Q2"]  # 0.1 is within the margin
    assert turns[0][0] == pytest.approx(4.0, abs=0.05)


def test_probabilities_decide_where_there_are_both():
    options = Shaping(dwell=0.0, margin=0.2)
    clear = [mood(0.5, 0.5, p=(0.9, 0.9)), mood(0.5, 0.5, p=(0.4, 0.9))]
    frames = played(options, at_half_seconds([*clear, mood(0.5, 0.5, p=(0.1, 0.9))]), until=1.5)
    assert [f.quadrant for f in frames[::15]] == ["Q1", "Q1", "Q2", "Q2"]


def test_the_plane_of_colours_is_that_of_the_quadrant():
    angry = mood(0.3, 0.3, p=(0.1, 0.9))  # valence of the wrong sign, of which p is sure
    frame = played(Shaping(range="-1,1"), at_half_seconds([angry] * 10), until=5.0)[-1]
    assert (frame.quadrant, frame.valence01) == ("Q2", pytest.approx(0.65))
    assert (frame.x, frame.y) == (pytest.approx(0.1), pytest.approx(0.9))
    frame = played(Shaping(range="-1,1"), at_half_seconds([mood(0.3, -0.3)] * 10), until=5.0)[-1]
    assert (frame.x, frame.y) == (frame.valence01, frame.arousal01)


def test_the_pace_of_a_replay_is_followed():
    options = Shaping(attack=0.0, release=0.0)
    history = [Received(0.05 * k, mood(0.01 * k)) for k in range(60)]
    frame = played(options, history, until=2.95)[-1]
    assert frame.valence == pytest.approx(0.59 - 0.01, abs=0.011)  # one interval of 50 ms behind


def test_values_that_a_model_does_not_give_are_missing_and_nothing_moves_for_them():
    none = mood(None, 0.5, sigma_valence=None)
    frame = played(Shaping(), at_half_seconds([none] * 10), until=5.0)[-1]
    assert (frame.valence, frame.sigma_valence, frame.p_positive) == (None, None, None)
    assert frame.valence01 == pytest.approx(0.5)
    assert frame.arousal == pytest.approx(0.5)


def test_shaping_keeps_its_states_apart():
    options = Shaping()
    first = init_shape(options)
    one, _ = shape(options, first, [Received(0.0, mood(1, 1))], 0.0)
    other, frame = shape(options, first, [], 0.0)
    assert frame.state == "stale"
    assert one != other


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": 61}, "--rate is 61 frames a second: 1 to 60 is expected"),
        ({"rate": math.nan}, "--rate is nan"),
        ({"delay_ms": 5001}, "--delay-ms is 5001 ms: 0 to 5000 is expected"),
        ({"range": "0.5,0.2"}, "--range 0.5,0.2 is no range"),
        ({"range": "wide"}, "--range wide is no range"),
        ({"rest": "0.5,0.5"}, "--rest 0.5,0.5 is no scene"),
        ({"damp": 1.0, "attack": 0, "release": 0}, "--damp slows attack and release"),
        ({"on_stale": "dark"}, "--on-stale is 'dark'"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(changes, words):
    with pytest.raises(UsageError, match=words.replace("?", r"\?")) as raised:
        Shaping(**changes)
    assert "\n" not in str(raised.value)
