"""Bad input: one clear line on stderr, the documented exit code, nothing half-written."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.sounds import SR


def refused(ran, code, *words):
    assert ran.code == code, (ran.code, ran.err)
    assert len(ran.lines) == 1, ran.err
    for word in words:
        assert word in ran.err, ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


@pytest.fixture
def broken(tmp_path):
    """Inputs that cannot be used, by name, with a word that their refusal must hold."""
    (tmp_path / "text.mp3").write_text("this is not music\n" * 50)
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "header.wav", np.zeros((0, 2), np.float32), SR)
    soundfile.write(tmp_path / "short.wav", np.zeros((SR // 4, 2), np.float32) + 0.1, SR)
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("missing.mp3", "missing.mp3"),
        ("text.mp3", "text.mp3"),
        ("empty.wav", "empty.wav"),
        ("header.wav", "no sound"),
        ("short.wav", "0.5 s"),
        ("folder", "folder"),
    ],
)
@pytest.mark.parametrize("command", ["listen", "label"])
def test_an_input_that_cannot_be_used_is_exit_3(streammer_cli, broken, name, word, command):
    args = ["--pace", "fast"] if command == "listen" else ["--jobs", 1]
    ran = streammer_cli(command, broken / name, *args)
    if command == "label" and name not in ("folder",):
        assert ran.code == 3
        assert word in ran.lines[0]
        assert ran.lines[1].startswith("streammer: none of 1 files could be used")
        assert len(ran.lines) == 2
    else:
        refused(ran, 3, word)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["listen", "x.mp3", "--nosuch"], ["--nosuch"]),
        (["listen", "x.mp3", "--pac", "live"], ["--pac", "--pace"]),
        (["lissen", "x.mp3"], ["lissen", "listen"]),
        (["listen"], ["SOURCE"]),
        (["listen", "x.mp3", "--silence", "loud"], ["--silence", "loud"]),
        (["listen", "x.mp3", "--silence", "-500"], ["-120 to 0"]),
        (["listen", "x.mp3", "--select", "0"], ["--select 3,4"]),
        (["listen", "x.mp3", "--name", "Main Stage"], ["Main Stage"]),
        (["listen", "x.mp3", "--smoothing", "-1"], ["0 to 60"]),
        (["listen", "x.mp3", "--bind", "tcp://127.0.0.1:5580", "--no-publish"], ["--no-publish"]),
        (["listen", "mic", "--pace", "fast"], ["mic", "fast"]),
        (["listen", "-", "--format", "mp3"], ["mp3", "f32le"]),
        (["listen", "-", "--rate", "0"], ["0"]),
        (["label", "x.mp3", "--out", "moods.xls"], [".xls", ".csv"]),
        (["label", "x.mp3", "--jobs", "0"], ["--jobs 0"]),
        (["watch", "--connect", "tcp://127.0.0.1:99999"], ["99999"]),
        (["watch", "--connect", "127.0.0.1:5580"], ["127.0.0.1:5580", "tcp://"]),
    ],
)
def test_wrong_usage_is_exit_2_with_what_was_expected(streammer_cli, args, words):
    refused(streammer_cli(*args), 2, *words)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:99999", "127.0.0.1:5580", "tcp://"])
def test_a_malformed_endpoint_is_exit_2(streammer_cli, song_wav, endpoint):
    refused(streammer_cli("listen", song_wav, "--bind", endpoint), 2, endpoint)


def test_a_bind_beyond_loopback_without_insecure_is_exit_4(streammer_cli, song_wav):
    ran = streammer_cli("listen", song_wav, "--bind", "tcp://0.0.0.0:5599")
    refused(ran, 4, "0.0.0.0", "--insecure")


def test_an_unknown_model_is_exit_5_and_lists_the_zoo(streammer_cli, song_wav):
    refused(streammer_cli("listen", song_wav, "--model", "nosuch"), 5, "nosuch", "default")


def test_an_unwritable_log_is_exit_4(streammer_cli, song_wav, tmp_path):
    ran = streammer_cli(
        "listen", song_wav, "--pace", "fast", "--jsonl", tmp_path / "no" / "x.jsonl"
    )
    refused(ran, 4, "x.jsonl", "cannot be written")


@pytest.mark.parametrize("option", ["--jsonl", "--bind"])
def test_a_dash_that_is_no_file_or_endpoint_is_called_by_its_name(
    streammer_cli, song_wav, tmp_path, option
):
    ran = streammer_cli("listen", song_wav, "--pace", "fast", option, "-", cwd=tmp_path)
    refused(ran, 2, "-")
    assert "stdin:" not in ran.err
    assert not list(tmp_path.glob("stdin*"))


def test_a_channel_that_does_not_exist_is_exit_2(streammer_cli, song_wav):
    ran = streammer_cli("listen", song_wav, "--pace", "fast", "--select", "3,4")
    refused(ran, 2, "channel 4", "has 2")


def test_a_full_disk_loses_the_log_and_nothing_else(streammer_cli, song_wav):
    ran = streammer_cli("listen", song_wav, "--pace", "fast", "--jsonl", "/dev/full")
    assert ran.code == 4
    assert len(ran.out.splitlines()) == 12
    assert sum("No space left" in line for line in ran.lines) == 1


def test_an_input_error_while_publishing_is_still_one_line(streammer_cli, broken):
    ran = streammer_cli("listen", broken / "text.mp3", "--bind", "tcp://127.0.0.1:*")
    refused(ran, 3, "text.mp3")


def test_a_file_may_be_called_like_a_device_or_a_home(streammer_cli, song_wav, tmp_path):
    names = ("mic", "~take.wav", "ünï cödé ♫.wav")
    for name in names:
        shutil.copy(song_wav, tmp_path / name)
    ran = streammer_cli("label", *names, "--jobs", 1, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert len(ran.out.splitlines()) == 3
    ran = streammer_cli("listen", "~take.wav", "--pace", "fast", cwd=tmp_path)
    assert ran.code == 0, ran.err


def test_label_does_not_take_a_pipe(streammer_cli):
    refused(streammer_cli("label", "-"), 2, "streammer listen -")


def test_a_rate_that_is_none_of_sound_is_one_line(streammer_cli, tmp_path):
    soundfile.write(tmp_path / "slow.wav", np.zeros((40, 1), np.float32), 1)
    refused(streammer_cli("listen", tmp_path / "slow.wav", "--pace", "fast"), 3, "1000")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the descriptors")
@pytest.mark.parametrize(
    ("command", "closed"),
    [
        ("listen {} --pace fast", ">&-"),
        ("listen {} --pace fast", "2>&-"),
        ("listen {} --pace fast", ">&- 2>&- <&-"),
        ("label {} --jobs 1", ">&-"),
        ("models", ">&-"),
        ("--help", ">&-"),
    ],
)
def test_closed_descriptors_are_like_dev_null(song_wav, command, closed):
    line = f"{sys.executable} -m streammer {command.format(song_wav)} {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert b"bug" not in done.stderr
    if closed == "2>&-":
        assert all(row.startswith(b"{") for row in done.stdout.splitlines())


@pytest.mark.skipif(sys.platform == "win32", reason="a shell sets the limit")
@pytest.mark.parametrize("command", ["listen {} --pace fast", "label {}", "models"])
def test_an_output_over_the_limit_of_a_file_is_one_line(song_wav, tmp_path, command):
    line = f"{sys.executable} -m streammer {command.format(song_wav)} 2>&3 >{tmp_path / 'out'}"
    limited = ["sh", "-c", f"exec 3>&2; ulimit -f 0; {line}"]
    done = subprocess.run(limited, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 4, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert b"cannot be written (File too large)" in done.stderr
