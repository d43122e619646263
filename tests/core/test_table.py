"""Tables appear whole; what was interrupted, or found the disk full, keeps its whole rows."""

import csv
import json
import os
from contextlib import contextmanager

import pytest

from streammer.errors import OutputError, UsageError
from streammer.outputs.table import TableWriter
from streammer.schema import Column

COLUMNS = (
    Column("path", "text"),
    Column("valence", "number", nullable=True),
    Column("n_steps", "integer"),
)
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


def test_an_interruption_before_any_row_leaves_nothing(tmp_path):
    path = tmp_path / "moods.csv"
    write_and_raise(path, [], KeyboardInterrupt())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_an_interruption_never_replaces_a_table(tmp_path, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / f"moods{suffix}"
    path.write_text("precious\n")
    write_and_raise(path, [], KeyboardInterrupt())
    assert os.listdir(tmp_path) == [path.name]
    write_and_raise(path, ROWS[:1], KeyboardInterrupt())
    write_and_raise(path, ROWS, KeyboardInterrupt())
    assert path.read_text() == "precious\n"
    assert read(tmp_path / f"moods.partial{suffix}") == ROWS[:1]
    assert read(tmp_path / f"moods.partial2{suffix}") == ROWS
    assert len(os.listdir(tmp_path)) == 3


@contextmanager
def small_disk():
    """Let no file of this process grow beyond 200 bytes: for a moment, or a log of the tests would.

    The limit is the process's, so what pytest itself prints into a file would fail too.
    """
    resource = pytest.importorskip("resource", reason="no limit on the size of files here")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("before", [False, True])
def test_a_full_disk_keeps_whole_rows_and_says_where(tmp_path, suffix, before):
    path = tmp_path / f"moods{suffix}"
    kept = tmp_path / f"moods.partial{suffix}" if before else path
    if before:
        path.write_text("precious\n")

    def work():
        with small_disk(), TableWriter(path, COLUMNS) as table:
            while True:
                table.write(ROWS)

    with pytest.raises(OutputError, match="too large") as caught:
        work()
    rows = read(kept)
    assert len(rows) > 2
    assert rows == (ROWS * len(rows))[: len(rows)]
    assert kept.read_bytes().endswith(b"\n")
    assert f"{len(rows)} rows are kept in {kept}" in str(caught.value)
    assert len(os.listdir(tmp_path)) == 1 + before
    assert not before or path.read_text() == "precious\n"


def test_a_full_disk_leaves_no_parquet_that_cannot_be_read(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / "moods.parquet"

    def work():
        with small_disk(), TableWriter(path, COLUMNS) as table:
            while True:
                table.write(ROWS)

    with pytest.raises(OutputError, match="cannot be written") as caught:
        work()
    assert "kept" not in str(caught.value)
    assert os.listdir(tmp_path) == []


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
