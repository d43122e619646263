"""Recordings are read as they were written, and what is none is one line."""

import json

import msgspec
import pytest
from bus_parts import estimate

from streammer.errors import InputError, UsageError
from streammer.outputs.table import TableWriter
from streammer.recording.read import read_estimates, read_marks
from streammer.schema import ESTIMATE_COLUMNS

SUFFIXES = (".csv", ".jsonl", ".parquet")


def moods(count=5, **changes):
    return [estimate(k, model="a, b", **changes) for k in range(count)]


def written(path, rows):
    with TableWriter(path, ESTIMATE_COLUMNS) as table:
        table.write([msgspec.structs.asdict(row) for row in rows])
    return path


def read(path):
    said = []
    return list(read_estimates(path, said.append)), said


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_written_is_read_again(tmp_path, suffix):
    rows = [*moods(), estimate(9, valence=None, arousal=None, quadrant=None, state="silent")]
    assert read(written(tmp_path / f"s{suffix}", rows)) == (rows, [])


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_recording_cut_at_any_byte_of_its_last_line_gives_the_lines_before_it(tmp_path, suffix):
    path = written(tmp_path / f"s{suffix}", moods())
    data = path.read_bytes()
    last = data.rstrip().rfind(b"\n") + 1
    for end in range(last + 1, len(data) - 2, 7):
        path.write_bytes(data[:end])
        rows, said = read(path)
        assert rows == moods()[:4], end
        assert said == [
            f"{path} was cut off within its last line: the 4 lines before it are used"
        ], end


def test_a_parquet_file_that_was_cut_is_a_line(tmp_path):
    path = written(tmp_path / "s.parquet", moods(500))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="was cut off"):
        read(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_version_is_refused_with_its_number(tmp_path, suffix):
    rows = [msgspec.structs.asdict(mood) | {"v": 2} for mood in moods()]
    with TableWriter(tmp_path / f"s{suffix}", ESTIMATE_COLUMNS) as table:
        table.write(rows)
    with pytest.raises(InputError, match=r"is of version 2, and this streammer reads version 1"):
        read(tmp_path / f"s{suffix}")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("s.jsonl", "hello\n", "line 1, is no estimate"),
        ("s.jsonl", '{"a": 1}\n', "line 1, is no estimate"),
        ("s.jsonl", '{"v": 1, "stream": "main"}\n', "missing required field"),
        ("s.csv", "a,b\n1,2\n", "no column v"),
        ("s.csv", "", "no column v"),
        ("s.parquet", "PAR1", "is no Parquet"),
    ],
)
def test_what_is_no_recording_is_one_line(tmp_path, name, text, why):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=why) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_damage_in_the_middle_names_the_line(tmp_path):
    path = written(tmp_path / "s.jsonl", moods())
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2][:40] + b"\n", *lines[3:]]))
    with pytest.raises(InputError, match="line 3, is no estimate"):
        read(path)


def test_a_number_beyond_its_range_is_refused(tmp_path):
    row = msgspec.structs.asdict(estimate()) | {"valence": 3.0}
    (tmp_path / "s.jsonl").write_bytes(msgspec.json.encode(row) + b"\n")
    with pytest.raises(InputError, match=r"line 1, breaks the format: valence is '3\.0'"):
        read(tmp_path / "s.jsonl")


def test_keys_that_are_not_known_and_paths_of_label_do_not_matter(tmp_path):
    rows = [msgspec.structs.asdict(mood) | {"later": 1, "path": "a.mp3"} for mood in moods()]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read(tmp_path / "s.jsonl")[0] == moods()


def test_a_missing_file_and_another_suffix_are_said(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match=r"ends in '\.txt'"):
        read(tmp_path / "none.txt")


def test_a_parquet_file_that_was_not_finished_names_its_journal(tmp_path):
    written(tmp_path / "s.journal.jsonl", moods())
    with pytest.raises(InputError, match=r"s\.journal\.jsonl, name that"):
        read(tmp_path / "s.parquet")
    assert read(tmp_path / "s.journal.jsonl")[0] == moods()


def test_marks_come_from_the_file_and_from_beside_it(tmp_path):
    mark = {"kind": "mark", "t": 2.0, "stream": "main", "epoch": "e", "seq": 1, "t_audio_s": 0.5}
    path = written(tmp_path / "s.2.jsonl", moods())
    with path.open("a") as file:
        file.write(json.dumps(mark | {"label": "drop"}) + "\n")
    (tmp_path / "s.marks.jsonl").write_text(json.dumps(mark | {"t": 1.0, "label": "in"}) + "\nno\n")
    assert [found.label for found in read_marks(path)] == ["in", "drop"]
    assert read(path)[0] == moods()
