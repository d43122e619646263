"""The default model finds in the demo track what was composed: the order, not exact values."""

import json
from pathlib import Path

import numpy as np
import pytest

from streammer import listen

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def heard():
    moods = list(listen(EXAMPLES / "demo.ogg", pace="fast"))
    plan = json.loads((EXAMPLES / "demo.json").read_text())
    assert len(moods) == 121  # 60.5 s
    return {
        part["name"]: [
            # Four seconds into a movement the one before is forgotten.
            m
            for m in moods
            if part["start_s"] + 4.0 < m.t_audio_s <= part["end_s"] - 0.5
        ]
        for part in plan
    }


def mean(moods, axis):
    return float(np.mean([getattr(m, axis) for m in moods]))


@pytest.mark.parametrize("energetic", ["tense", "bright"])
@pytest.mark.parametrize("calm", ["calm", "sad"])
def test_energetic_movements_have_more_arousal(heard, energetic, calm):
    assert mean(heard[energetic], "arousal") > mean(heard[calm], "arousal") + 0.2


def test_the_happy_dance_has_more_valence_than_the_lament(heard):
    assert mean(heard["bright"], "valence") > mean(heard["sad"], "valence") + 0.1


def test_every_movement_is_heard_as_live_music(heard):
    for moods in heard.values():
        assert {m.state for m in moods} == {"live"}
