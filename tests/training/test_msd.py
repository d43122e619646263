"""The Deezer mood set joined to what a user has of its songs: audio, analyses, bags, lyrics."""

import shutil

import h5py
import numpy as np
import pytest

from offline.cli import main
from offline.datasets import detect_layout, load_dataset
from offline.datasets.check import check_dataset
from offline.datasets.echonest import EchoNest
from offline.datasets.msd import Sources, load_msd
from offline.datasets.musixmatch import Musixmatch
from offline.datasets.splits import known_split
from offline.datasets.synthetic import make_dataset
from offline.datasets.synthetic_text import write_analysis, write_musixmatch
from streammer.errors import InputError, UsageError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("msd")
    make_dataset(root, "msd", n_songs=20, seconds=1.0, sr=8000)
    return root


@pytest.fixture
def msd(made, tmp_path):
    return shutil.copytree(made, tmp_path / "msd")


def error_of(capsys, *argv):
    """Run a command that must fail, and return its one line."""
    code = main(list(argv))
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return code, lines[0]


def test_all_parts_are_joined_by_track_id(msd):
    assert detect_layout(msd) == "msd"
    dataset = load_dataset(msd)
    assert len(dataset) == 20
    for song in dataset:
        assert song.modalities == {"audio", "segments", "lyrics", "bag"}
        assert song.clips[0].path.stem == song.id
        assert not song.has_static  # centred and reduced labels are not on [-1, 1]
        words = dataset.lyrics(song.id).text.lower().split()
        assert sum(dataset.lyrics(song.id).bag.values()) == len(words)
        table = dataset.segments(song.id).table()
        assert table.shape == (40, 26)
        assert np.isfinite(table).all()
    assert abs(np.mean([s.raw["valence"] for s in dataset])) < 1e-9


def test_coverage_is_said_for_each_part_of_the_released_split(msd):
    split = known_split(load_dataset(msd).songs, "deezer")
    for uid in split.train[:3]:
        (msd / "audio" / f"{uid[4:]}.wav").unlink()
    (msd / "lyrics" / f"{split.train[5][4:]}.txt").write_text(" \n")
    lines = check_dataset(msd)
    n = len(split.train)
    assert (
        f"deezer train: audio {n - 3} of {n}, segments {n} of {n}, lyrics {n - 1} of {n}, "
        f"bag {n} of {n}, audio and lyrics {n - 4}"
    ) in lines
    assert any(line.startswith("- lyrics that are empty (no lyrics): 1") for line in lines)


def test_the_released_split_stays_as_it_is(msd):
    split = known_split(load_dataset(msd).songs, "deezer")
    for side in ("train", "validation", "test"):
        rows = (msd / f"{side}.csv").read_text().splitlines()[1:]
        assert list(getattr(split, side)) == [f"msd:{row.split(',')[2]}" for row in rows]
    with pytest.raises(UsageError, match="deezer: the data set has no songs"):
        known_split([s for s in load_dataset(msd) if s.official["deezer"] != "test"], "deezer")


def test_what_is_not_at_hand_is_said_and_nothing_else_fails(msd, capsys):
    for name in ("audio", "hdf5", "lyrics"):
        shutil.rmtree(msd / name)
    (msd / "mxm_dataset.db").unlink()
    dataset = load_dataset(msd)
    assert all(not s.modalities for s in dataset)
    assert dataset.lyrics(dataset.songs[0].id) is None
    assert dataset.segments(dataset.songs[0].id) is None
    assert main(["data", "check", str(msd)]) == 0
    out = capsys.readouterr().out
    assert "cannot compute fusion of audio and lyrics: needs audio and lyrics" in out
    assert "cannot compute audio systems on Echo Nest's segments: needs MSD HDF5 files" in out
    assert "- needs MSD HDF5 files (hdf5/A/B/C/TRABC….h5): put it into" in out


def test_audio_without_lyrics_is_used_for_what_it_can(msd):
    shutil.rmtree(msd / "lyrics")
    dataset = load_dataset(msd)
    assert all(s.modalities == {"audio", "segments", "bag"} for s in dataset)
    assert all(dataset.lyrics(s.id).bag and not dataset.lyrics(s.id).text for s in dataset)


