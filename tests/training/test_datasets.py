"""Loaders of synthetic data sets in every layout, and what they say of damaged ones."""

import csv
import shutil

import numpy as np
import pytest
import soundfile

from offline.cli import main
from offline.datasets import detect_layout, load_dataset
from offline.datasets.artists import artist_key, title_key
from offline.datasets.check import check_dataset
from offline.datasets.synthetic import make_dataset
from offline.datasets.vgmidi import soundfont
from streammer.errors import InputError


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    root = tmp_path_factory.mktemp("layouts")
    for name in ("deam", "clips", "emomusic", "pmemo", "4q", "mirex"):
        make_dataset(root / name, name, n_songs=20, seconds=16.5, sr=11025)
    return root


@pytest.fixture
def deam(layouts, tmp_path):
    return shutil.copytree(layouts / "deam", tmp_path / "deam")


def _dynamic(root):
    return root / "annotations" / "annotations averaged per song" / (
        "dynamic (per second annotations)"
    )  # fmt: skip


def _static(root):
    return root / "annotations" / "annotations averaged per song" / "song_level" / (
        "static_annotations_averaged_songs_1_2000.csv"
    )  # fmt: skip


def _rows(path):
    return list(csv.reader(path.read_text().splitlines()))


@pytest.mark.parametrize("name", ["deam", "clips", "emomusic", "pmemo", "4q", "mirex"])
def test_each_layout_is_recognised_and_has_audio(layouts, name):
    assert detect_layout(layouts / name) == name
    dataset = load_dataset(layouts / name)
    assert len(dataset)
    assert all(song.clips for song in dataset)
    assert any("can compute" in line for line in check_dataset(layouts / name))


@pytest.fixture
def vgmidi(tmp_path):
    make_dataset(tmp_path, "vgmidi", n_songs=8, seconds=2.0)
    return tmp_path


def test_midi_pieces_are_rendered_once_and_a_broken_one_is_named(vgmidi):
    if shutil.which("fluidsynth") is None or soundfont() is None:
        pytest.skip("FluidSynth or a sound font is not installed")
    (vgmidi / "labelled" / "midi" / "3.mid").write_bytes(b"no midi")
    dataset = load_dataset(vgmidi)
    assert [s.id for s in dataset if not s.clips] == ["3"]
    assert any("3.mid: FluidSynth cannot render it" in line for line in dataset.findings.lines())
    made = {p: p.stat().st_mtime_ns for p in (vgmidi / "rendered").iterdir()}
    assert len(made) == 7  # nothing half-written is left
    assert all(np.abs(soundfile.read(path)[0]).max() > 0.01 for path in made)
    load_dataset(vgmidi)
    assert {p: p.stat().st_mtime_ns for p in (vgmidi / "rendered").iterdir()} == made


def test_midi_pieces_without_fluidsynth_have_labels_and_no_audio(vgmidi, monkeypatch):
    monkeypatch.setenv("PATH", str(vgmidi))
    dataset = load_dataset(vgmidi)
    assert detect_layout(vgmidi) == "vgmidi"
    assert len(dataset) == 8
    assert not any(song.clips for song in dataset)
    assert {song.quadrant for song in dataset} <= {"Q1", "Q2", "Q3", "Q4"}
    assert any("FluidSynth" in line for line in dataset.findings.lines())


@pytest.mark.parametrize("name", ["deam", "clips", "emomusic", "pmemo"])
def test_labels_are_those_that_made_the_sound(layouts, name):
    from offline.datasets.synthetic import make_songs

    truth = {str(s.id): s for s in make_songs(20)}
    dataset = load_dataset(layouts / name)
    for song in dataset:
        assert song.valence == pytest.approx(truth[song.id].valence, abs=0.01)
        assert song.arousal == pytest.approx(truth[song.id].arousal, abs=0.01)
        curve = dataset.labels(song.id)
        v, _ = truth[song.id].at(curve.t_s)
        assert np.abs(curve.valence - v).max() < 1e-4


