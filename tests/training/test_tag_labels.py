"""Labels from Last.fm tags and norms of words, checked on tags that are given."""

import csv
import json
import sqlite3

import numpy as np
import pytest

from offline.cli import main
from offline.datasets import load_dataset
from offline.datasets.lastfm import read_tags
from offline.datasets.song import Findings
from offline.datasets.tag_labels import label_songs, mood_words
from offline.datasets.warriner import read_warriner
from streammer.errors import InputError, UsageError

TAGS = {"TRA": [("Happy", 100.0), ("rock", 90.0)], "TRB": [("sad ", 60.0), ("happy", 5.0)],
        "TRC": [("seen live", 100.0)], "TRD": [("sad", 1.0), ("SAD", 2.0)]}  # fmt: skip
NORMS = {"happy": np.array([0.8, 0.2, 0.0]), "sad": np.array([-0.8, -0.4, 0.0]),
         "rock": np.array([0.0, 0.6, 0.0])}  # fmt: skip
HEAD = ",Word,V.Mean.Sum,A.Mean.Sum,D.Mean.Sum\n"


def label(tags=TAGS, **options):
    made = label_songs(tags, NORMS, **{"moods": ["happy", "sad"], "scale": "none", **options})
    return {song: (round(x.valence, 9), round(x.arousal, 9)) for song, x in made.items()}


def test_a_label_is_the_plain_mean_over_the_mood_tags():
    assert label() == {"TRA": (0.8, 0.2), "TRB": (0.0, -0.1), "TRD": (-0.8, -0.4)}
    assert label(least_weight=10) == {"TRA": (0.8, 0.2), "TRB": (-0.8, -0.4)}
    assert label(moods=None)["TRA"] == (0.4, 0.4)


def test_songs_without_a_mood_tag_are_counted():
    findings = Findings()
    label(findings=findings)
    assert findings.lines() == ["songs without a mood tag (no label): 1 (TRC)"]
    with pytest.raises(InputError, match="none of 1 songs has a mood tag"):
        label({"TRC": TAGS["TRC"]})


def test_labels_are_centred_and_reduced_by_the_songs_that_are_given():
    table = np.array(list(label(scale="given").values()))
    assert table.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)
    assert table.std(axis=0) == pytest.approx([1, 1])
    with pytest.raises(UsageError, match="no spread"):
        label({"TRA": TAGS["TRA"]}, scale="given")
    with pytest.raises(UsageError, match="scale 'z' is unknown"):
        label(scale="z")


def test_table_database_and_json_give_the_same_tags(tmp_path):
    rows = [(song, tag, w) for song, own in TAGS.items() for tag, w in own]
    with (tmp_path / "tags.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("track_id", "tag", "weight"), *rows])
    connection = sqlite3.connect(tmp_path / "lastfm_tags.db")
    connection.executescript(
        "CREATE TABLE tids (tid TEXT); CREATE TABLE tags (tag TEXT);"
        "CREATE TABLE tid_tag (tid INT, tag INT, val FLOAT);"
    )
    names = sorted({tag for _, tag, _ in rows})
    connection.executemany("INSERT INTO tids VALUES (?)", [(s,) for s in TAGS])
    connection.executemany("INSERT INTO tags VALUES (?)", [(n,) for n in names])
    connection.executemany(
        "INSERT INTO tid_tag VALUES (?, ?, ?)",
        [(list(TAGS).index(s) + 1, names.index(t) + 1, w) for s, t, w in rows],
    )
    connection.commit()
    connection.close()
    for song, own in TAGS.items():
        path = tmp_path / "json" / "A" / f"{song}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        body = {"track_id": song, "tags": [[tag, str(round(w))] for tag, w in own]}
        path.write_text(json.dumps(body))
    found = [read_tags(tmp_path / name) for name in ("tags.csv", "lastfm_tags.db", "json")]
    stripped = {s: [(t.strip(), w) for t, w in own] for s, own in TAGS.items()}
    for tags in found:
        assert {s: [(t.strip(), w) for t, w in own] for s, own in tags.items()} == stripped


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("tags.csv", b"track_id,word\nTRA,sad\n", "no tags; expected a table"),
        ("tags.csv", b"track_id,tag,weight\nTRA,sad,much\n", "'much', expected a number"),
        ("tags.db", b"SQLite format 3\0" + bytes(50), "no readable database"),
        ("json/TRA.json", b'{"tags": [["sad"]]}', "no tags of a song"),
        ("json/TRA.txt", b"", "holds no tags"),
        ("tags.csv", b"track_id,tag\nTRA,seen live\n", "none of 1 songs has a mood tag"),
    ],
)
def test_wrong_tags_are_one_line_and_nothing_is_written(tmp_path, capsys, name, content, says):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    place = path.parent if name.startswith("json") else path
    (tmp_path / "norms.csv").write_text(HEAD + "1,sad,2,3,4\n")
    to = tmp_path / "out" / "labels.csv"
    argv = ["data", "labels", str(place), "--norms", str(tmp_path / "norms.csv"), "--to", str(to)]
    assert main(argv) == 3
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert says in lines[0]
    assert not to.parent.exists()


def test_the_command_writes_a_table_and_says_what_it_holds(tmp_path, capsys):
    tags, norms, to = (tmp_path / name for name in ("tags.csv", "norms.csv", "labels.csv"))
    tags.write_text("track_id,tag\nTRA,happy\nTRA,rock\nTRB,sad\nTRC,seen live\n")
    norms.write_text(HEAD + "1,happy,8.47,6.05,7\n2,sad,2.1,3.49,4\n3,rock,6,5,5\n")
    argv = ["data", "labels", str(tags), "--norms", str(norms), "--to", str(to)]
    assert main(argv) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"{to}: 2 songs, 2 of them by one tag, 2 distinct labels"
    assert out[-1] == "songs without a mood tag (no label): 1 (TRC)"
    rows = list(csv.DictReader(to.read_text().splitlines()))
    assert [row["tags"] for row in rows] == ["happy", "sad"]
    assert float(rows[0]["valence"]) == pytest.approx(1.54125682, abs=1e-6)  # as released
    assert main([*argv, "--every-word"]) == 0
    assert "happy; rock" in to.read_text()
    assert main([*argv, "--every-word", "--moods", str(tags)]) == 2
    capsys.readouterr()


def test_released_labels_are_means_of_norms_under_the_released_map(real_data):
    norms = read_warriner(real_data / "text" / "Ratings_Warriner_et_al.csv")
    moods = mood_words()
    assert moods <= set(norms)
    singles = label_songs({m: [(m, 100.0)] for m in moods}, norms, moods)
    pairs = label_songs({f"{a}|{b}": [(a, 1.0), (b, 1.0)] for a in moods for b in moods if a < b},
                        norms, moods)  # fmt: skip
    released = [
        (round(s.raw["valence"], 4), round(s.raw["arousal"], 4))
        for s in load_dataset(real_data / "msd")
    ]
    one, two = (
        {(round(x.valence, 4), round(x.arousal, 4)) for x in made.values()}
        for made in (singles, pairs)
    )
    assert one <= set(released)  # every word of the list labels some song alone
    assert sum(label in one for label in released) > 9_500
    assert sum(label in one | two for label in released) > 12_500
