"""`streammer label`: the mood of many files."""

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from label_processes import run

from tests.sounds import SR, make_song


def test_a_row_a_file_in_csv(album, tmp_path):
    out = tmp_path / "moods.csv"
    code, _, err = run(album, "--out", out, jobs=2)
    assert code == 0, err
    with out.open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert [float(r["duration_s"]) for r in rows] == pytest.approx([4.0, 5.0, 6.0])
    assert [int(r["n_steps"]) for r in rows] == [8, 10, 12]
    assert all(-1 <= float(r["valence"]) <= 1 for r in rows)
    assert list(rows[0]) == [
        *("path", "duration_s", "valence", "arousal", "sigma_valence", "sigma_arousal"),
        *("p_positive", "p_energetic", "n_steps", "quadrant", "state"),
    ]


def test_a_row_a_step_in_jsonl_and_parquet_is_the_same(album, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    tables = []
    for suffix in ("jsonl", "parquet"):
        out = tmp_path / f"steps.{suffix}"
        assert run(album / "0.flac", "--steps", "--out", out)[0] == 0
        tables.append(
            [json.loads(line) for line in out.read_text().splitlines()]
            if suffix == "jsonl"
            else parquet.read_table(out).to_pylist()
        )
    volatile = ("epoch", "t_capture", "t_publish", "lag_ms")
    a, b = ([{k: v for k, v in row.items() if k not in volatile} for row in t] for t in tables)
    assert len(a) == 8
    assert a == b


def test_without_out_rows_go_to_stdout(album):
    code, out, _ = run(album / "1.flac")
    assert code == 0
    assert json.loads(out)["n_steps"] == 10


def test_broken_files_are_named_and_skipped_and_the_rest_is_done(album, tmp_path):
    (tmp_path / "broken.mp3").write_text("no music here\n" * 100)
    out = tmp_path / "moods.jsonl"
    code, _, err = run(album, tmp_path / "broken.mp3", tmp_path / "missing.wav", "--out", out)
    assert code == 6
    assert len(out.read_text().splitlines()) == 3
    skipped = [line for line in err.splitlines() if "skipped" in line]
    assert len(skipped) == 2
    assert any("broken.mp3" in line for line in skipped)
    assert any("missing.wav" in line for line in skipped)
    assert "3 of 5 files labelled" in err
    assert "Traceback" not in err


def test_nothing_usable_is_exit_3_and_leaves_no_table(tmp_path):
    (tmp_path / "broken.mp3").write_text("no music here\n" * 100)
    out = tmp_path / "moods.csv"
    code, _, err = run(tmp_path / "broken.mp3", "--out", out)
    assert code == 3
    assert "none of 1 files" in err
    assert sorted(os.listdir(tmp_path)) == ["broken.mp3"]


def test_a_truncated_mp3_is_used_as_far_as_it_goes_and_the_rest_is_said(tmp_path):
    whole, cut = tmp_path / "whole.mp3", tmp_path / "cut.mp3"
    soundfile.write(whole, make_song(12.0), SR)
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    code, out, err = run(cut)
    assert code == 0
    assert 4.0 < json.loads(out)["duration_s"] < 8.0
    assert len(err.splitlines()) <= 2
    assert "Traceback" not in err
    assert "libmpg123" not in err
    assert "mpg123" not in err


def test_rows_come_in_the_order_of_the_files(tmp_path):
    soundfile.write(tmp_path / "0.wav", make_song(60.0, channels=1), SR)
    for k in range(1, 5):
        soundfile.write(tmp_path / f"{k}.wav", make_song(1.0), SR)
    code, out, err = run(tmp_path, jobs=2)
    assert code == 0, err
    names = [Path(json.loads(line)["path"]).name for line in out.splitlines()]
    assert names == [f"{k}.wav" for k in range(5)]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode elsewhere")
@pytest.mark.parametrize("out", [None, "moods.csv", "moods.parquet"])
def test_a_file_name_that_is_no_unicode_is_said_as_well_as_can_be(tmp_path, out):
    music = tmp_path / "music"
    music.mkdir()
    soundfile.write(tmp_path / "song.wav", make_song(1.0), SR)
    os.rename(tmp_path / "song.wav", os.fsencode(music) + b"/caf\xe9.wav")
    if out and out.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    code, text, err = run(music, *(["--out", tmp_path / out] if out else []))
    assert code == 0, err
    if out is None:
        assert json.loads(text)["path"].endswith("caf\ufffd.wav")
    elif out.endswith("csv"):
        assert "caf\ufffd.wav" in (tmp_path / out).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["silence", "nan", "overflow"])
def test_sound_without_a_mood_has_a_row_that_says_so(tmp_path, kind):
    song = make_song(8.0, channels=1).astype(np.float64)
    sound = {"silence": 0 * song, "nan": np.nan * song, "overflow": song * 1e200}[kind]
    soundfile.write(tmp_path / "sound.wav", sound, SR, subtype="DOUBLE")
    code, out, err = run(tmp_path / "sound.wav")
    assert code == 0, err
    row = json.loads(out)
    assert row["quadrant"] is None
    assert row["state"] == "silent"
    warned = [line for line in err.splitlines() if "samples are NaN, infinite or beyond" in line]
    assert len(warned) == (kind != "silence")


def test_a_linked_album_is_labelled_and_what_cannot_be_is_named(album, tmp_path):
    (tmp_path / "0.mpga").hardlink_to(album / "0.flac")
    (tmp_path / "linked").symlink_to(album)
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    code, out, err = run(tmp_path)
    assert code == 6
    names = [json.loads(line)["path"] for line in out.splitlines()]
    assert names == [
        str(tmp_path / name) for name in ("0.mpga", *(f"linked/{k}.flac" for k in range(3)))
    ]
    assert f"skipped: {tmp_path / 'gone.wav'}: leads to" in err
    assert "4 of 5 files labelled" in err


def test_names_that_the_terminal_cannot_show_end_no_run(album, tmp_path):
    (tmp_path / "\u97f3\u697d.flac").hardlink_to(album / "0.flac")
    (tmp_path / "\u58ca.mp3").write_text("no music here\n" * 100)
    # One that is shown, but in bytes that are no UTF-8.
    (tmp_path / "caf\u00e9.flac").hardlink_to(album / "1.flac")
    code, out, err = run(
        tmp_path, env={**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    )
    assert code == 6
    names = [Path(json.loads(line)["path"]).name for line in out.splitlines()]
    assert names == ["caf\u00e9.flac", "\u97f3\u697d.flac"]
    assert "\\u58ca.mp3" in err
    assert "bug" not in err


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_out_over_a_link_keeps_the_link_and_over_a_private_file_its_mode(album, tmp_path):
    table, link = tmp_path / "private" / "moods.csv", tmp_path / "moods.csv"
    table.parent.mkdir()
    table.write_text("old\n")
    table.chmod(0o600)
    link.symlink_to(table)
    assert run(album / "0.flac", "--out", link)[0] == 0
    assert link.is_symlink()
    assert "0.flac" in table.read_text()
    assert table.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(table.parent)) == ["moods.csv"]
