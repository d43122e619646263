"""The command line in an awkward place: odd names, few descriptors, a dumb terminal, services."""

import contextlib
import errno
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest
from bus_parts import estimate

from streammer.cli import main
from streammer.cli.commands import COMMANDS
from streammer.clock import FakeClock
from streammer.errors import NetworkError
from streammer.outputs.jsonl import LogFile
from streammer.system.limits import limit_behind
from streammer.system.retry import SAY_EVERY_S, tried_again

resource = pytest.importorskip("resource", reason="limits are set the Unix way")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("http://[::1", 2),
        ("file://[x", 2),
        (f"http://{70 * 'a'}.example/x.mp3", 2),
        ("http://.x.com/", 2),
        (300 * "b", 3),
    ],
)
def test_a_malformed_name_of_a_source_is_one_line(streammer_cli, source, code):
    ran = streammer_cli("listen", source, "--no-publish")
    assert (ran.code, len(ran.lines), ran.out) == (code, 1, ""), ran.err
    assert "bug" not in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("label", 300 * "b"),
        ("label", "SONG", "--jobs", 1, "--out", 300 * "b" + ".csv"),
        ("listen", "SONG", "--pace", "fast", "--no-publish", "--model", 300 * "b"),
        ("models", "--check", 300 * "b"),
    ],
)
def test_a_name_that_is_too_long_for_the_system_is_one_line(streammer_cli, song_wav, words):
    ran = streammer_cli(*(song_wav if word == "SONG" else word for word in words))
    assert ran.code in (2, 3, 4, 5), ran.err
    assert "too long" in ran.err
    assert "bug" not in ran.err


def test_names_that_the_terminal_cannot_show_are_escaped_and_every_file_is_done(
    streammer_cli, song_wav, tmp_path
):
    for name in ("音楽.wav", "plain.wav"):
        shutil.copy(song_wav, tmp_path / name)
    (tmp_path / "空.wav").write_bytes(b"")
    ran = streammer_cli("label", tmp_path, "--jobs", 1, env={"PYTHONIOENCODING": "cp1252"})
    assert ran.code == 6, ran.err
    assert len(ran.out.splitlines()) == 2
    assert "音楽.wav" in ran.out  # rows are data: UTF-8 whatever the terminal takes
    assert r"\u7a7a.wav" in ran.err


@pytest.mark.parametrize(
    ("error", "limit"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "ulimit -u"),
        (MemoryError(), "memory"),
    ],
)
def test_a_limit_of_the_system_is_named_whatever_library_met_it(error, limit):
    wrapped = ValueError("from a library")
    wrapped.__cause__ = error
    for seen in (error, wrapped):
        found = limit_behind(seen)
        assert found is not None
        assert found.exit_code == 4
        assert limit in str(found)
    assert limit_behind(ValueError("no limit")) is None


def test_few_descriptors_are_said_to_be_few(song_wav, free_port):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "streammer", "listen", str(song_wav), "--pace", "fast"),
            *("--bind", f"tcp://127.0.0.1:{free_port}"),
        ],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12)),
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert b"descriptor limit" in done.stderr
    assert b"not known" not in done.stderr


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_NPROC"), reason="no limit of processes")
def test_a_thread_that_cannot_start_is_no_bug(monkeypatch, capsys, song_wav):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        code = main(["listen", str(song_wav), "--pace", "fast", "--no-publish"])
    assert code == 4
    assert "ulimit -u" in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--rate", 0), ("--format", "f64le"), ("--channels", 2)])
def test_an_option_of_raw_sound_is_refused_with_a_file(streammer_cli, song_wav, option):
    ran = streammer_cli("listen", song_wav, *option, "--no-publish")
    assert (ran.code, len(ran.lines)) == (2, 1), ran.err
    assert str(option[1]) in ran.err


@pytest.mark.parametrize("option", [("--rate", 0), ("--channels", 33), ("--format", "f64le")])
def test_a_value_that_raw_sound_cannot_have_is_refused(streammer_cli, option):
    ran = streammer_cli("listen", "-", *option, "--no-publish", stdin=b"\0" * 4096)
    assert (ran.code, len(ran.lines)) == (2, 1), ran.err


