"""`streammer label` when it is interrupted, killed, and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile
from label_processes import LABEL, begun, label_until_a_row, run, workers_of

from streammer import cli
from tests.sounds import SR, make_song


def interrupt_after_a_row(album, out, *args, number=signal.SIGINT):
    """Send `label` a signal once it has written a row; return its code and its stderr."""
    process, part = label_until_a_row(album, out, *args)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert not part.exists()
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
    while process.poll() is None and not (workers_of(process) if workers else begun(process)):
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
def test_a_signal_before_the_command_begins_is_one_line(monkeypatch, capsys, command, code):
    def signalled(_self):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("streammer.system.second_signal.SecondSignal.__enter__", signalled)
    assert cli.main([command, "music"]) == code
    assert len(capsys.readouterr().err.splitlines()) == 1


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


def test_rows_that_wait_for_their_turn_are_kept_on_interruption(tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    soundfile.write(music / "0.wav", make_song(10.0, channels=1).repeat(60, axis=0), SR)
    for k in range(10, 24):
        soundfile.write(music / f"{k}.wav", make_song(1.0), SR)
    (music / "24.mp3").write_text("no music here\n" * 100)
    out = tmp_path / "moods.jsonl"
    process = subprocess.Popen(
        [*LABEL, str(music), "--out", str(out), "--jobs", "2"], stderr=subprocess.PIPE
    )
    with process:
        # Its turn comes when some are done: two processes have ten files at most.
        assert b"24.mp3" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        err = process.stderr.read().decode()
    assert process.returncode == 130
    names = [Path(json.loads(line)["path"]).name for line in out.read_text().splitlines()]
    assert 5 <= len(names) <= 14
    assert names == sorted(names)
    assert "0.wav" not in names
    assert f"{len(names)} of 16 files are done, kept in {out}" in err


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminal that hangs up here")
def test_a_terminal_that_closes_leaves_the_rows_and_no_hidden_part(long_album, tmp_path):
    out = tmp_path / "moods.jsonl"
    code, err = interrupt_after_a_row(long_album, out, number=signal.SIGHUP)
    assert code == 130
    assert 1 <= len(out.read_text().splitlines()) < 60
    assert os.listdir(tmp_path) == [out.name]
    assert f"kept in {out}" in err


@pytest.fixture(scope="module")
def whole(long_album, tmp_path_factory):
    """Return the table of a run that nothing interrupts."""
    out = tmp_path_factory.mktemp("whole") / "moods.csv"
    assert run(long_album, "--out", out, jobs=2)[0] == 0
    return out.read_text()


@pytest.mark.parametrize("end", ["interrupted", "killed"])
def test_resume_goes_on_where_it_was_with_identical_rows(long_album, whole, tmp_path, end):
    out = tmp_path / "moods.csv"
    if end == "killed":
        process, part = label_until_a_row(long_album, out)
        process.kill()
        process.communicate(timeout=60)
        assert part.exists()
    else:
        interrupt_after_a_row(long_album, out)
    began = next(tmp_path.iterdir()).read_text()
    n = began.count("\n") - 1
    assert 1 <= n < 60
    code, _, err = run(long_album, "--out", out, "--resume", jobs=2)
    assert code == 0, err
    assert "60 of 60 files labelled" in err
    assert out.read_text() == whole
    assert os.listdir(tmp_path) == [out.name]


def test_resume_does_not_do_again_what_is_done(album, tmp_path):
    out = tmp_path / "moods.jsonl"
    assert run(album, "--out", out)[0] == 0
    lines = out.read_text().splitlines()
    row = json.loads(lines[1]) | {"valence": 0.1234}  # as no run would give it
    out.write_text("\n".join([lines[0], json.dumps(row)]) + "\n")
    assert run(album, "--out", out, "--resume")[0] == 0
    again = [json.loads(line) for line in out.read_text().splitlines()]
    assert again == [json.loads(lines[0]), row, json.loads(lines[2])]


def test_resume_of_steps_does_the_last_file_again(album, tmp_path):
    out = tmp_path / "steps.jsonl"
    assert run(album, "--steps", "--out", out)[0] == 0
    lines = out.read_text().splitlines()
    out.write_text("\n".join(lines[:12]) + "\n")  # 8 of the first file, 4 of the second
    assert run(album, "--steps", "--out", out, "--resume")[0] == 0
    again = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(r["path"], r["seq"]) for r in again] == [
        (r["path"], r["seq"]) for r in map(json.loads, lines)
    ]
    epochs = [r["epoch"] for r in again]
    assert epochs[0] == json.loads(lines[0])["epoch"]
    assert epochs[8] == epochs[17] != json.loads(lines[8])["epoch"]


def test_an_interrupted_resume_loses_no_row(long_album, tmp_path):
    out = tmp_path / "moods.jsonl"
    interrupt_after_a_row(long_album, out)
    first = out.read_text().splitlines()
    code, err = interrupt_after_a_row(long_album, out, "--resume")
    assert code == 130
    assert set(first) <= set(out.read_text().splitlines())
    assert os.listdir(tmp_path) == [out.name]
    assert f"kept in {out}" in err


def test_resume_refuses_a_table_of_other_files_or_columns(album, tmp_path):
    out = tmp_path / "moods.csv"
    assert run(album / "0.flac", "--out", out)[0] == 0
    before = out.read_text()
    code, _, err = run(album / "1.flac", "--out", out, "--resume")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "rows of files that are not named, such as" in err
    code, _, err = run(album / "0.flac", "--out", out, "--resume", "--steps")
    assert (code, len(err.splitlines())) == (4, 1)
    assert "has not the columns of this table" in err
    assert run(album, "--resume")[0] == 2
    assert out.read_text() == before
    assert os.listdir(tmp_path) == [out.name]


def test_parts_of_dead_processes_are_removed_and_a_live_ones_is_not(album, long_album, tmp_path):
    out = tmp_path / "moods.csv"
    killed, dead = label_until_a_row(long_album, out)
    killed.kill()
    killed.communicate(timeout=60)
    assert dead.exists()
    other, live = label_until_a_row(long_album, out)
    try:
        assert run(album / "0.flac", "--out", out)[0] == 0
        assert not dead.exists()
        assert live.exists()
    finally:
        other.kill()
        other.communicate(timeout=60)
