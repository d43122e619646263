"""Sets of audio and lyrics with classes: what is joined, BECMER's modes and folds."""

import numpy as np
import pytest

from offline.cli import main
from offline.datasets import detect_layout, load_dataset
from offline.datasets.artists import artists_of
from offline.datasets.bimodal import (
    MODES,
    becmer_split,
    class_of,
    compose,
    load_bimodal,
    quadrant_of,
)
from offline.datasets.check import check_dataset
from offline.datasets.song import Dataset, Song, no_curve
from offline.datasets.splits import known_split, make_split
from offline.datasets.synthetic import make_dataset
from streammer.errors import InputError, UsageError


def songs_of(dataset, n, artists, parts=("lyrics",)):
    """Make songs with a quadrant by turns and artists by turns, audio and lyrics at hand."""
    static = [(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)]
    songs = []
    for k in range(n):
        v, a = static[k % 4]
        songs.append(
            Song(f"{k:04d}", dataset, clips=("file",), artist=f"Singer{k % artists} Of{dataset[0]}"
                 if k else "Shared Singer", title=f"{dataset} {k}", valence=v, arousal=a,
                 parts=frozenset(parts))
        )  # fmt: skip
    return Dataset(dataset, dataset, None, songs, no_curve)


@pytest.fixture(scope="module")
def sets():
    return [songs_of("pmemo", 120, 40), songs_of("4q", 80, 30), songs_of("bimodal", 40, 20)]


def test_mirex_has_lyrics_categories_and_deezers_labels(tmp_path):
    make_dataset(tmp_path, "mirex", n_songs=10, seconds=0.5, sr=8000)
    ids = [s.id for s in load_dataset(tmp_path)]
    (tmp_path / "lyrics" / f"{ids[0]}.txt").unlink()
    (tmp_path / "msd_va.csv").write_text(
        f"id,dzr_sng_id,split,valence,arousal,artist,title\n{ids[1]},7,test,0.5,-1.25,A,B\n"
    )
    dataset = load_dataset(tmp_path)
    assert [s.modalities for s in dataset][:2] == [{"audio"}, {"audio", "lyrics"}]
    assert dataset.lyrics(ids[0]) is None
    assert dataset.lyrics(ids[1]).text
    song = dataset[ids[1]]
    assert (song.raw["valence"], song.raw["arousal"]) == (0.5, -1.25)
    assert song.official == {"deezer": "test"}
    assert song.category == "Made up"
    assert "songs with labels but no lyrics: 1 (002)" in dataset.findings.lines()


def test_the_bimodal_set_is_read_below_the_lines_of_its_spreadsheet(tmp_path, capsys):
    (tmp_path / "chorus").mkdir()
    (tmp_path / "lyrics").mkdir()
    (tmp_path / "MER-Bimodal-Dataset.csv").write_text(
        'A title,,,\n"some lines\nof notes",,,\n'
        "Song Code,Lyrics Code,Quadrant,Artist\nA001,L010,Q2,Somebody\nA002,L011,3,Another\n"
        "A003,L012,,Nobody\n"
    )
    (tmp_path / "chorus" / "A001.mp3").touch()
    (tmp_path / "lyrics" / "L010.txt").write_text("words of ten")
    assert detect_layout(tmp_path) == "bimodal"
    dataset = load_bimodal(tmp_path)
    assert [(s.id, s.quadrant) for s in dataset] == [("A001", "Q2"), ("A002", "Q3")]
    assert dataset["A001"].modalities == {"audio", "lyrics"}
    assert dataset["A002"].modalities == set()
    assert dataset.lyrics("A001").text == "words of ten"
    assert "songs without a quadrant (left out): 1 (A003)" in dataset.findings.lines()
    (tmp_path / "MER-Bimodal-Dataset.csv").write_text("Code,Class\nA001,1\n")
    assert main(["data", "check", str(tmp_path)]) == 3
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "no column 'Song Code', 'Quadrant'" in lines[0]