def test_sources_may_lie_elsewhere_and_audio_may_carry_deezers_ids(msd, tmp_path):
    first = load_dataset(msd).songs[0]
    away = tmp_path / "away" / "nested"
    away.mkdir(parents=True)
    wav = msd / "audio" / f"{first.id}.wav"
    wav.rename(away / f"{int(first.raw['dzr_sng_id'])}.wav")
    (msd / "sources.toml").write_text('audio = "../away"\n')
    dataset = load_dataset(msd)
    assert [s.id for s in dataset if s.clips] == [first.id]
    assert dataset[first.id].clips[0].path.parent == away
    assert Sources.find(msd).hdf5 == msd / "hdf5"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('audio = "nowhere"', "there is no"),
        ('sound = "audio"', "sound = 'audio'; expected a path for audio, hdf5"),
        ("audio = ", "cannot be read"),
    ],
)
def test_wrong_sources_are_one_line(msd, capsys, text, says):
    (msd / "sources.toml").write_text(text)
    code, line = error_of(capsys, "data", "check", str(msd))
    assert code == 3
    assert says in line


def test_wrong_tables_are_one_line(msd, capsys):
    table = msd / "test.csv"
    good = table.read_text()
    for body, says in (
        (good.replace("MSD_track_id", "track"), "no column 'MSD_track_id'"),
        (good.replace(good.splitlines()[1].split(",")[3], "high"), "is 'high', expected a number"),
        (good.replace(good.splitlines()[1].split(",")[3], ""), "lacks a label"),
        (good + good.splitlines()[1] + "\n", "stands twice"),
        ("", "no column"),
        (good.splitlines()[0] + "\n", "holds no rows"),
    ):
        table.write_text(body)
        code, line = error_of(capsys, "data", "check", str(msd))
        assert code == 3
        assert says in line
    table.unlink()
    assert "test.csv: cannot be read" in error_of(capsys, "data", "check", str(msd))[1]


@pytest.mark.parametrize("field", ["songs", "segments_timbre", "segments_start"])
def test_hdf5_without_fields_is_one_line(msd, capsys, field):
    for path in (msd / "hdf5").rglob("*.h5"):
        with h5py.File(path, "r+") as file:
            del file["analysis"][field]
    code, line = error_of(capsys, "data", "check", str(msd))
    assert code == 3
    assert f"no field /analysis/{field}; expected a file of the Million Song Dataset" in line


def test_a_file_that_is_no_hdf5_or_does_not_fit_together_is_one_line(msd):
    first = min(s.id for s in load_dataset(msd))
    path = next((msd / "hdf5").rglob(f"{first}.h5"))
    with h5py.File(path, "r+") as file:
        short = file["analysis"]["segments_timbre"][:5]
        del file["analysis"]["segments_timbre"]
        file["analysis"]["segments_timbre"] = short
    with pytest.raises(InputError, match=r"timbre \(5, 12\).* for 40 segments"):
        load_dataset(msd)
    path.write_bytes(b"no hdf5")
    with pytest.raises(InputError, match="no readable HDF5"):
        load_dataset(msd)


def test_a_damaged_analysis_among_good_ones_is_counted(msd):
    last = max(s.id for s in load_dataset(msd))
    next((msd / "hdf5").rglob(f"{last}.h5")).write_bytes(b"no hdf5")
    assert f"- HDF5 files that cannot be read: 1 ({last}.h5)" in check_dataset(msd)


def test_an_aggregate_gives_each_song_its_own_rows(tmp_path):
    songs = {
        f"TR{k}": {
            "segments_start": np.arange(n) * 0.5,
            "segments_timbre": np.full((n, 12), k, float),
            "segments_pitches": np.full((n, 12), 10 + k, float),
            "segments_loudness_max": np.full(n, -float(k)),
        }
        for k, n in enumerate((3, 7, 1))
    }
    write_analysis(tmp_path / "many.h5", songs)
    found = EchoNest(tmp_path, [*songs, "TRabsent"])
    assert found.ids == set(songs)
    assert [len(found.read(track)) for track in songs] == [3, 7, 1]
    assert [float(found.read(t).timbre.mean()) for t in songs] == [0, 1, 2]
    assert found.read("TRabsent") is None


