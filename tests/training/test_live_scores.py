"""Figures of the live model against scikit-learn, scipy, the engine, and cases done by hand."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, spearmanr
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score

from offline.batches.live.data import SR
from offline.datasets.audio import read_mono
from offline.datasets.mirex import NORMS
from offline.evaluation.alike import alike, hindsight_constant
from offline.evaluation.live.moods import (
    QUADRANTS,
    auc_scores,
    cluster_scores,
    published_quadrants,
    quadrant_labels,
    quadrant_scores,
    quadrant_steps,
    sign_agreement,
)
from offline.evaluation.live.predict import run_sound
from offline.evaluation.live.reaction import crossing, movement
from offline.evaluation.live.scores import all_outputs, over_folds
from offline.evaluation.live.sigma import best_constant_sigma, calibration
from offline.export.live_card import protocol
from offline.prose import unwrapped
from offline.reporting.live.table import table_lines, table_markdown
from offline.training.live.calibration import crps
from streammer import listen, load_model
from streammer.audio.resample import resample

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _moods(rng: np.random.Generator, clips: int = 60, steps: int = 12) -> np.ndarray:
    moods = rng.uniform(-1, 1, (clips, steps, 6))
    moods[..., 2:4] = rng.uniform(0.1, 0.4, (clips, steps, 2))
    moods[..., 4:6] = (moods[..., 4:6] + 1) / 2
    return moods


def test_areas_are_those_of_scikit_learn_inside_the_right_halves(rng) -> None:
    half = rng.integers(0, 2, (80, 2)).astype(float)
    mood = _moods(rng, 80)[:, 0]
    scores = auc_scores(half, mood)
    calm, hot, low, high = (half[:, 1] == 0, half[:, 1] == 1, half[:, 0] == 0, half[:, 0] == 1)
    every = calm | hot
    for name, truth, column, rows in (
        ("auc_valence", 0, 0, every),
        ("auc_valence_calm_half", 0, 0, calm),
        ("auc_valence_energetic_half", 0, 0, hot),
        ("auc_arousal", 1, 1, every),
        ("auc_arousal_negative_half", 1, 1, low),
        ("auc_arousal_positive_half", 1, 1, high),
        ("auc_positive_calm_half", 0, 4, calm),
        ("auc_positive_energetic_half", 0, 4, hot),
        ("auc_energetic", 1, 5, every),
    ):
        assert scores[name] == pytest.approx(roc_auc_score(half[rows, truth], mood[rows, column]))
    assert len(scores) == 12


def test_an_area_of_one_label_or_of_an_output_that_is_not_there_is_left_out() -> None:
    half = np.array([[1, 1], [0, 1], [1, 1]], float)  # all energetic
    mood = np.full((3, 6), np.nan)
    mood[:, 0] = (0.3, -0.1, 0.2)
    assert auc_scores(half, mood) == {"auc_valence": 1.0, "auc_valence_energetic_half": 1.0}


def test_valence_that_only_follows_arousal_fails_inside_the_halves() -> None:
    # Loud songs called positive: fair over all clips of a set with more Q1 than Q2, chance inside.
    half = np.array([[1, 1]] * 6 + [[0, 1]] * 2 + [[0, 0]] * 6 + [[1, 0]] * 2, float)
    mood = np.zeros((16, 6))
    mood[:, 0] = half[:, 1]
    scores = auc_scores(half, mood)
    assert scores["auc_valence"] == pytest.approx(0.75)
    assert scores["auc_valence_calm_half"] == scores["auc_valence_energetic_half"] == 0.5


def test_quadrants_keep_their_side_within_the_hysteresis_from_step_to_step() -> None:
    clip = np.full((5, 6), np.nan)
    clip[:, 0] = -0.9  # valence says negative; the probabilities decide
    clip[:, 1] = 0.9
    clip[:, 4] = (0.6, 0.47, 0.44, 0.53, 0.56)
    clip[:, 5] = 0.9
    assert quadrant_steps(clip) == ["Q1", "Q1", "Q2", "Q2", "Q1"]
    clip[:, 4:6] = np.nan
    assert quadrant_steps(clip) == ["Q2"] * 5  # by the signs where there are no probabilities
    clip[:, 0] = np.nan
    assert quadrant_steps(clip) == [None] * 5


def test_a_clip_is_published_as_its_most_frequent_quadrant() -> None:
    clip = np.full((6, 6), np.nan)
    clip[:, 4] = (0.9, 0.9, 0.9, 0.1, 0.1, 0.9)
    clip[:, 5] = 0.9
    assert published_quadrants(clip[None]) == ["Q1"]
    assert published_quadrants(clip[None], 3) == ["Q2"]
    assert published_quadrants(np.full((1, 3, 6), np.nan)) == [None]


def test_quadrants_are_those_that_the_engine_publishes() -> None:
    demo = EXAMPLES / "demo.ogg"
    y, sr = read_mono(demo)
    y = y[: 40 * sr]
    published = [m.quadrant for m in listen(y, sr=sr, pace="fast")]
    model = load_model("default")
    scored = quadrant_steps(all_outputs(model, run_sound(model, resample(y, sr, SR))))
    assert scored == published
    assert len(set(published)) > 1, "the demo crosses a border in its first 40 s"


def test_accuracy_and_confusion_are_those_of_scikit_learn(rng) -> None:
    half = rng.integers(0, 2, (70, 2)).astype(float)
    truth = quadrant_labels(half)
    assert truth[:4] == [
        {(1, 1): "Q1", (0, 1): "Q2", (0, 0): "Q3", (1, 0): "Q4"}[int(p), int(e)]
        for p, e in half[:4]
    ]
    published = published_quadrants(_moods(rng, 70))
    scores = quadrant_scores(truth, published)
    table = confusion_matrix(truth, published, labels=QUADRANTS)
    for a, row in zip(QUADRANTS, table, strict=True):
        assert [scores[f"confusion_{a}_{b}"] for b in QUADRANTS] == row.tolist()
    assert scores["quadrant_accuracy"] == pytest.approx(accuracy_score(truth, published))
    assert scores["q2_as_q1"] == pytest.approx(table[1, 0] / table[1].sum())
    assert scores["quadrant_majority"] == pytest.approx(table.sum(1).max() / 70)


def test_what_has_no_quadrant_is_wrong_not_left_out() -> None:
    scores = quadrant_scores(["Q1", "Q2"], ["Q1", None])
    assert scores["quadrant_accuracy"] == 0.5
    assert scores["q2_as_q1"] == 0


def test_signs_agree_only_where_the_probability_is_clear() -> None:
    moods = np.zeros((1, 5, 6))
    moods[0, :, 0] = (0.1, -0.1, 0.2, -0.3, 0.5)
    moods[0, :, 4] = (0.9, 0.8, 0.1, 0.2, 0.6)  # right, wrong, wrong, right, not clear
    assert sign_agreement(moods) == {"sign_agreement": 0.5, "sign_clear": 0.8}
    moods[..., 4] = 0.5
    assert sign_agreement(moods) == {}


def test_clusters_are_ranked_by_the_norms_of_their_words(rng) -> None:
    cluster = rng.integers(0, 5, 90)
    mood = _moods(rng, 90)[:, 0]
    scores = cluster_scores(cluster, mood)
    for k, axis in enumerate(("valence", "arousal")):
        rank = [NORMS[c + 1][k] for c in cluster]
        assert scores[f"mirex_{axis}"] == pytest.approx(spearmanr(rank, mood[:, k])[0])
    best = np.zeros((5, 6))
    best[:, 0] = (0.2, 0.9, -0.5, 0.6, -0.8)  # rousing, cheerful, wistful, humorous, aggressive
    best[:, 1] = (0.5, 0.1, -0.7, 0.3, 0.9)
    assert cluster_scores(np.arange(5), best) == pytest.approx(
        {"mirex_valence": 1.0, "mirex_arousal": 1.0}
    )


@pytest.mark.parametrize(("y", "mean", "sigma"), [(0.0, 0.0, 1.0), (0.7, 0.2, 0.3), (-2, 1, 0.5)])
def test_crps_is_the_integral_that_defines_it(y: float, mean: float, sigma: float) -> None:
    below = quad(lambda x: norm.cdf(x, mean, sigma) ** 2, -15, y)[0]
    above = quad(lambda x: (1 - norm.cdf(x, mean, sigma)) ** 2, y, 15)[0]
    got = crps(np.array(y - mean), np.array(sigma))
    assert float(got) == pytest.approx(below + above, abs=1e-6)


def test_crps_of_a_standard_gaussian_at_its_mean() -> None:
    assert float(crps(np.array(0.0), np.array(1.0))) == pytest.approx(
        (np.sqrt(2) - 1) / np.sqrt(np.pi)
    )


def test_the_best_constant_sigma_is_no_worse_than_any_other(rng) -> None:
    error = 0.3 * rng.standard_normal(4000)
    best = best_constant_sigma(error)
    assert best == pytest.approx(0.3, rel=0.05)
    own = crps(error, np.asarray(best)).mean()
    for other in best * np.array([0.7, 0.9, 0.99, 1.01, 1.1, 1.5]):
        assert own <= crps(error, np.asarray(other)).mean() + 1e-9


def test_sigma_that_knows_which_song_is_wrong_beats_every_constant(rng) -> None:
    sigma = np.repeat(rng.choice([0.05, 0.4], (300, 1, 1)), 4, 1)
    y = rng.standard_normal((300, 4, 2)) * sigma
    mood = np.concatenate((np.zeros_like(y), np.repeat(sigma, 2, 2)), 2)
    mood[:100, :, 1] += 1e-3  # predicted energetic
    scores = calibration(y, mood)
    for axis in ("valence", "arousal"):
        assert scores[f"crps_{axis}"] < 0.9 * scores[f"crps_constant_{axis}"]
        assert scores[f"inside1_{axis}"] == pytest.approx(0.683, abs=0.03)
        assert scores[f"inside2_{axis}"] == pytest.approx(0.954, abs=0.02)
        assert scores[f"rank_{axis}"] > 0.5


def test_coverage_is_counted_apart_in_each_half_of_predicted_arousal() -> None:
    y = np.zeros((3, 2, 2))
    mood = np.zeros((3, 2, 4))
    mood[..., 2:4] = 0.1
    mood[0, :, :2] = (0.15, 0.5)  # energetic: valence inside 2 sigma, arousal outside
    mood[1, :, :2] = (0.05, -0.05)  # calm: all inside 1
    mood[2, :, :2] = (0.05, -0.15)  # calm: arousal inside 2
    scores = calibration(y, mood)
    assert scores["inside1_valence_energetic"] == 0
    assert scores["inside2_valence_energetic"] == 1
    assert scores["inside1_valence_calm"] == 1
    assert scores["inside1_valence"] == pytest.approx(2 / 3)
    assert scores["inside1_arousal_calm"] == 0.5
    assert scores["inside2_arousal_calm"] == 1
    assert scores["inside2_arousal"] == pytest.approx(2 / 3)


def test_a_model_without_sigma_has_no_figures_of_it(rng) -> None:
    mood = np.full((4, 3, 6), np.nan)
    mood[..., :2] = rng.uniform(-1, 1, (4, 3, 2))
    assert calibration(np.zeros((4, 3, 2)), mood) == {}


def test_outputs_stand_in_their_columns_whatever_a_model_has() -> None:
    class Few:
        outputs = ("arousal", "p_positive")

    moods = np.arange(4.0).reshape(1, 2, 2)
    wide = all_outputs(Few(), moods)  # type: ignore[arg-type]
    np.testing.assert_array_equal(wide[0, :, 1], (0, 2))
    np.testing.assert_array_equal(wide[0, :, 4], (1, 3))
    assert np.isnan(wide[..., [0, 2, 3, 5]]).all()


def test_a_curve_crosses_between_steps() -> None:
    assert crossing(np.array([0, 0.4, 0.8, 1.0]), 0.6) == pytest.approx(0.5 * 1.5)
    assert np.isnan(crossing(np.array([0, 0.1]), 0.6))


def test_movement_is_the_mean_step_inside_songs() -> None:
    moods = np.zeros((2, 3, 6))
    moods[0, :, 0] = (0, 0.1, 0.3)
    moods[1, :, 0] = 0.9  # the jump between songs is none
    assert movement(moods) == pytest.approx(
        {"movement": 0.0375, "movement_valence": 0.075, "movement_arousal": 0.0}
    )


def test_folds_are_averaged_over_seeds() -> None:
    folds = {
        "a": {"fold": 0, "seed": 0, "x": 1.0},
        "b": {"fold": 0, "seed": 1, "x": 3.0},
        "c": {"fold": 1, "seed": 0, "x": 5.0},
        "d": {"fold": 2, "seed": 0},
    }
    assert over_folds(folds, "x") == {0: 2.0, 1: 5.0}


def test_a_constant_in_hindsight_is_the_best_of_its_form() -> None:
    y = [np.array([0.0, 0.2]), np.array([0.1, 0.1, 0.1, 0.1]), np.array([0.9])]
    pooled = alike(y, y, 0.0, pooled=True)
    assert hindsight_constant(y, pooled=True) == pytest.approx(np.concatenate(y).mean())
    assert pooled.rmse == 0
    assert pooled.r == pytest.approx(1)
    assert pooled.hindsight == pytest.approx(np.concatenate(y).std())
    assert pooled.constant == pytest.approx(np.sqrt(np.mean(np.concatenate(y) ** 2)))
    best = hindsight_constant(y)
    per_song = lambda c: np.mean([np.sqrt(np.mean((a - c) ** 2)) for a in y])  # noqa: E731
    grid = np.linspace(0, 0.9, 9001)
    assert per_song(best) <= min(per_song(c) for c in grid) + 1e-6
    of = alike(y, [a + 0.1 for a in y], 0.0)
    assert of.rmse == pytest.approx(0.1)
    assert of.constant == pytest.approx(per_song(0.0))
    assert of.hindsight == pytest.approx(per_song(best))
    assert of.r == pytest.approx(1)


def test_a_card_says_what_labels_mean_and_how_the_model_was_chosen() -> None:
    texts = {title: unwrapped(text) for title, text in protocol().items()}
    means, chosen = texts.values()
    assert [p[:8] for p in means.split("\n\n")[1:5]] == [
        "- DEAM: ",
        "- 4Q: so",
        "- The MI",
        "- Deezer",
    ]
    assert "outer-folds.jsonl" in chosen
    assert not any(line.startswith("#") for text in texts.values() for line in text.splitlines())


def test_tables_are_of_what_was_scored_and_say_how_often_folds_were_read() -> None:
    def fold(k: int, **more: float) -> dict[str, float]:
        own = {f"confusion_{a}_{b}": float(a == b) * 10 for a in QUADRANTS for b in QUADRANTS}
        return {"fold": k, "seed": 0, "auc_valence": 0.6 + k / 10, **own, **more}

    body = {
        "folds": {"a": fold(0, crps_arousal=0.0956, crps_constant_arousal=0.0959), "b": fold(1)},
        "in_sample": {"1": "it was fitted without fold 0"},
        "readings": {"0": "3 x, 2 artefacts, 2 configurations"},
    }
    text = "\n".join(table_lines(body))
    assert text.startswith("fold 1 is IN-SAMPLE for this artefact")
    assert re.search(r"AUC of VALENCE +\.650 +\.5 ", text)
    assert re.search(r"CRPS, arousal .* +\.0956 +\.0959 +better", text)
    assert re.search(r"AUC of VALENCE +\.600 +\.700 +\.650 +\.071", text)  # fold by fold
    assert re.search(r"Q2 +0 +20 +0 +0", text)
    assert "outer fold 0 was read 3 x, 2 artefacts, 2 configurations" in text
    assert "Q2 " in table_markdown(body)
    assert "58 songs" not in text
