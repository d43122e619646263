"""Metrics against scipy, scikit-learn and cases worked by hand."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from offline.evaluation import metrics


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def _songs(rng, n=12):
    y, p = [], []
    for _ in range(n):
        m = int(rng.integers(5, 40))
        level = rng.normal(0, 0.3)
        y.append(level + rng.normal(0, 0.05, m))
        p.append(0.7 * level + rng.normal(0, 0.1, m))
    return y, p


def test_hand_worked_rmse_differs_between_per_song_and_pooled():
    y = [np.zeros(1), np.zeros(3)]
    p = [np.array([0.4]), np.array([0.1, 0.1, 0.1])]
    assert metrics.per_song(metrics.rmse, y, p).mean == pytest.approx(0.25)
    pooled = metrics.rmse(np.concatenate(y), np.concatenate(p))
    assert pooled == pytest.approx(np.sqrt((0.16 + 3 * 0.01) / 4))


def test_r2_uses_the_mean_of_the_test_labels_and_can_be_negative(rng):
    y, p = rng.normal(1, 1, 50), rng.normal(3, 1, 50)
    assert metrics.r2(y, p) == pytest.approx(sklearn.metrics.r2_score(y, p))
    assert metrics.r2(y, p) < 0
    assert metrics.r2(y, np.full(50, y.mean())) == pytest.approx(0.0)


def test_pearson_matches_scipy_and_a_constant_is_undefined(rng):
    y, p = rng.normal(size=30), rng.normal(size=30)
    assert metrics.pearson(y, p) == pytest.approx(scipy.stats.pearsonr(y, p)[0])
    assert np.isnan(metrics.pearson(y, np.full(30, 0.1)))
    assert np.isnan(metrics.pearson(np.full(30, np.float32(0.1)), p))


def test_undefined_correlations_count_as_zero_and_are_counted():
    y = [np.array([0.0, 1.0]), np.array([0.2, 0.2])]
    p = [np.array([0.0, 1.0]), np.array([0.0, 1.0])]
    got = metrics.per_song(metrics.pearson, y, p)
    assert (got.mean, got.undefined, got.n) == (pytest.approx(0.5), 1, 2)


def test_ccc_by_hand_and_by_definition(rng):
    # y = 0, 2; p = 1, 3: cov 1, variances 1, means 1 apart: 2 / (1 + 1 + 1)
    assert metrics.ccc(np.array([0.0, 2.0]), np.array([1.0, 3.0])) == pytest.approx(2 / 3)
    y, p = rng.normal(size=40), rng.normal(size=40)
    r = scipy.stats.pearsonr(y, p)[0]
    top = 2 * r * y.std() * p.std()
    bottom = y.var() + p.var() + (y.mean() - p.mean()) ** 2
    assert metrics.ccc(y, p) == pytest.approx(top / bottom)


@pytest.mark.parametrize("ties", [False, True])
def test_tau_b_matches_scipy(rng, ties):
    y, p = rng.normal(size=60), rng.normal(size=60)
    if ties:
        y, p = y.round(0), p.round(0)
    assert metrics.kendall_tau_b(y, p) == pytest.approx(scipy.stats.kendalltau(y, p)[0])


def test_skill_is_zero_for_the_constant_itself(rng):
    y, _ = _songs(rng)
    s = metrics.score(y, [np.full(len(a), 0.12) for a in y], 0.12, n_boot=50)
    assert s.skill_song.value == pytest.approx(0)
    assert s.skill_pooled.value == pytest.approx(0)
    assert s.r_song.undefined == len(y)


def test_mse_skill_equals_r2_when_the_constant_is_the_test_mean(rng):
    y, p = _songs(rng)
    s = metrics.score(y, p, float(np.concatenate(y).mean()), n_boot=10)
    assert s.mse_skill == pytest.approx(s.r2_pooled)


def test_equal_lengths_per_song_is_never_above_pooled(rng):
    y = [rng.normal(size=20) for _ in range(9)]
    p = [rng.normal(size=20) for _ in range(9)]
    s = metrics.score(y, p, 0.0, n_boot=10)
    assert s.rmse_song.value <= s.rmse_pooled.value
    assert s.oracle_song < s.constant_song


def test_a_constant_per_song_is_accepted_for_cross_validation(rng):
    y, p = _songs(rng)
    constants = [np.full(1, 0.1 * (i % 3)) for i in range(len(y))]
    s = metrics.score(y, p, constants, n_boot=10)
    by_hand = np.mean([np.sqrt(np.mean((a - c) ** 2)) for a, c in zip(y, constants, strict=True)])
    assert s.constant_song == pytest.approx(by_hand)


def test_bootstrap_draws_songs_and_contains_the_figure(rng):
    y, p = _songs(rng, 60)
    fast = metrics.score(y, p, 0.0, n_boot=400, seed=3).rmse_pooled

    def pooled(a, b):
        return metrics.rmse(np.concatenate(a), np.concatenate(b))

    slow = metrics.bootstrap(pooled, y, p, n_boot=400, seed=3)
    assert fast == slow or (fast.low, fast.high) == pytest.approx((slow.low, slow.high))
    assert fast.low < fast.value < fast.high
    # frames of a song are not independent: drawing frames would give a far narrower interval
    doubled = metrics.score(
        [np.repeat(a, 10) for a in y], [np.repeat(b, 10) for b in p], 0.0, n_boot=400, seed=3
    ).rmse_pooled
    assert doubled.high - doubled.low == pytest.approx(fast.high - fast.low)


def test_paired_bootstrap_sees_a_small_steady_difference(rng):
    y = [rng.normal(rng.normal(0, 0.4), 0.01, 20) for _ in range(40)]
    p = [np.zeros(20)] * 40
    q = [a * 0.03 for a in y]
    got = metrics.bootstrap_paired(y, q, p)
    assert got.high < 0
    single = metrics.score(y, p, 0.0).rmse_song, metrics.score(y, q, 0.0).rmse_song
    assert single[0].low < single[1].high  # unpaired intervals overlap


def test_classification_matches_scikit_learn(rng):
    y = rng.choice(["Q1", "Q2", "Q3", "Q4"], 80)
    p = np.where(rng.random(80) < 0.5, y, "Q1")
    got = metrics.classification(y, p)
    assert got["accuracy"] == pytest.approx(np.mean(y == p))
    for kind in ("macro", "weighted"):
        assert got[f"{kind}_f1"] == pytest.approx(sklearn.metrics.f1_score(y, p, average=kind))
    assert got["majority_accuracy"] == pytest.approx(max(np.mean(y == c) for c in set(y)))


def test_coverage_of_a_gaussian_is_the_textbook_one(rng):
    y = rng.normal(size=20000)
    assert metrics.coverage(y, np.zeros_like(y), np.ones_like(y)) == pytest.approx(0.683, abs=0.01)


def test_unequal_or_empty_arrays_are_refused():
    with pytest.raises(ValueError, match="expected equal"):
        metrics.rmse(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="expected equal"):
        metrics.rmse(np.zeros(0), np.zeros(0))
