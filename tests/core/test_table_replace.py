"""What a table takes the place of, and what lies beside it meanwhile."""

import os
import subprocess
import sys

import pytest

from streammer.errors import OutputError
from streammer.outputs.parts import left_over_parts
from streammer.outputs.resume import earlier_rows
from streammer.outputs.table import TableWriter
from streammer.schema import Column

COLUMNS = (Column("path", "text"), Column("valence", "number", nullable=True))
ROWS = [{"path": "a.mp3", "valence": 0.25}, {"path": "b.mp3", "valence": None}]
posix = pytest.mark.skipif(os.name != "posix", reason="links and modes are POSIX's here")


def write(path, rows=ROWS, **options):
    with TableWriter(path, COLUMNS, **options) as table:
        table.write(rows)
    return table


@posix
@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path, there):
    (tmp_path / "store").mkdir()
    target, link = tmp_path / "store" / "moods.csv", tmp_path / "moods.csv"
    if there:
        target.write_text("old\n")
    link.symlink_to(target)
    assert write(link).kept == link
    assert link.is_symlink()
    assert "a.mp3" in target.read_text()
    assert os.listdir(tmp_path / "store") == ["moods.csv"]


@posix
def test_a_part_of_a_link_is_kept_beside_what_it_leads_to(tmp_path):
    (tmp_path / "store").mkdir()
    target, link = tmp_path / "store" / "moods.csv", tmp_path / "moods.csv"
    target.write_text("precious\n")
    link.symlink_to(target)
    table = TableWriter(link, COLUMNS)

    def work():
        with table:
            table.write(ROWS)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert target.read_text() == "precious\n"
    assert table.kept == tmp_path / "store" / "moods.partial.csv"


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_permissions_of_what_is_replaced_are_kept_from_the_first_row_on(tmp_path, mode, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / f"moods{suffix}"
    path.write_text("old\n")
    path.chmod(mode)
    with TableWriter(path, COLUMNS) as table:
        table.write(ROWS)
        (part,) = tmp_path.glob(".*.part")
        assert part.stat().st_mode & 0o777 == mode
    assert path.stat().st_mode & 0o777 == mode


@posix
def test_a_new_table_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "other").write_text("")
    write(tmp_path / "moods.csv")
    assert (tmp_path / "moods.csv").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_folder_of_that_name_is_refused_before_the_work(tmp_path):
    (tmp_path / "moods.csv").mkdir()
    with pytest.raises(OutputError, match="it is a folder, a file is expected"):
        TableWriter(tmp_path / "moods.csv", COLUMNS).__enter__()
    assert os.listdir(tmp_path) == ["moods.csv"]


@posix
def test_a_pipe_of_that_name_is_refused_and_stays(tmp_path):
    os.mkfifo(tmp_path / "moods.csv")
    with pytest.raises(OutputError, match="a file is expected"):
        TableWriter(tmp_path / "moods.csv", COLUMNS).__enter__()
    assert os.listdir(tmp_path) == ["moods.csv"]


WRITING = """
import os, sys, pathlib
from streammer.outputs.table import TableWriter
from streammer.schema import Column
columns = (Column("path", "text"), Column("valence", "number", nullable=True))
with TableWriter(pathlib.Path(sys.argv[1]), columns) as table:
    table.write([{"path": sys.argv[2], "valence": 0.5}])
    print("written", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def writing(tmp_path):
    """Start processes that write a table and do not end."""
    started = []

    def start(song):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITING, str(tmp_path / "moods.csv"), str(song)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout.readline().strip() == b"written"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=60)


def test_parts_of_dead_processes_are_removed_and_a_live_ones_is_not(tmp_path, writing):
    live, dead = writing("live.mp3"), writing("dead.mp3")
    dead.kill()
    dead.communicate(timeout=60)
    (left,) = left_over_parts(tmp_path / "moods.csv")
    assert str(dead.pid) in left.name
    write(tmp_path / "moods.csv")
    assert sorted(os.listdir(tmp_path)) == [f".moods.csv.{live.pid}.part", "moods.csv"]


def test_a_part_of_another_table_is_never_touched(tmp_path, writing):
    others = [tmp_path / name for name in (".moods.csv.1234567890.bak", ".more.csv.99999999.part")]
    for other in others:
        other.write_text("")
    write(tmp_path / "moods.csv")
    assert all(other.exists() for other in others)


def test_the_rows_of_a_killed_process_are_found_again_but_no_half_row(tmp_path, writing):
    song = tmp_path / "dead.mp3"
    song.write_bytes(b"")
    dead = writing(song)
    dead.kill()
    dead.communicate(timeout=60)
    (part,) = left_over_parts(tmp_path / "moods.csv")
    with part.open("a") as file:
        file.write(f"{song.with_name('next.mp3')},0.")
    rows = earlier_rows(tmp_path / "moods.csv", COLUMNS)
    assert rows == {str(song): [{"path": str(song), "valence": 0.5}]}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_rows_are_read_as_they_were_written(tmp_path, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    rows = []
    for k, name in enumerate(['a, "b"\nc.mp3', "\u97f3.wav"]):
        (tmp_path / name).write_bytes(b"")
        rows.append({"path": str(tmp_path / name), "valence": None if k else -0.1234})
    path = tmp_path / f"moods{suffix}"
    write(path, rows)
    assert earlier_rows(path, COLUMNS) == {row["path"]: [row] for row in rows}


def test_a_file_that_has_changed_since_is_done_again(tmp_path):
    song = tmp_path / "a.mp3"
    song.write_bytes(b"")
    write(tmp_path / "moods.csv", [{"path": str(song), "valence": 0.5}])
    later = (tmp_path / "moods.csv").stat().st_mtime + 10
    os.utime(song, (later, later))
    assert earlier_rows(tmp_path / "moods.csv", COLUMNS) == {}
