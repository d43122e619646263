"""`streammer label` as a real process: rows, formats, broken files, interruptions, full disks."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from streammer import cli
from tests.processes import read_rest
from tests.sounds import SR, make_song

LABEL = [sys.executable, "-m", "streammer", "label"]


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    folder = tmp_path_factory.mktemp("album")
    for k in range(3):
        soundfile.write(folder / f"{k}.flac", make_song(4.0 + k, seed=k), SR)
    return folder


def run(*args, jobs=1, **kwargs):
    done = subprocess.run(
        [*LABEL, *map(str, args), "--jobs", str(jobs)],
        capture_output=True,
        timeout=120,
        check=False,
        **kwargs,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


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
        *("p_positive", "p_energetic", "n_steps", "quadrant"),
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


@pytest.fixture(scope="module")
def long_album(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    soundfile.write(folder / "00.wav", make_song(20.0, channels=1), SR)
    for k in range(1, 60):
        (folder / f"{k:02}.wav").hardlink_to(folder / "00.wav")
    return folder


def interrupt_after_a_row(album, out):
    """Interrupt `label` once it has written a row; return its code and its stderr."""
    process = subprocess.Popen(
        [*LABEL, str(album), "--out", str(out), "--jobs", "2"], stderr=subprocess.PIPE
    )
    beside = out.with_name(f".{out.name}.{process.pid}.part")
    deadline = time.monotonic() + 60
    while not (beside.exists() and beside.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert not beside.exists()
    return process.returncode, err.decode()


def test_an_interruption_keeps_finished_rows(long_album, tmp_path):
    out = tmp_path / "moods.jsonl"
    code, err = interrupt_after_a_row(long_album, out)
    assert code == 130
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert 1 <= len(rows) < 60
    assert err == f"streammer: interrupted: {len(rows)} of 60 files are done, kept in {out}\n"


def test_a_part_is_kept_beside_the_table_that_is_there(long_album, tmp_path):
    out, part = tmp_path / "moods.jsonl", tmp_path / "moods.partial.jsonl"
    out.write_text("precious\n")
    code, err = interrupt_after_a_row(long_album, out)
    assert code == 130
    assert out.read_text() == "precious\n"
    n = len(part.read_text().splitlines())
    assert 1 <= n < 60
    assert f"{n} of 60 files are done, kept in {part}; {out} is as before\n" in err
    assert len(err.splitlines()) == 1


def listens_to_signals(pid):
    """Whether `main` has begun; an earlier Ctrl-C is the interpreter's own."""
    if sys.platform != "linux":
        time.sleep(1.0)
        return True
    (mask,) = re.findall(r"SigCgt:\s+(\w+)", Path(f"/proc/{pid}/status").read_text())
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C reaches a process group by killpg")
@pytest.mark.parametrize("delay_s", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("workers", [False, True])
def test_ctrl_c_while_it_starts_is_one_line_and_no_harm(long_album, tmp_path, workers, delay_s):
    if workers and sys.platform != "linux":
        pytest.skip("/proc tells when there are workers")
    out = tmp_path / "moods.csv"
    out.write_text("precious\n")
    process = subprocess.Popen(
        [*LABEL, str(long_album), "--out", str(out), "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while process.poll() is None and not (
        workers_of(process) if workers else listens_to_signals(process.pid)
    ):
        time.sleep(0.002)
    time.sleep(delay_s)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert len(err.splitlines()) == 1, err.decode()
    assert err.startswith(b"streammer: interrupted")
    assert out.read_text() == "precious\n"
    assert set(os.listdir(tmp_path)) <= {"moods.csv", "moods.partial.csv"}


@pytest.mark.parametrize(("command", "code"), [("label", 130), ("listen", 0)])
def test_an_import_broken_by_ctrl_c_is_an_interruption(monkeypatch, capsys, command, code):
    def broken(_tokens, **_options):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    monkeypatch.setattr("streammer.cli.commands.build_app", lambda: broken)
    assert cli.main([command, "music"]) == code
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "bug" not in err


def test_rows_come_in_the_order_of_the_files(tmp_path):
    soundfile.write(tmp_path / "0.wav", make_song(60.0, channels=1), SR)
    for k in range(1, 5):
        soundfile.write(tmp_path / f"{k}.wav", make_song(1.0), SR)
    code, out, err = run(tmp_path, jobs=2)
    assert code == 0, err
    names = [Path(json.loads(line)["path"]).name for line in out.splitlines()]
    assert names == [f"{k}.wav" for k in range(5)]


def test_rows_that_wait_for_their_turn_are_kept_on_interruption(tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    soundfile.write(music / "0.wav", make_song(10.0, channels=1).repeat(60, axis=0), SR)
    for k in range(1, 4):
        soundfile.write(music / f"{k}.wav", make_song(1.0), SR)
    (music / "4.mp3").write_text("no music here\n" * 100)
    out = tmp_path / "moods.jsonl"
    process = subprocess.Popen(
        [*LABEL, str(music), "--out", str(out), "--jobs", "2"], stderr=subprocess.PIPE
    )
    with process:
        assert b"4.mp3" in process.stderr.readline()  # said at once, when 1 to 3 are done
        process.send_signal(signal.SIGINT)
        err = process.stderr.read().decode()
    assert process.returncode == 130
    names = [Path(json.loads(line)["path"]).name for line in out.read_text().splitlines()]
    assert names == ["1.wav", "2.wav", "3.wav"]
    assert f"3 of 5 files are done, kept in {out}" in err


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


def workers_of(process):
    """Return the processes that decode for `process`."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return [
            int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()
        ]
    except OSError:  # one has just ended
        return []


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the processes apart")


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
    assert all(row["quadrant"] for row in rows)
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
        assert 5 <= len(rows) <= 8
        assert "No space left" in err
        assert f"{len(rows)} rows are kept in {out}" in err
        assert os.listdir(disk) == [out.name]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
