"""`streammer label` when a process that decodes ends, or the disk is full."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile
from label_processes import LABEL, on_linux, run, workers_of

from tests.processes import read_rest
from tests.sounds import SR, make_song


@on_linux
def test_a_process_that_dies_costs_no_row(tmp_path):
    song = make_song(20.0, channels=1)
    for k in range(4):
        soundfile.write(tmp_path / f"{k}.wav", song, SR)
    process = subprocess.Popen(
        [*LABEL, str(tmp_path), "--jobs", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        first = process.stdout.readline()
        os.kill(workers_of(process)[0], signal.SIGKILL)
        rest, err = read_rest(process)
    assert process.returncode == 0, err
    rows = [json.loads(line) for line in (first + rest).splitlines()]
    assert sorted(Path(r["path"]).name for r in rows) == [f"{k}.wav" for k in range(4)]


@on_linux
def test_a_file_that_ends_every_process_is_named_and_skipped(tmp_path):
    soundfile.write(tmp_path / "0.wav", make_song(2.0), SR)
    soundfile.write(tmp_path / "1.wav", make_song(2.0), SR)
    process = subprocess.Popen([*LABEL, str(tmp_path), "--jobs", "2"], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        for worker in workers_of(process):
            os.kill(worker, signal.SIGKILL)
        time.sleep(0.01)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 3
    skipped = [line for line in err.decode().splitlines() if "process that decoded it" in line]
    assert len(skipped) == 2
    assert b"Traceback" not in err


@on_linux
def test_a_kill_leaves_no_process_behind(tmp_path):
    soundfile.write(tmp_path / "0.wav", make_song(2.0), SR)
    soundfile.write(tmp_path / "1.wav", make_song(60.0, channels=1), SR)
    process = subprocess.Popen([*LABEL, str(tmp_path), "--jobs", "2"], stdout=subprocess.PIPE)
    process.stdout.readline()
    workers = workers_of(process)
    assert workers
    process.kill()
    process.communicate(timeout=20)  # its stdout ends when the last process that holds it does


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_one_line_and_exit_4(album):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*LABEL, str(album / "0.flac"), "--jobs", "1"],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    assert done.returncode == 4
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files there")
@pytest.mark.parametrize("before", [False, True])
def test_rows_that_a_full_disk_took_are_kept(album, tmp_path, before):
    resource = pytest.importorskip("resource")
    files = [album / "0.flac"] * 2  # named twice: done once
    for k in range(12):
        files.append(tmp_path / f"{k}.flac")
        files[-1].hardlink_to(album / "0.flac")
    assert run(files[0])[0] == 0  # what is cached on first use is cached
    out = tmp_path / "moods.csv"
    if before:
        out.write_text("precious\n")
    kept = tmp_path / "moods.partial.csv" if before else out
    code, _, err = run(
        *files,
        *("--out", out),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert code == 4, err
    with kept.open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert 1 <= len(rows) < 13
    assert all(row["state"] for row in rows)
    assert [row["path"] for row in rows] == [str(p) for p in files[1 : len(rows) + 1]]
    assert len(err.splitlines()) == 1
    assert f"{len(rows)} rows are kept in {kept}" in err
    assert out == kept or out.read_text() == "precious\n"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root mounts a small disk, on Linux"
)
def test_rows_on_a_disk_of_one_page_are_kept(album, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        out = disk / "moods.jsonl"
        code, _, err = run(album / "2.flac", "--steps", "--out", out)  # 12 rows: 6 KiB
        assert code == 4, err
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert [row["seq"] for row in rows] == list(range(len(rows)))
        lines = out.read_bytes().splitlines(keepends=True)
        assert 4096 - 2 * len(lines[0]) < out.stat().st_size <= 4096  # no row more has room
        assert "No space left" in err
        assert f"{len(rows)} rows are kept in {out}" in err
        assert os.listdir(disk) == [out.name]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