def test_lyrics_beside_pmemo_and_4q_are_joined(tmp_path):
    for name, key in (("pmemo", "musicId"), ("4q", "Song")):
        make_dataset(tmp_path / name, name, n_songs=8, seconds=15.5, sr=8000)
        first, second = (s.id for s in load_dataset(tmp_path / name).songs[:2])
        table = tmp_path / name / "lyrics.csv"
        table.write_text(f"{key},lyrics\n{first},some words\n{second},\n")
        dataset = load_dataset(tmp_path / name)
        assert [s.id for s in dataset if "lyrics" in s.parts] == [first]
        assert dataset.lyrics(first).text == "some words"
        table.write_text("artist,lyrics\nA,B\n")
        with pytest.raises(InputError, match="no column"):
            load_dataset(tmp_path / name)


def test_moodylyrics_is_read_from_either_table(tmp_path):
    (tmp_path / "MoodyLyrics4Q.csv").write_text(
        "index,artist,title,mood\nML1,A,B,happy\nML2,C,D,Angry\nML3,E,F,bored\n"
    )
    (tmp_path / "lyrics").mkdir()
    (tmp_path / "lyrics" / "ML2.txt").write_text("loud words")
    dataset = load_dataset(tmp_path)
    assert [(s.id, s.quadrant) for s in dataset] == [("ML1", "Q1"), ("ML2", "Q2")]
    assert dataset.lyrics("ML2").text == "loud words"
    assert dataset.lyrics("ML1") is None
    lines = dataset.findings.lines()
    assert "songs of no known mood (left out): 1 (ML3 'bored')" in lines
    for path in (tmp_path / "MoodyLyrics4Q.csv", tmp_path / "lyrics" / "ML2.txt"):
        path.unlink()
    (tmp_path / "lyrics").rmdir()
    (tmp_path / "filtered_dataset_with_lyrics.csv").write_text(
        "song_id_from_src,dataset,title,artist,emotion_4Q,lyrics,language\n"
        'ML7,MoodyLyrics4Q,T,A,relaxed,"two\nlines",en\n5,PMEmo2019,T,A,sad,other,en\n'
    )
    dataset = load_dataset(tmp_path)
    assert [(s.id, s.quadrant) for s in dataset] == [("ML7", "Q4")]
    assert dataset.lyrics("ML7").text == "two\nlines"
    assert "rows of PMEmo2019 (another set): 1" in dataset.findings.lines()


def test_emobank_is_sentences_with_its_released_split(tmp_path):
    head = "id,split,V,A,D,text\n"
    (tmp_path / "emobank.csv").write_text(
        head + 'a,train,5,1,3,"Great, that is"\nb,dev,3,3,3,So\nc,test,1,3,3,Bad news\n'
    )
    dataset = load_dataset(tmp_path)
    assert [(s.valence, s.arousal) for s in dataset] == [(1, -1), (0, 0), (-1, 0)]
    assert [s.official["emobank"] for s in dataset] == ["train", "validation", "test"]
    assert dataset.lyrics("a").text == "Great, that is"
    assert any("can" in line for line in check_dataset(tmp_path))


def test_classes_of_the_modes_and_their_composition():
    songs = [Song(q, "x", quadrant=q) for q in ("Q1", "Q2", "Q3", "Q4")]
    classes = {mode: [class_of(s, mode) for s in songs] for mode in MODES}
    assert classes == {"4Q": [0, 1, 2, 3], "Ar": [0, 0, 1, 1], "Va": [0, 1, 1, 0]}
    made = compose(np.array(classes["Ar"]), np.array(classes["Va"]))
    assert made.tolist() == classes["4Q"]
    assert quadrant_of(Song("1", "pmemo", valence=-0.1, arousal=0.2)) == "Q2"
    assert class_of(Song("1", "pmemo"), "4Q") is None
    with pytest.raises(UsageError, match="mode 'Xx' is unknown"):
        class_of(songs[0], "Xx")