def test_exchange_is_found_in_the_early_block_alone(layouts):
    lines = load_dataset(layouts / "deam").findings.lines()
    assert [("EXCHANGED" in x) for x in lines if x.startswith("static labels")] == [
        True, False, False,
    ]  # fmt: skip


def test_a_right_file_is_left_alone(deam):
    path = _static(deam)
    rows = _rows(path)
    for row in rows[1:]:
        if int(row[0]) <= 1000:
            row[1], row[3] = row[3], row[1]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    dataset = load_dataset(deam)
    assert not any("EXCHANGED" in x for x in dataset.findings.lines())
    assert dataset["2"].valence == pytest.approx(load_dataset(deam)["2"].valence)


def test_too_few_songs_decide_nothing_and_that_is_said(tmp_path):
    make_dataset(tmp_path, "deam", n_songs=10, seconds=16.0, sr=11025)
    lines = load_dataset(tmp_path).findings.lines()
    assert any("NOT TESTED" in x and "<= 1000" in x for x in lines)


def test_nan_and_unequal_lengths_are_counted_not_dropped(deam):
    path = _dynamic(deam) / "arousal.csv"
    rows = _rows(path)
    rows[1][-1] = ""
    rows[2][2] = "NaN"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    dataset = load_dataset(deam)
    text = "\n".join(dataset.findings.lines())
    assert "differ in length: 2" in text
    assert "NaN inside a row of dynamic labels: 1" in text
    assert len(dataset.labels(rows[1][0])) == len(rows[0]) - 2


def test_times_come_from_the_names_of_the_columns(deam):
    path = _dynamic(deam) / "valence.csv"
    rows = [[row[0], *reversed(row[1:])] for row in _rows(path)]
    before = load_dataset(deam).labels("2")
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert np.array_equal(load_dataset(deam).labels("2").valence, before.valence)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda root: shutil.rmtree(root), "no such folder"),
        (lambda root: shutil.rmtree(root / "annotations"), "annotations"),
        (lambda root: (_dynamic(root) / "arousal.csv").unlink(), "arousal.csv"),
        (lambda root: (_dynamic(root) / "valence.csv").unlink(), "valence.csv"),
        (lambda root: _static(root).unlink(), "static_annotations"),
        (lambda root: _static(root).write_text("song_id,valence_mean\n2,3\n"), "no column"),
        (lambda root: _static(root).write_text(""), "no column"),
        (
            lambda root: (_dynamic(root) / "valence.csv").write_text(
                "song_id,sample_15000ms\n2,loud\n"
            ),
            "expected a number",
        ),
    ],
)
def test_damage_is_one_clear_line_and_exit_code_3(deam, capsys, damage, says):
    damage(deam)
    assert main(["data", "check", str(deam)]) == 3
    err = capsys.readouterr().err.strip().splitlines()
    assert len(err) == 1
    assert says in err[0]


def test_an_empty_folder_names_the_known_layouts(tmp_path):
    with pytest.raises(InputError, match="no known data set"):
        load_dataset(tmp_path)


def test_broken_and_missing_audio_are_counted(deam):
    (deam / "MEMD_audio" / "2.wav").write_bytes(b"not audio at all")
    (deam / "MEMD_audio" / "3.wav").unlink()
    text = "\n".join(check_dataset(deam))
    assert "audio files that cannot be read: 1 (2.wav)" in text
    assert "songs with labels but no audio: 1 (3)" in text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Blakey, Art & the Jazz Messengers", "Art Blakey and The Jazz Messengers"),
        ("Beyoncé", "BEYONCE"),
        ("Kid Loco", "Kid Loco feat. Somebody Else"),
        ("R.E.M.", "REM"),
    ],
)
def test_one_artist_has_one_key(one, other):
    assert artist_key(one) == artist_key(other)


def test_unknown_artists_have_no_key_and_nobody_is_lost():
    assert artist_key("n/a") == artist_key("Various Artists") == artist_key("") == ""
    assert artist_key("The The")
    assert artist_key("渋さ知らズ")
    assert title_key("Song (live)") == title_key("Song")
