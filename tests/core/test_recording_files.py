"""Files of a recording: never over what is there, bounded, kept whatever the disk does."""

import errno
import os
import threading
from pathlib import Path

import pytest
from bus_parts import estimate, until

from streammer.config.read import parse_run
from streammer.errors import InputError, OutputError, UsageError
from streammer.recording import files as files_module
from streammer.recording import venue  # noqa: F401 - registers the kind
from streammer.recording.files import Bounds
from streammer.recording.names import Names, lock_journal
from streammer.recording.read import read_estimates
from streammer.recording.recorder import Recorder


def recorder(path, bounds=None, streams=(), failed=None, said=None):
    failures = [] if failed is None else failed
    say = ([] if said is None else said).append
    return Recorder(Names(path), bounds or Bounds(), streams, failures.append, say)


def record(path, rows, **options):
    here = recorder(path, **options)
    for row in rows:
        here.put(row)
    here.close()
    return here


def seqs(path):
    return [mood.seq for mood in read_estimates(path, pytest.fail)]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_recording_never_takes_the_place_of_one_that_is_there(tmp_path, suffix):
    for first in (0, 10, 20):
        record(tmp_path / f"s{suffix}", [estimate(first), estimate(first + 1)])
    assert sorted(os.listdir(tmp_path)) == sorted([f"s{suffix}", f"s.2{suffix}", f"s.3{suffix}"])
    assert seqs(tmp_path / f"s.3{suffix}") == [20, 21]


def test_streams_are_chosen_and_the_last_word_of_one_is_no_estimate(tmp_path):
    rows = [estimate(0), estimate(0, stream="bar"), estimate(1, state="ended")]
    record(tmp_path / "all.jsonl", rows)
    assert len(seqs(tmp_path / "all.jsonl")) == 2
    record(tmp_path / "bar.jsonl", rows, streams=["bar"])
    assert [m.stream for m in read_estimates(tmp_path / "bar.jsonl", pytest.fail)] == ["bar"]


def test_nothing_received_leaves_no_file(tmp_path):
    here = record(tmp_path / "s.parquet", [])
    assert not os.listdir(tmp_path)
    assert here.summary() == "0 estimates: no file is left"


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_full_file_begins_another_and_the_oldest_go(tmp_path, suffix):
    bounds = Bounds(file_mb=0.002, keep=3)
    record(tmp_path / f"s{suffix}", [estimate(k) for k in range(50)], bounds=bounds)
    numbers = Names(tmp_path / f"s{suffix}").numbers()
    assert len(numbers) == 3
    assert numbers[0] > 2
    kept = [seq for n in numbers for seq in seqs(Names(tmp_path / f"s{suffix}").target(n))]
    assert kept == list(range(kept[0], 50))
    assert all(entry.stat().st_size < 20_000 for entry in os.scandir(tmp_path))


def test_a_journal_that_was_left_is_finished_by_the_next_recording(tmp_path):
    record(tmp_path / "s.jsonl", [estimate(k) for k in range(3)])
    half = (tmp_path / "s.jsonl").read_bytes()[:-30]
    (tmp_path / "s.2.journal.jsonl").write_bytes(half)
    said = []
    record(tmp_path / "s.parquet", [estimate(7)], said=said)
    assert seqs(tmp_path / "s.2.parquet") == [0, 1]
    assert seqs(tmp_path / "s.3.parquet") == [7]
    assert "cut off within its last line" in said[0]
    assert "s.2.parquet is what a recording that was killed had left: 2 estimates" in said[1]
    assert not (tmp_path / "s.2.journal.jsonl").exists()


def test_a_journal_that_is_being_written_is_left_alone(tmp_path):
    first = recorder(tmp_path / "s.parquet")
    first.put(estimate(0))
    assert until(lambda: first.rows == 1)
    record(tmp_path / "s.parquet", [estimate(5)])
    assert (tmp_path / "s.journal.jsonl").exists()
    first.close()
    assert seqs(tmp_path / "s.parquet") == [0]
    assert seqs(tmp_path / "s.2.parquet") == [5]


