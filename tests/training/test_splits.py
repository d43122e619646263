"""No song and no artist on two sides, in any data set, on any day."""

import dataclasses

import pytest

from offline.datasets import Song
from offline.datasets.artists import artists_of
from offline.datasets.folds import artist_folds, balanced_folds, components, song_folds
from offline.datasets.nested import Folds
from offline.datasets.splits import Split, make_split
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


CREDITS = [
    ("Lee Maddeford and  Roland Vouilloz", "Lee Maddeford"),
    ("Kevin MacLeod-Night on the Docks", "Kevin MacLeod"),
    ("Bo Marley + Disrupt + Volfoniq", "Volfoniq-Memori [Amentu Segretu"),
    ("Nelson, Willie/Jennings, Waylon", "Willie Nelson"),
    ("Carmichael, Hoagy & His Orchestra", "Hoagy Carmichael"),
    ("Davis, Miles Quintet", "MILES DAVIS"),
    ("Rackets Vs. VED", "Ved"),
    ("Pine Valley Cosmonauts W/ Puerto Muerto", "The Pine Valley Cosmonauts"),
    ("Kelly Hogan &amp; The Pine Valley Cosmonauts", "Kelly Hogan"),
    ("Etiket Zerø feat. MC B.Wayne", "Etiket Zero"),
    ("Double Helix (Morphamish & Texture)", "Morphamish"),
    ("King, B.B.", "B. B. King"),
    ('Pickett, Bobby "Boris"/Crypt-Kickers', "Bobby Pickett"),
    ("Cath and Phil Tyler", "Phil Tyler"),
    ("Joan Doe, Max Roe", "Max Roe"),
    ("Stone Roses, The", "The Stone Roses"),
]


@pytest.mark.parametrize(("one", "other"), CREDITS)
def test_credits_that_share_an_artist_are_in_one_fold_in_every_set(one, other):
    songs = [Song("1", "deam", artist=one, title="x"), Song("2", "4q", artist=other, title="y")]
    assert len(set(components(songs))) == 1
    assert len(set(artist_folds(songs).values())) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("DJ Alpha", "DJ Beta"),
        ("Smith, John & His Orchestra", "Eve Roe and Her Orchestra"),
        ("The Beths", "The Cribs"),
        ("Mr. & Mrs. Smith", "Mr. Oizo"),
        ("Various Artists", "Various Artists"),
        ("Unknown", "unknown artist"),
        ("Brown, Ruth", "Brown, James [1]"),
        ("M-PeX", "M-Beat"),
        ("Ann and Friends", "Height With Friends"),
    ],
)
def test_artists_are_not_one_for_a_word_that_names_nobody(one, other):
    songs = [Song("1", "deam", artist=one, title="x"), Song("2", "4q", artist=other, title="y")]
    assert len(set(components(songs))) == 2


def test_songs_are_connected_by_way_of_others_and_no_name_stands_in_two_groups():
    names = ["A One & B Two", "B Two", "B Two feat. C Three", "Three, C", "D Four", "E Five-Title"]
    songs = [Song(str(k), "mirex", artist=n, title=str(k)) for k, n in enumerate(names)]
    groups = components(songs)
    assert groups[0] == groups[1] == groups[2] == groups[3]
    assert len(set(groups)) == 3
    assert components(songs[::-1]) == groups[::-1]
    seen = {}
    for song, group in zip(songs, groups, strict=True):
        for name in artists_of(song.artist):
            assert seen.setdefault(name, group) == group


def test_a_guest_in_a_title_counts_and_the_word_with_does_not():
    assert "some body" in {
        " ".join(k.split()[::-1]) for k in artists_of("X Y", "Z (feat. Some Body)")
    }
    assert artists_of("X Y", "Dancing with Love") == artists_of("X Y")


def test_a_song_without_an_artist_follows_its_title():
    songs = [
        Song("1", "4q", title="Johnny USA"),
        Song("2", "mirex", artist="Somebody Else", title="Johnny U.S.A."),
        Song("3", "mirex", artist="Third Party", title="Another"),
    ]
    groups = components(songs)
    assert groups[0] == groups[1] != groups[2]


def test_folds_are_balanced_over_sets_and_kinds_without_parting_artists():
    songs = [
        Song(str(k), "4q", artist=f"Artist {k % 40}", title=str(k), quadrant=f"Q{1 + k * 7 % 4}")
        for k in range(200)
    ] + [Song(str(k), "mirex", artist=f"Artist {k % 60}", title=f"m{k}") for k in range(120)]
    folds = balanced_folds(songs, lambda s: [s.dataset, s.dataset + s.quadrant])
    groups = components(songs)
    for kind in ("4q", "mirex", "4qQ1", "4qQ2", "4qQ3", "4qQ4"):
        sizes = [0] * 5
        for song, group in zip(songs, groups, strict=True):
            sizes[folds[group]] += kind in (song.dataset, song.dataset + song.quadrant)
        assert max(sizes) - min(sizes) <= 0.2 * sum(sizes) / 5 + 2, (kind, sizes)


def test_inner_folds_never_hold_the_outer_one():
    for outer in range(5):
        folds = Folds(outer)
        validated = []
        for inner in folds.inners():
            assert outer not in inner.train + inner.validation
            assert not set(inner.train) & set(inner.validation)
            assert sorted(inner.train + inner.validation) == sorted(folds.train)
            validated += inner.validation
        assert sorted(validated) == sorted(folds.train)
        assert folds.test == (outer,)
        with pytest.raises(UsageError, match="the outer fold chooses nothing"):
            folds.inner(outer)
    assert Folds(None).train == (0, 1, 2, 3, 4)
    assert Folds(None).test == ()
    with pytest.raises(UsageError, match=r"expected 0 \.\. 4"):
        Folds(5)


def test_a_run_of_selection_has_the_outer_fold_in_no_side():
    songs = _songs(n=60, artists=25)
    outer = {s for s in make_split(songs, 2).test}
    tested = []
    for inner in Folds(2).train:
        split = make_split(songs, 2, inner=inner)
        assert not outer & {*split.train, *split.validation, *split.test}
        assert set(split.test) == set(make_split(songs, inner).test)
        assert "fold 2 put away" in split.name
        tested += split.test
    assert sorted([*tested, *outer]) == sorted(s.uid for s in songs)
    with pytest.raises(UsageError, match="the outer fold chooses nothing"):
        make_split(songs, 2, inner=2)


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
    guests = [
        Song("0", "deam", artist="Ann Doe & Max Roe"), Song("1", "deam", artist="Roe, Max")
    ]  # fmt: skip
    with pytest.raises(UsageError, match="artist 'max roe' stands in train and in test"):
        Split("bad", ("deam:0",), (), ("deam:1",)).check(guests)


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