def test_both_forms_of_musixmatch_give_the_same_bags(tmp_path):
    bags = {"TRA": {"love": 3, "you": 1}, "TRB": {"night": 2}}
    write_musixmatch(tmp_path / "db" / "mxm_dataset.db", bags)
    write_musixmatch(tmp_path / "text" / "mxm_dataset_train.txt", {"TRA": bags["TRA"]} | bags)
    for place in (tmp_path / "db", tmp_path / "text", tmp_path / "db" / "mxm_dataset.db"):
        found = Musixmatch(place, ["TRA", "TRB", "TRC"])
        assert found.ids == {"TRA", "TRB"}
        assert {track: found.read(track) for track in bags} == bags
        assert found.read("TRC") is None


def test_damaged_bags_of_words_are_one_line(msd, capsys, tmp_path):
    (msd / "mxm_dataset.db").write_bytes(b"SQLite format 3\0 and no more")
    code, line = error_of(capsys, "data", "check", str(msd))
    assert (code, "expected musiXmatch's table lyrics" in line) == (3, True)
    text = tmp_path / "mxm_dataset_train.txt"
    text.write_text("TRA,1,1:2\n")
    with pytest.raises(InputError, match="no line of words"):
        Musixmatch(text, ["TRA"])
    text.write_text("%love,you\nTRA,1,3:2\n")
    with pytest.raises(InputError, match="'3:2' is no count"):
        Musixmatch(text, ["TRA"]).read("TRA")
    with pytest.raises(InputError, match="no bags of words"):
        Musixmatch(tmp_path / "nothing", ["TRA"])


def test_duplicates_are_named_with_their_sides(msd, capsys):
    rows = {side: (msd / f"{side}.csv").read_text().splitlines() for side in ("train", "test")}
    artist, title = rows["train"][1].split(",")[5:7]
    cells = rows["test"][1].split(",")
    rows["test"][1] = ",".join([*cells[:5], f"The {artist.upper()}", f"{title} (live)"])
    (msd / "test.csv").write_text("\n".join(rows["test"]) + "\n")
    assert main(["data", "duplicates", str(msd)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("1 recordings stand more than once (same artist and title), 1 of them")
    first = rows["train"][1].split(",")[2]
    assert out[1] == f"{artist} / {title}: {first} (train), {cells[2]} (test)"


def test_a_table_of_lyrics_may_be_keyed_by_either_id(msd):
    first, second = load_dataset(msd).songs[:2]
    table = msd / "words.csv"
    table.write_text(
        "MSD_track_id,dzr_sng_id,language,lyrics\n"
        f'{first.id},,en,"two\nlines, one cell"\n'
        f",{int(second.raw['dzr_sng_id'])},,again\n"
    )
    dataset = load_msd(msd, Sources(lyrics=table))
    assert dataset.lyrics(first.id).text == "two\nlines, one cell"
    assert dataset.lyrics(first.id).language == "en"
    assert dataset.lyrics(second.id).text == "again"
    assert sum("lyrics" in s.parts for s in dataset) == 2
    table.write_text("artist,lyrics\nA,words\n")
    with pytest.raises(InputError, match="no column 'MSD_track_id' or"):
        load_msd(msd, Sources(lyrics=table))


def test_the_released_set_has_its_published_counts(real_data):
    dataset = load_dataset(real_data / "msd")
    split = known_split(dataset.songs, "deezer")
    assert [len(split.train), len(split.validation), len(split.test)] == [11267, 3863, 3514]
    with_lyrics = [
        sum("lyrics" in dataset[uid[4:]].parts for uid in side)
        for side in (split.train, split.validation, split.test)
    ]
    assert with_lyrics == [435, 134, 143]
    assert len({(s.raw["valence"], s.raw["arousal"]) for s in dataset}) == 2720
