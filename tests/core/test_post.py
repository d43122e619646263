"""The rules of the states: silence, degradation, smoothing, quadrants."""

import math

import pytest

from streammer.engine.post import (
    Mood,
    PostParams,
    combine,
    gate,
    init_post,
    post_degraded,
    post_step,
)
from streammer.estimate import quadrant_of

OUTPUTS = frozenset(
    ("valence", "arousal", "sigma_valence", "sigma_arousal", "p_positive", "p_energetic")
)
RAW = Mood(0.6, -0.4, 0.1, 0.2, 0.9, 0.2)


def params(**changes):
    return PostParams(
        **{
            "step_s": 0.5,
            "outputs": OUTPUTS,
            "prior_sd": {"valence": 0.25, "arousal": 0.3},
            "warmup_s": 2.0,
            **changes,
        }
    )


def run(p, levels, raw=RAW, state=None):
    """Feed steps of these levels; return the state and the list of (state name, mood)."""
    state = state or init_post(p)
    said = []
    for level in levels:
        g = gate(p, state, level, fresh=False)
        state, name = post_step(p, state, raw if g.step else None, level_dbfs=level, clipping=False)
        said.append((name, state.mood, g))
    return state, said


def test_before_the_first_sound_the_stream_is_silent_neutral_and_as_unsure_as_the_prior():
    _, said = run(params(), [-120.0] * 3)
    for name, mood, g in said:
        assert name == "silent"
        assert mood == Mood(0.0, 0.0, 0.25, 0.3, 0.5, 0.5)
        assert g.reset
        assert not g.step


def test_first_sound_is_warming_until_the_models_have_heard_enough():
    _, said = run(params(), [-20.0] * 6)
    assert [name for name, _, _ in said] == ["warming"] * 3 + ["live"] * 3


def test_silence_is_said_after_one_second_and_models_are_held_reset_from_three():
    p = params()
    state, _ = run(p, [-20.0] * 8)
    _, said = run(p, [-90.0] * 8, state=state)
    assert [name for name, _, _ in said] == ["live"] + ["silent"] * 7
    assert [g.step for _, _, g in said] == [True] * 6 + [False] * 2
    assert [g.reset for _, _, g in said] == [False] * 6 + [True] * 2


def test_silence_decays_to_neutral_within_about_five_seconds_while_sigma_grows_to_the_prior():
    p = params()
    state, _ = run(p, [-20.0] * 8)
    _, said = run(p, [-90.0] * 12, state=state)
    moods = [mood for _, mood, _ in said]
    assert moods[0].valence == 0.6
    values = [abs(m.valence) for m in moods]
    assert values == sorted(values, reverse=True)
    assert abs(moods[-1].valence) < 0.1 * 0.6
    assert moods[-1].sigma_valence == pytest.approx(0.25, abs=0.01)
    assert moods[-1].p_positive == pytest.approx(0.5, abs=0.05)


def test_sigma_above_the_prior_does_not_shrink_in_silence():
    p = params()
    loud = Mood(0.6, -0.4, 0.5, 0.5, 0.9, 0.2)
    state, _ = run(p, [-20.0] * 8, raw=loud)
    state, _ = run(p, [-90.0] * 20, raw=loud, state=state)
    assert state.mood.sigma_valence == 0.5


def test_sound_after_silence_is_warming_at_its_first_step_with_the_models_own_word():
    p = params()
    state, _ = run(p, [-20.0] * 8 + [-90.0] * 20)
    _, said = run(p, [-20.0], state=state)
    assert said[0][0] == "warming"
    assert said[0][1] == RAW


def test_a_short_silence_leaves_the_stream_live():
    p = params()
    state, _ = run(p, [-20.0] * 8)
    _, said = run(p, [-90.0, -20.0], state=state)
    assert [name for name, _, _ in said] == ["live", "live"]


def test_clipping_is_said_when_live_and_warming_is_stronger():
    p = params()
    state, name = post_step(p, init_post(p), RAW, level_dbfs=-3.0, clipping=True)
    assert name == "warming"
    state, _ = run(p, [-20.0] * 8, state=state)
    _, name = post_step(p, state, RAW, level_dbfs=-3.0, clipping=True)
    assert name == "clipping"


def test_degraded_ticks_hold_the_mood_and_let_sigma_grow_to_the_prior():
    p = params()
    state, _ = run(p, [-20.0] * 8)
    for _ in range(20):
        state = post_degraded(p, state)
    assert (state.mood.valence, state.mood.arousal) == (0.6, -0.4)
    assert state.mood.sigma_valence == pytest.approx(0.25, abs=1e-3)
    assert state.mood.sigma_arousal == pytest.approx(0.3, abs=1e-3)


