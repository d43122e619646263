"""Loaders on the real label files: counts, ranges, the exchange, NaN, duplicates."""

import numpy as np
import pytest

from offline.datasets import load_dataset
from offline.datasets.artists import artist_key, artists_of
from offline.datasets.collection import kinds_of, sets_of
from offline.datasets.folds import (
    TABLE,
    artist_folds,
    balanced_folds,
    components,
    is_test58,
    write_table,
)
from offline.datasets.splits import known_split, make_split


@pytest.fixture(scope="session")
def deam(real_data):
    return load_dataset(real_data, "clips")


@pytest.fixture(scope="session")
def emomusic(real_data):
    return load_dataset(real_data / "deam" / "labels" / "emomusic")


def test_deam_has_the_published_groups(deam):
    groups = [sum(s.group == g for s in deam) for g in ("2013", "2014", "2015")]
    assert groups == [744, 1000, 58]
    assert all(s.has_static and deam.labels(s.id) is not None for s in deam)


def test_the_exchanged_block_is_found_corrected_and_said(deam, emomusic):
    lines = deam.findings.lines()
    assert sum("EXCHANGED" in line for line in lines) == 1
    assert "<= 1000" in next(line for line in lines if "EXCHANGED" in line)
    assert sum(line.endswith(": right") for line in lines) == 2
    ours = np.array(
        [(deam[s.id].raw["valence_mean"], deam[s.id].raw["arousal_mean"]) for s in emomusic]
    )
    theirs = np.array([(s.raw["valence_mean"], s.raw["arousal_mean"]) for s in emomusic])
    assert np.sum(np.abs(ours - theirs).max(axis=1) < 0.06) >= 738
    by_genre = {
        g: np.mean([s.arousal for s in emomusic if s.genre == g]) for g in ("Classical", "Rock")
    }
    assert by_genre["Classical"] < by_genre["Rock"] - 0.2


def test_static_labels_are_on_one_scale_and_keep_their_raw_value(deam):
    for song in deam:
        assert -1 <= song.valence <= 1
        assert song.valence == pytest.approx((song.raw["valence_mean"] - 5) / 4)
        assert 1 <= song.raw["arousal_mean"] <= 9


def test_dynamic_labels_have_the_published_lengths_and_no_nan(deam):
    lengths = {s.id: len(deam.labels(s.id)) for s in deam}
    clips = [n for song, n in lengths.items() if int(song) <= 2000]
    full = [n for song, n in lengths.items() if int(song) > 2000]
    assert set(clips) <= {60}
    assert (min(full), max(full)) == (68, 1223)
    unequal = next(x for x in deam.findings.lines() if "differ in length" in x)
    assert unequal.endswith("9 (3, 22, 2002, 2011, 2020, 2027, 2036, 2042, 2045)")
    curve = deam.labels("2")
    assert curve.t_s[0] == 15.0
    assert np.allclose(np.diff(curve.t_s), 0.5)
    assert np.isfinite(curve.valence).all()


def test_emomusic_is_deam_up_to_1000(deam, emomusic):
    assert len(emomusic) == 744
    assert all(s.id in deam and s.same_as == (f"deam:{s.id}",) for s in emomusic)
    sets = [s.official["mediaeval2013"] for s in emomusic]
    assert (sets.count("development"), sets.count("evaluation")) == (619, 125)


def test_pmemo_is_read_arousal_first_on_its_own_scale(real_data):
    pmemo = load_dataset(real_data / "pmemo")
    assert len(pmemo) == 767
    first = pmemo["1"]
    assert first.arousal == pytest.approx(-0.2)
    assert first.valence == pytest.approx(0.15)


def test_4q_and_mirex_have_their_counts_and_share_artists(real_data):
    panda, mirex = load_dataset(real_data / "4q"), load_dataset(real_data / "mirex")
    assert [sum(s.quadrant == f"Q{q}" for s in panda) for q in (1, 2, 3, 4)] == [179, 167, 199, 179]
    assert [sum(s.raw["cluster"] == c for s in mirex) for c in range(1, 6)] == [
        165, 159, 206, 185, 161,
    ]  # fmt: skip
    shared = {artist_key(s.artist) for s in panda} & {artist_key(s.artist) for s in mirex} - {""}
    assert len(shared) >= 60


