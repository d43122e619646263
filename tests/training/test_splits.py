"""No song and no artist on two sides, in any data set, on any day."""

import dataclasses

import pytest

from offline.datasets import Song
from offline.datasets.splits import Split, artist_folds, make_split, song_folds
from streammer.errors import UsageError


def _songs(dataset="deam", n=40, artists=15, group=""):
    return [
        Song(str(k), dataset, artist=f"Artist {k % artists}", title=f"T{dataset}{k}", group=group)
        for k in range(n)
    ]


def test_artist_folds_are_the_same_alone_and_together_and_in_any_order():
    deam, panda = _songs(), _songs("4q", 30, 9)
    together = artist_folds([*deam, *panda])
    assert artist_folds(panda) == {u: f for u, f in together.items() if u.startswith("4q")}
    assert artist_folds(list(reversed(deam))) == artist_folds(deam)
    assert together["deam:3"] == together["4q:3"]  # both are Artist 3


def test_written_folds_do_not_move():
    # the folds are promised: a change of the hash would mix old and new runs
    folds = artist_folds([Song(str(k), "deam", artist=f"Artist {k}") for k in range(8)])
    assert list(folds.values()) == [1, 3, 4, 1, 2, 3, 3, 2]


def test_a_song_without_artist_is_its_own_and_follows_its_twin():
    a = Song("5", "deam", artist="", same_as=("emomusic:5",))
    b = Song("5", "emomusic", artist="", same_as=("deam:5",))
    folds = artist_folds([a, b])
    assert folds["deam:5"] == folds["emomusic:5"]


def test_every_fold_is_checked_and_covers_all():
    songs = _songs(n=60, artists=25)
    tested = []
    for fold in range(5):
        split = make_split(songs, fold)
        tested += split.test
        assert not set(split.train) & set(split.test)
    assert sorted(tested) == sorted(s.uid for s in songs)


def test_song_folds_are_even():
    sizes = [list(song_folds(_songs(n=50)).values()).count(f) for f in range(5)]
    assert sizes == [10] * 5


def test_a_split_refuses_a_song_on_two_sides():
    songs = _songs()
    with pytest.raises(UsageError, match=r"song 'deam:1' stands in train and in test"):
        Split("bad", ("deam:0", "deam:1"), (), ("deam:1",), artist_disjoint=False).check(songs)


def test_a_split_refuses_an_artist_on_two_sides():
    songs = _songs(artists=2)
    with pytest.raises(UsageError, match="artist '0 artist' stands in train and in test"):
        Split("bad", ("deam:0",), (), ("deam:2",)).check(songs)


def test_a_split_refuses_the_same_recording_of_two_sets():
    one = Song("1", "deam", artist="A", title="x", same_as=("emomusic:1",))
    two = Song("1", "emomusic", artist="A", title="x", same_as=("deam:1",))
    with pytest.raises(UsageError, match="stands in train and in test"):
        Split("bad", ("deam:1",), (), ("emomusic:1",), artist_disjoint=False).check([one, two])


def test_the_58_songs_stand_apart():
    songs = [
        *_songs(),
        *[dataclasses.replace(s, id=f"200{s.id}", group="2015") for s in _songs(n=5)],
    ]
    for fold in range(5):
        split = make_split(songs, fold)
        sides = {*split.train, *split.validation, *split.test}
        assert not sides & {s.uid for s in songs if s.group == "2015"}


def test_a_written_split_is_read_back(tmp_path):
    split = make_split(_songs(), 2)
    split.write(tmp_path / "split.json")
    assert Split.read(tmp_path / "split.json") == split
