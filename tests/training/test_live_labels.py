"""Each clip carries what is known of it, and nothing of a held-out fold shapes what trains."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from offline.batches.live.data import TEST58, LiveData
from offline.batches.live.load import load_live
from offline.datasets import load_dataset
from offline.datasets.deezer import deezer_labels, unit_map
from offline.datasets.folds import artist_folds
from offline.datasets.song import Song
from offline.datasets.synthetic import make_dataset
from offline.features.cache import FeatureCache

MIREX = ("003", "004")
"""Two songs of the synthetic MIREX-like set."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("labels")
    make_dataset(root, "clips", n_songs=12)
    make_dataset(root / "mirex", "mirex", n_songs=10, seconds=15.0)
    (root / "mirex" / "msd_va.csv").write_text(
        "id,dzr_sng_id,split,valence,arousal,artist,title\n"
        f"{MIREX[0]},1,train,1.5,-0.5,x,y\n{MIREX[1]},2,test,1,1,x,y\n"
    )
    (root / "msd").mkdir()
    song = next(iter(load_dataset(root)))
    (root / "msd" / "train.csv").write_text(
        "dzr_sng_id,valence,arousal,artist_name,track_name\n"
        f'9,-1,0.5,"{song.artist.upper()}","{song.title} (live)"\n'
        f'10,-2,1.5,"{song.artist}","{song.title}"\n8,3,3,Nobody,Nothing\n'
    )
    emomusic = root / "labels" / "emomusic"
    emomusic.mkdir()
    for axis, value in (("valence", 0.25), ("arousal", 0.4)):
        (emomusic / f"{axis}_cont_std.csv").write_text(
            f"song_id,sample_30500ms,sample_40000ms\n{song.id},{value},{value + 0.1}\n"
        )
    return root


@pytest.fixture(scope="module")
def data(folder: Path) -> LiveData:
    return load_live(folder, FeatureCache(folder / "cache"), sounds=2)


def test_a_clip_carries_the_deviation_of_its_raters_where_it_is_known(
    folder: Path, data: LiveData
) -> None:
    first = next(iter(load_dataset(folder))).uid
    known = [c for c in data.clips if c.deviation is not None]
    assert {c.song for c in known} == {first}
    (clip,) = known
    assert clip.deviation is not None
    assert clip.deviation.shape == clip.labels.shape
    np.testing.assert_allclose(clip.deviation[0], (0.25, 0.4), atol=1e-6)
    np.testing.assert_allclose(clip.deviation[-1], (0.35, 0.5), atol=1e-6)


def test_deezer_labels_are_matched_by_artist_and_title_and_its_test_songs_left_out(
    folder: Path, data: LiveData
) -> None:
    first = next(iter(load_dataset(folder))).uid
    found = {c.song: c.deezer for c in data.clips if c.deezer is not None}
    assert set(found) == {first, "mirex:002", f"mirex:{MIREX[0]}"}
    np.testing.assert_allclose(found[f"mirex:{MIREX[0]}"], (1.5, -0.5))
    np.testing.assert_allclose(found[first], (-1.5, 1.0))  # the mean of what stands twice
    assert len(data.where("deezer", (0, 1, 2, 3, 4))) == 3


def test_a_test_song_of_deezer_is_not_matched_by_name_either(tmp_path: Path) -> None:
    (tmp_path / "msd").mkdir()
    (tmp_path / "mirex").mkdir()
    head = "dzr_sng_id,valence,arousal,artist_name,track_name\n"
    (tmp_path / "msd" / "train.csv").write_text(head + "1,0,1,Ann Doe,Song\n")
    (tmp_path / "mirex" / "msd_va.csv").write_text(
        "id,split,valence,arousal\n7,test,1,1\n8,validation,2,2\n"
    )
    songs = [Song(k, "mirex", artist="Doe, Ann", title="Song") for k in ("7", "9")]
    assert set(deezer_labels(tmp_path, songs)) == {"mirex:8", "mirex:9"}


def test_the_map_of_deezer_has_the_moments_of_the_training_songs() -> None:
    means = np.random.default_rng(0).normal((0.1, 0.2), (0.2, 0.3), (500, 2))
    shift, scale = unit_map(means)
    z = np.random.default_rng(1).normal(0, 1, (100000, 2))
    np.testing.assert_allclose((shift + scale * z).mean(0), means.mean(0), atol=0.01)
    np.testing.assert_allclose((shift + scale * z).std(0), means.std(0), atol=0.01)


def test_labels_of_a_held_out_fold_change_nothing_that_training_is_given(data: LiveData) -> None:
    outer = next(c.fold for c in data.clips if c.has_curve and c.fold >= 0)
    train = [f for f in range(5) if f != outer]
    changed = LiveData(
        [
            dataclasses.replace(c, labels=-c.labels, deezer=None) if c.fold == outer else c
            for c in data.clips
        ],
        data.mel,
        data.chroma,
    )
    np.testing.assert_array_equal(data.prior(train), changed.prior(train))
    kept = [i for i, c in enumerate(data.clips) if c.fold != outer]
    np.testing.assert_array_equal(
        data.deezer_targets(train)[kept], changed.deezer_targets(train)[kept]
    )
    every = list(range(5))  # the same change is seen where the fold does train
    assert not np.array_equal(data.prior(every), changed.prior(every))


def test_the_58_songs_are_in_no_fold_whatever_their_artist(folder: Path, data: LiveData) -> None:
    test58 = {s.uid for s in load_dataset(folder) if s.group == "2015"}
    assert test58
    for clip in data.clips:
        assert (clip.fold == TEST58) == (clip.song in test58)
    for kind in ("curve", "quadrant", "cluster", "deezer", "sound"):
        assert not {data.clips[i].song for i in data.where(kind, tuple(range(-1, 5)))} & test58


def test_clips_have_the_fold_of_their_song_over_all_sets(folder: Path, data: LiveData) -> None:
    from offline.datasets.collection import sets_of

    folds = artist_folds([s for d in sets_of(folder) for s in d])
    for clip in data.clips:
        if clip.music and clip.fold != TEST58:
            assert clip.fold == folds[clip.song]