def test_main_with_no_arguments_does_not_read_those_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["host", "nosuch-command"])
    assert main([]) == 0
    assert "Commands" in capsys.readouterr().out


def test_help_describes_every_command(streammer_cli):
    text = " ".join(streammer_cli("--help").out.replace("│", " ").split())
    for name, (line, _) in COMMANDS.items():
        assert f"{name} {line}" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_takes_its_completion(streammer_cli, tmp_path, shell):
    ran = streammer_cli("completion", shell)
    assert ran.code == 0, ran.err
    assert all(name in ran.out for name in COMMANDS)
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / f"streammer.{shell}"
    script.write_text(ran.out)
    done = subprocess.run([shell, "-n", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_and_options(streammer_cli, tmp_path):
    script = tmp_path / "streammer.bash"
    script.write_text(streammer_cli("completion", "bash").out)
    complete = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
function=$(complete -p streammer | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function streammer "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
    for words, wanted in ((("lis",), "listen"), (("listen", "--sil"), "--silence")):
        done = subprocess.run(
            ["bash", "-c", complete, "bash", script, "streammer", *words],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert wanted in done.stdout.split(), (done.stdout, done.stderr)


def test_quiet_says_nothing_but_errors(streammer_cli, song_wav, tmp_path):
    args = ("listen", song_wav, "--pace", "fast", "--no-publish")
    assert streammer_cli(*args).err
    ran = streammer_cli(*args, "--quiet")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out
    table = tmp_path / "moods.csv"
    assert streammer_cli("label", song_wav, "--out", table, "--jobs", 1, "--quiet").err == ""
    assert (
        "missing.wav"
        in streammer_cli("listen", tmp_path / "missing.wav", "--no-publish", "--quiet").err
    )


def test_what_is_waited_for_is_said_once_a_minute():
    clock, said, tries = FakeClock(), [], []

    def attempt():
        tries.append(clock.monotonic())
        if clock.monotonic() - tries[0] < 2.5 * SAY_EVERY_S:
            raise NetworkError("port 5580 is taken")
        return "open"

    def rest(until):
        clock.advance(max(0.0, until - clock.monotonic()))
        return False

    found = tried_again(attempt, NetworkError, clock=clock, rest=rest, say=said.append)
    assert found == "open"
    assert said == ["port 5580 is taken; waiting for it"] * 3
    assert len(tries) > 30


def test_waiting_ends_with_the_run_and_other_errors_are_raised():
    def absent():
        raise NetworkError("away")

    with pytest.raises(NetworkError):
        tried_again(
            absent, NetworkError, clock=FakeClock(), rest=lambda until: True, say=lambda line: None
        )

    def broken():
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        tried_again(
            broken, NetworkError, clock=FakeClock(), rest=lambda until: False, say=lambda line: None
        )


def test_wait_takes_a_port_as_soon_as_it_is_free(song_wav, free_port):
    with socket.create_server(("127.0.0.1", free_port)) as taken:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "streammer", "listen", str(song_wav), "--wait"),
                *("--pace", "fast", "--bind", f"tcp://127.0.0.1:{free_port}"),
            ],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process:
            assert "waiting for it" in process.stderr.readline()
            taken.close()
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.count("\n") == 12


def test_wait_waits_for_a_server_and_a_signal_ends_it(free_port):
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "streammer", "listen", "--wait", "--no-publish"),
            f"http://127.0.0.1:{free_port}/radio.mp3",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert "waiting for it" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_log_that_is_moved_away_is_opened_anew_under_its_name(tmp_path):
    first, *others = (estimate(seq) for seq in range(3))
    path, errors = tmp_path / "moods.jsonl", []
    log = LogFile(path, errors.append, errors.append)
    assert log.ready()
    assert log.write(first) == 0
    path.rename(tmp_path / "moods.jsonl.1")
    assert log.ready()
    for other in others:
        assert log.write(other) == 0
    log.close()
    assert errors == []
    assert [len((tmp_path / n).read_text().splitlines()) for n in (path.name, "moods.jsonl.1")] == [
        2,
        1,
    ]


@pytest.fixture
def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