def test_no_artist_is_on_both_sides_of_a_fold_in_any_set(real_data):
    sets = sets_of(real_data)
    assert [d.name for d in sets] == ["deam", "4q", "mirex"]
    songs = [song for one in sets for song in one if not is_test58(song)]
    folds = artist_folds(songs)
    fold_of = {}
    for song in songs:
        for name in artists_of(song.artist, song.title):
            assert fold_of.setdefault(name, folds[song.uid]) == folds[song.uid], name
    shared = [f for name, f in fold_of.items() if name in ("kevin macleod", "nelson willie")]
    assert len(shared) == 2
    assert folds["mirex:043"] == folds["mirex:080"]  # one recording, the second without a name
    for alone in sets:
        own = artist_folds([s for s in alone if not is_test58(s)])
        assert own == {uid: folds[uid] for uid in own}


def test_groups_of_artists_stay_small_and_folds_even(real_data):
    songs = [song for one in sets_of(real_data) for song in one if not is_test58(song)]
    groups = components(songs)
    assert max(map(groups.count, set(groups))) <= 25  # one artist has 23 songs in DEAM
    folds = artist_folds(songs)
    count = {}
    for song in songs:
        for kind in kinds_of(song):
            count.setdefault(kind, [0] * 5)[folds[song.uid]] += 1
    assert len(count) == 20
    for kind, sizes in count.items():
        assert max(sizes) - min(sizes) <= 3, (kind, sizes)


def test_the_written_folds_are_those_that_the_sets_give(real_data, tmp_path):
    songs = [song for one in sets_of(real_data) for song in one if not is_test58(song)]
    write_table(songs, balanced_folds(songs, kinds_of), tmp_path / "folds.csv")
    assert (tmp_path / "folds.csv").read_text() == TABLE.read_text()


def test_five_folds_test_every_song_up_to_2000_once(deam):
    tested = [uid for fold in range(5) for uid in make_split(list(deam), fold).test]
    assert len(tested) == len(set(tested)) == 1744
    sizes = [len(make_split(list(deam), fold).test) for fold in range(5)]
    assert min(sizes) > 250
    assert max(sizes) < 450


def test_the_58_songs_train_nothing_and_their_artists_neither(deam):
    split = known_split(list(deam), "test58")
    assert len(split.test) == 58
    assert not any(int(uid.split(":")[1]) > 2000 for uid in split.train + split.validation)


def test_the_2013_split_is_not_artist_disjoint(emomusic):
    split = known_split(list(emomusic), "mediaeval2013")
    assert len(split.train) + len(split.validation) == 619
    assert not split.artist_disjoint
    key = {s.uid: artist_key(s.artist) for s in emomusic}
    dev = {key[u] for u in split.train + split.validation}
    assert len(dev & {key[u] for u in split.test} - {""}) >= 50


def test_the_published_traps_are_computed_from_the_labels(real_data):
    from offline.reporting.literature import explain

    constants = "\n".join(explain(real_data, "constants"))
    assert (
        "the 58 full songs of 2015, arousal: constant +0.139 has RMSE per song 0.264" in constants
    )
    assert (
        "the 58 full songs of 2015, valence: constant +0.100 has RMSE per song 0.267" in constants
    )
    assert "has RMSE per song 0.194, pooled 0.232" in constants
    assert "25 of 1441 training songs and 7 of 361" in "\n".join(explain(real_data, "generator"))
    joint = "\n".join(explain(real_data, "joint-split"))
    assert "125 official emoMusic test songs 82 are in its DEAM training list and 16" in joint
    assert "Of its 270 DEAM test songs 86" in joint


def test_svr_on_opensmile_means_reaches_the_known_r2(real_data, tmp_path):
    from offline.evaluation.baselines import cross_validate
    from offline.evaluation.metrics import r2
    from offline.features.cache import FeatureCache
    from offline.training.classical import descriptors, find_table

    deam = load_dataset(real_data, "clips")
    table = find_table(deam.root)
    if table is None:
        pytest.skip("no table of openSMILE means beside the labels")
    x, songs = descriptors(deam, deam.songs, FeatureCache(tmp_path), table)
    assert x.shape == (1802, 130)
    y = np.array([(s.valence, s.arousal) for s in songs])
    for by, arousal, valence in (("song", 0.63, 0.32), ("artist", 0.62, 0.30)):
        p = cross_validate(x, songs, "svr", by=by)
        assert r2(y[:, 1], p[:, 1]) >= arousal
        # The known figures have two decimals; by artist, .30 was .310 while songs of one artist
        # under different credits stood on both sides, and is .299 since they do not.
        assert round(r2(y[:, 0], p[:, 0]), 2) >= valence
