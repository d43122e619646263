"""Rules fire once, and what can never fire is refused."""

import pytest
from bridge_parts import STEADY, at_half_seconds, mood, played
from hypothesis import given
from hypothesis import strategies as st

from streammer.bridges.options import Shaping
from streammer.bridges.rules import KEYS, Watch, parse_rules, step
from streammer.errors import UsageError

DROP = "drop: arousal over 0.4 for 8 s"


def fired(rule, moods, **changes):
    options = Shaping(rule=(rule,), attack=0.0, release=0.0, **changes)
    history = at_half_seconds(moods)
    frames = played(options, history, until=history[-1].at)
    return [(round(f.t, 2), f.fired) for f in frames if f.fired]


def test_a_rule_fires_once_when_its_value_has_been_beyond_for_long_enough():
    moods = [mood(0, 0.0)] * 4 + [mood(0, 0.6)] * 60
    ((t, names),) = fired(DROP, moods)
    assert names == ("drop",)
    assert t == pytest.approx(2.0 + 0.5 * 4 / 6 + 8.0, abs=0.05)  # over 0.4 on its way to 0.6


def test_it_fires_again_only_after_its_value_was_well_behind_the_threshold():
    loud, between, calm = [mood(0, 0.6)] * 20, [mood(0, 0.35)] * 4, [mood(0, 0.2)] * 4
    assert len(fired(DROP, loud + between + loud)) == 1
    assert len(fired(DROP, loud + calm + loud)) == 2
    assert len(fired(f"{DROP} until -0.5", loud + calm + loud)) == 1


def test_a_dip_begins_the_time_anew():
    moods = [mood(0, 0.6)] * 14 + [mood(0, 0.35)] * 3 + [mood(0, 0.6)] * 12
    assert fired(DROP, moods) == []


def test_the_resting_scene_fires_nothing():
    moods = [mood(0, 0.2)] * 4 + [mood(0, 0, state="silent")] * 40
    assert fired("calm: arousal under -0.3 for 1 s", moods) == []
    assert len(fired("calm: arousal under -0.3 for 1 s", [mood(0, -0.6)] * 12)) == 1


@STEADY
@given(st.lists(st.floats(-1, 1), max_size=40), st.sampled_from([0.0, 1.0, 3.0]))
def test_between_two_firings_the_value_was_behind_the_second_threshold(values, for_s):
    (rule,) = parse_rules([f"r: arousal over 0.4 for {for_s} s"])
    watch, low_since = Watch(), True
    for k, value in enumerate(values):
        watch, fires = step(rule, watch, {"arousal": value}, float(k))
        low_since = low_since or value < rule.rearm
        if fires:
            assert low_since
            assert value > 0.4
            low_since = False


@pytest.mark.parametrize("key", KEYS)
def test_every_key_can_be_watched(key):
    (rule,) = parse_rules([f"a: {key} under 0.5"])
    assert (rule.above, rule.threshold, rule.for_s) == (False, 0.5, 0.0)
    assert rule.rearm > 0.5


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("drop: arousal over 1.2 for 8 s", "can never fire: arousal is from -1 to 1"),
        ("drop: arousal over 1", "can never fire"),
        ("calm: valence01 under 0", "can never fire"),
        ("drop: arousal over -0.95", "can never fire a second time"),
        ("drop: arousal over 0.4 until 0.6", "would fire again and again"),
        ("drop: arousel over 0.4", "did you mean arousal?"),
        ("drop: level over 0.4", "one of valence, arousal"),
        ("arousal over 0.4 for 8 s", "cannot be read: expected is"),
        ("drop: arousal over much", "cannot be read"),
        ("drop: arousal over 0.4 for 9999 s", "waits 9999 s: 0 to 3600 is expected"),
    ],
)
def test_a_rule_that_is_none_or_can_never_fire_is_refused(rule, words):
    with pytest.raises(UsageError) as raised:
        Shaping(rule=(rule,))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_two_rules_of_one_name_are_refused():
    with pytest.raises(UsageError, match="two rules are called a"):
        Shaping(rule=("a: valence over 0.1", "a: arousal over 0.1"))
