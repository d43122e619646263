"""Tables appear whole or not at all."""

import csv
import json
import os

import pytest

from streammer.errors import OutputError, UsageError
from streammer.table import TableWriter

COLUMNS = {"path": str, "valence": float, "n_steps": int}
ROWS = [
    {"path": "a, b.mp3", "valence": 0.25, "n_steps": 3},
    {"path": "c.wav", "valence": None, "n_steps": 1},
]


def read(path):
    if path.suffix == ".csv":
        with path.open(newline="") as f:
            rows = list(csv.DictReader(f))
        return [
            {
                "path": r["path"],
                "valence": float(r["valence"]) if r["valence"] else None,
                "n_steps": int(r["n_steps"]),
            }
            for r in rows
        ]
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    return parquet.read_table(path).to_pylist()


def write_and_raise(path, rows, error):
    def work():
        with TableWriter(path, COLUMNS) as table:
            table.write(rows)
            raise error

    with pytest.raises(type(error)):
        work()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_rows_come_back_in_every_format(tmp_path, suffix):
    path = tmp_path / f"moods{suffix}"
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    with TableWriter(path, COLUMNS) as table:
        for row in ROWS:
            table.write([row])
        assert not path.exists()
    assert read(path) == ROWS
    assert os.listdir(tmp_path) == [path.name]


def test_an_interruption_keeps_finished_rows(tmp_path):
    path = tmp_path / "moods.csv"
    write_and_raise(path, ROWS[:1], KeyboardInterrupt())
    assert read(path) == ROWS[:1]


def test_an_error_leaves_what_stood_there_before(tmp_path):
    path = tmp_path / "moods.jsonl"
    path.write_text("precious\n")
    write_and_raise(path, ROWS, ValueError("elsewhere"))
    assert path.read_text() == "precious\n"
    assert os.listdir(tmp_path) == [path.name]


def test_unknown_suffix_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match=r"ends in '\.xls': one of \.csv, \.jsonl, \.parquet"):
        TableWriter(tmp_path / "moods.xls", COLUMNS)


def test_a_folder_that_does_not_exist_is_one_clear_line(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        TableWriter(tmp_path / "nowhere" / "moods.csv", COLUMNS).__enter__()