def test_smoothing_is_a_one_pole_that_starts_at_the_first_value():
    p = params(smoothing_s=1.0)
    state, said = run(p, [-20.0])
    assert said[0][1].valence == 0.6
    state, _ = run(p, [-20.0], raw=Mood(0.0, 0.0, 0.1, 0.1, 0.5, 0.5), state=state)
    assert state.mood.valence == pytest.approx(0.6 * math.exp(-0.5))


def test_outputs_are_clamped():
    _, said = run(params(), [-20.0], raw=Mood(3.0, -3.0, -1.0, 9.0, 1.5, -0.5))
    mood = said[0][1]
    assert (mood.valence, mood.arousal) == (1.0, -1.0)
    assert 0 < mood.sigma_valence < 0.01
    assert mood.sigma_arousal == 1.0
    assert (mood.p_positive, mood.p_energetic) == (1.0, 0.0)


def test_outputs_that_no_model_gives_stay_null_in_every_state():
    p = params(outputs=frozenset(("arousal",)), prior_sd={"arousal": 0.3})
    raw = Mood(arousal=0.5)
    state, said = run(p, [-120.0] * 2 + [-20.0] * 6 + [-90.0] * 10, raw=raw)
    state = post_degraded(p, state)
    for mood in [m for _, m, _ in said] + [state.mood]:
        assert mood.arousal is not None
        assert mood.valence is None
        assert mood.sigma_arousal is None
        assert mood.p_positive is None
    assert state.quadrant is None


def test_each_output_comes_from_the_first_model_that_has_it():
    mood = combine([{"arousal": 0.1}, {"arousal": 0.9, "valence": 0.2}])
    assert (mood.arousal, mood.valence, mood.p_positive) == (0.1, 0.2, None)


def test_fresh_features_reset_the_models_and_replace_the_mood():
    p = params(smoothing_s=10.0)
    state, _ = run(p, [-20.0] * 8)
    assert gate(p, state, -20.0, fresh=True).reset
    raw = Mood(-0.5, 0.5, 0.1, 0.1, 0.1, 0.9)
    state, name = post_step(p, state, raw, level_dbfs=-20.0, clipping=False, fresh=True)
    assert name == "warming"
    assert state.mood == raw


@pytest.mark.parametrize(
    ("valence", "arousal", "quadrant"),
    [(0.2, 0.2, "Q1"), (-0.2, 0.2, "Q2"), (-0.2, -0.2, "Q3"), (0.2, -0.2, "Q4")],
)
def test_quadrants_are_signs_of_valence_and_arousal(valence, arousal, quadrant):
    assert quadrant_of(valence, arousal) == quadrant


def test_quadrant_keeps_its_sign_within_the_hysteresis():
    assert quadrant_of(-0.04, 0.2, "Q1") == "Q1"
    assert quadrant_of(-0.06, 0.2, "Q1") == "Q2"
    assert quadrant_of(0.04, 0.2, "Q2") == "Q2"
    assert quadrant_of(0.06, 0.2, "Q2") == "Q1"


def test_quadrant_is_null_without_either_pair():
    assert quadrant_of(None, 0.5) is None
    assert quadrant_of(0.5, None) is None


@pytest.mark.parametrize(
    ("p_positive", "p_energetic", "quadrant"),
    [(0.6, 0.6, "Q1"), (0.4, 0.6, "Q2"), (0.4, 0.4, "Q3"), (0.6, 0.4, "Q4")],
)
def test_both_probabilities_decide_against_the_signs(p_positive, p_energetic, quadrant):
    against = (0.5 if p_positive < 0.5 else -0.5, 0.5 if p_energetic < 0.5 else -0.5)
    assert quadrant_of(*against, p_positive=p_positive, p_energetic=p_energetic) == quadrant
    assert quadrant_of(None, None, p_positive=p_positive, p_energetic=p_energetic) == quadrant


def test_one_probability_alone_leaves_the_quadrant_to_the_signs():
    assert quadrant_of(0.5, 0.5, p_positive=0.1) == "Q1"
    assert quadrant_of(0.5, 0.5, p_energetic=0.1) == "Q1"


def test_quadrant_keeps_its_side_within_the_hysteresis_of_the_probabilities():
    kept = {
        p: quadrant_of(0.9, 0.9, "Q1", p_positive=p, p_energetic=0.9) for p in (0.44, 0.46, 0.54)
    }
    assert kept == {0.44: "Q2", 0.46: "Q1", 0.54: "Q1"}
    assert quadrant_of(0.9, 0.9, "Q2", p_positive=0.54, p_energetic=0.9) == "Q2"


def test_angry_music_is_published_as_what_the_probabilities_say():
    p = params()
    raw = Mood(0.12, 0.46, 0.2, 0.2, 0.22, 0.95)
    state, _ = run(p, [-20.0] * 8, raw=raw)
    assert state.quadrant == "Q2"