def test_published_folds_are_stratified_in_each_set_as_published(sets):
    from sklearn.model_selection import StratifiedKFold

    songs = sets[0].songs
    labels = [quadrant_of(s) for s in songs]
    cut = StratifiedKFold(5, shuffle=True, random_state=8848)
    wanted = [{songs[k].uid for k in test} for _, test in cut.split(labels, labels)]
    splits = [becmer_split(sets, k, by="published") for k in range(5)]
    tested = [{uid for uid in s.test if uid.startswith("pmemo:")} for s in splits]
    assert tested == wanted
    assert sorted(uid for s in splits for uid in s.test) == sorted(s.uid for d in sets for s in d)
    assert all(not set(s.test) & set(s.validation) for s in splits)
    assert not splits[0].artist_disjoint


def test_artist_folds_have_no_artist_on_two_sides_in_any_set(sets):
    by_uid = {s.uid: s for d in sets for s in d}
    for cv in ("ALL", "PME"):
        for fold in range(5):
            split = becmer_split(sets, fold, cv=cv)
            names = [
                {a for uid in side for a in artists_of(by_uid[uid].artist, by_uid[uid].title)}
                for side in (split.train, split.validation, split.test)
            ]
            assert not names[0] & names[1]
            assert not (names[0] | names[1]) & names[2]
            if cv == "PME":
                assert all(uid.startswith("pmemo:") for uid in (*split.test, *split.validation))


def test_cv_pme_trains_on_the_other_sets_but_for_held_out_artists(sets):
    published = becmer_split(sets, 0, cv="PME", by="published")
    assert sum(not uid.startswith("pmemo:") for uid in published.train) == 120
    shared = [becmer_split(sets, k, cv="PME") for k in range(5)]
    dropped = [120 - sum(not uid.startswith("pmemo:") for uid in s.train) for s in shared]
    assert sorted(dropped) == [0, 0, 0, 2, 2]  # 'Shared Singer' is in each set once
    assert [s.notes for s in shared] == [
        (f"{n} songs of held-out artists left out of training",) for n in dropped
    ]


def test_songs_without_a_modality_are_in_no_fold_that_needs_it(sets):
    deaf = songs_of("pmemo", 40, 20, parts=())
    with pytest.raises(UsageError, match="no song of PMEmo has audio and lyrics"):
        becmer_split([deaf], 0, cv="PME")
    split = becmer_split([deaf], 0, needs=["audio"])
    assert len(split.train) + len(split.validation) + len(split.test) == 40
    for wrong in ({"fold": 5}, {"cv": "BI"}, {"by": "song"}):
        with pytest.raises(UsageError):
            becmer_split(sets, **{"fold": 0, **wrong})


def test_the_real_sets_have_the_counts_that_are_known(real_data):
    mirex = load_dataset(real_data / "mirex")
    assert len(mirex) == 876
    assert sum("lyrics" in s.parts for s in mirex) == 743
    assert len({s.category for s in mirex}) == 28
    deezer = known_split(mirex.songs, "deezer")
    sides = (deezer.train, deezer.validation, deezer.test)
    assert [len(side) for side in sides] == [95, 28, 23]
    assert sum("lyrics" in mirex[u[6:]].parts for side in sides for u in side) == 143
    moody = load_dataset(real_data / "text", "moodylyrics")
    assert [sum(s.quadrant == f"Q{k}" for s in moody) for k in range(1, 5)] == [461, 482, 457, 449]
    assert (len(moody), sum("lyrics" in s.parts for s in moody)) == (1849, 1849)
    for dataset in (mirex, moody):
        assert all(make_split(dataset.songs, k).test for k in range(5))  # checked for artists
    pmemo = load_dataset(real_data / "pmemo")
    assert sum("lyrics" in s.parts for s in pmemo) == 106
    assert len(load_dataset(real_data / "text", "emobank")) == 10062
    split = becmer_split([pmemo], 0, needs=["lyrics"], by="published")
    assert len(split.test) in (21, 22)