def test_a_journal_that_cannot_be_read_stays_and_is_named(tmp_path):
    (tmp_path / "s.journal.jsonl").write_text("no\nrecording\n")
    said = []
    record(tmp_path / "s.parquet", [estimate(0)], said=said)
    assert "s.journal.jsonl was left by a recording that was killed, and stays" in said[0]
    assert (tmp_path / "s.journal.jsonl").exists()


def test_a_journal_stays_where_parquet_cannot_be_made(tmp_path, monkeypatch):
    here = recorder(tmp_path / "s.parquet")
    here.put(estimate(0))
    (tmp_path / "s.parquet").mkdir()
    with pytest.raises(OutputError, match=r"what was recorded is in .*s\.journal\.jsonl"):
        here.close()
    assert seqs(tmp_path / "s.journal.jsonl") == [0]


class FullDisk:
    """A format whose disk is full after two rows, in the middle of a line."""

    survives = True

    def __init__(self, inner):
        self._inner = inner
        self.rows = 0

    def write(self, rows):
        if self.rows == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._inner.write(rows)
        self.rows += 1

    def close(self):
        self._inner.close()


def test_a_full_disk_is_said_once_and_what_was_written_is_kept(tmp_path, monkeypatch):
    real = files_module.open_format
    monkeypatch.setattr(files_module, "open_format", lambda *args: FullDisk(real(*args)))
    failures = []
    here = record(tmp_path / "s.jsonl", [estimate(k) for k in range(6)], failed=failures)
    assert [str(f) for f in failures] == [
        f"{tmp_path / 's.jsonl'} cannot be written (No space left on device): make room or choose "
        "another place; 2 estimates are kept"
    ]
    assert seqs(tmp_path / "s.jsonl") == [0, 1]
    assert here.dropped == 4


def test_a_disk_that_stands_still_holds_up_nobody(tmp_path, monkeypatch):
    released = threading.Event()
    real = os.fsync
    monkeypatch.setattr(files_module, "_SYNC_S", 0.0)
    monkeypatch.setattr(files_module.os, "fsync", lambda fd: (released.wait(30.0), real(fd)))
    here = recorder(tmp_path / "s.jsonl")
    here.put(estimate(0))
    assert until(lambda: here.rows == 1)
    for k in range(1, 2000):
        here.put(estimate(k))  # would take 30 s, were it to wait
    assert here.rows < 2000
    released.set()
    here.close()
    assert seqs(tmp_path / "s.jsonl") == list(range(2000))
    assert here.dropped == 0


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_received(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        recorder(tmp_path / "none" / "s.jsonl")
    with pytest.raises(UsageError, match=r"ends in '\.txt'"):
        recorder(tmp_path / "s.txt")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"file_mb": 0}, "--file-mb is 0"),
        ({"file_hours": -1}, "--file-hours is -1"),
        ({"keep": 0}, "--keep is 0"),
        ({"keep": 3}, "say when one is full"),
        ({"file_mb": float("nan")}, "--file-mb is nan"),
    ],
)
def test_bounds_that_cannot_be_are_refused(options, why):
    with pytest.raises(UsageError, match=why):
        Bounds(**options)


def test_the_lock_of_a_journal_goes_with_its_descriptor(tmp_path):
    names = Names(tmp_path / "s.parquet")
    fd = lock_journal(names.written(1))
    assert names.left_over() == []
    os.close(fd)
    assert names.left_over() == [1]
    with pytest.raises(InputError, match="not finished"):
        next(read_estimates(tmp_path / "s.parquet", print))


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("path = 's.txt'", r"'\.txt': one of"),
        ("path = 's.csv'\nkeep = 3", "keep counts files: say when one is full, with file_mb 100"),
        ("path = 's.csv'\nkeep = 0", "keep is 0: expected a whole number from 1"),
        ("path = 's.csv'\nfile_hours = 0.0", "file_hours is 0.0"),
        ("path = 's.csv'\nfeed = 'bar'", "bar"),
    ],
)
def test_a_table_of_a_run_is_checked_before_the_run(lines, why):
    text = f"[[feeds]]\nname='main'\nsource='mic'\n[[outputs]]\nkind='record'\n{lines}\n"
    with pytest.raises(UsageError, match=why):
        parse_run(text, Path("venue.toml"), environment={})
