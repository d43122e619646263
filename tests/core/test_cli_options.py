"""Every option of the commands does what its help says, and every help has examples."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.core.tiny_model import build_tiny
from tests.sounds import SR, make_song

COMMANDS = ("listen", "run", "watch", "label", "devices", "models", "doctor", "completion")


@pytest.fixture(scope="module")
def left_only(tmp_path_factory):
    """Two channels, the right one silent."""
    path = tmp_path_factory.mktemp("options") / "left.wav"
    song = make_song(4.0)
    song[:, 1] = 0.0
    soundfile.write(path, song, SR, subtype="FLOAT")
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    return {
        name: build_tiny(folder / f"{name}.onnx", outputs=outputs, name=name)
        for name, outputs in (("both", ("valence", "arousal")), ("arousal", ("arousal",)))
    }


@pytest.fixture
def heard(streammer_cli, left_only, tiny):
    """Listen with a tiny model and these options; return the estimates and stderr."""

    def listen(*args, models=("both",)):
        named = [part for name in models for part in ("--model", tiny[name])]
        ran = streammer_cli("listen", left_only, "--pace", "fast", *named, *args)
        assert ran.code == 0, ran.err
        return [json.loads(line) for line in ran.out.splitlines()], ran.err

    return listen


def test_options_of_listen_change_what_is_said(heard, tmp_path):
    plain, err = heard()
    assert len(plain) == 8
    assert "publishing" not in err  # at fast pace only with an explicit --bind
    assert {e["model"] for e in plain} == {"both"}
    assert plain[-1]["state"] != "silent"
    log = tmp_path / "log.jsonl"
    smooth, err = heard(
        *("--smoothing", 20, "--name", "hall", "--select", 1, "--bind", "tcp://127.0.0.1:*"),
        *("--jsonl", log),
    )
    assert "publishing hall on tcp://127.0.0.1:" in err
    assert {e["stream"] for e in smooth} == {"hall"}
    assert smooth[-1]["level_dbfs"] == pytest.approx(plain[-1]["level_dbfs"] + 6.02, abs=0.01)
    spread = [np.ptp([e["valence"] for e in es]) for es in (plain, smooth)]
    assert spread[1] < 0.5 * spread[0]
    assert [json.loads(line) for line in log.read_text().splitlines()] == smooth
    right, _ = heard("--select", 2)
    assert {e["state"] for e in right} == {"silent"}
    loud, _ = heard("--silence", 0, models=("arousal", "both"))
    assert {e["state"] for e in loud} == {"silent"}
    assert {e["model"] for e in loud} == {"arousal+both"}


def test_options_of_label_change_its_rows(streammer_cli, left_only, tiny):
    def row(*args):
        ran = streammer_cli("label", left_only, "--jobs", 1, "--model", tiny["both"], *args)
        assert ran.code == 0, ran.err
        return [json.loads(line) for line in ran.out.splitlines()]

    (plain,) = row()
    (smooth,) = row("--smoothing", 20, "--select", 1)
    assert plain["n_steps"] == smooth["n_steps"] == 8
    assert plain["valence"] != smooth["valence"]
    (silent,) = row("--silence", 0)
    assert silent["valence"] == 0.0
    assert [step["seq"] for step in row("--steps")] == list(range(8))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(streammer_cli, command):
    ran = streammer_cli(command, "--help")
    assert ran.code == 0
    assert ran.err == ""
    _, _, examples = ran.out.partition("Example")
    assert f"streammer {command}" in examples


@pytest.mark.parametrize("debug", [False, True])
def test_a_bug_says_how_to_report_it_and_debug_shows_where(debug):
    program = """
import sys
import streammer.sources.open
def fall(*args, **kwargs):
    raise ZeroDivisionError("by zero")
streammer.sources.open.open_feed = fall
from streammer.cli import main
sys.exit(main(sys.argv[1:]))
"""
    args = ["listen", "x.wav", *(["--debug"] if debug else [])]
    done = subprocess.run(
        [sys.executable, "-c", program, *args], capture_output=True, timeout=60, check=False
    )
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 70
    assert "ZeroDivisionError: by zero" in lines[-1]
    assert "report it" in lines[-1]
    assert (lines[0] == "Traceback (most recent call last):") == debug
    assert (len(lines) == 1) != debug


def test_debug_shows_where_an_error_comes_from(streammer_cli):
    ran = streammer_cli("listen", "nosuch.wav", "--no-publish", "--debug")
    assert ran.code == 3
    assert "Traceback" in ran.err
    assert ran.lines[-1].startswith("streammer: nosuch.wav")


def bound(monkeypatch, *tokens, **environment):
    from streammer.cli.commands import build_app

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    _, arguments, _ = build_app().parse_args(list(tokens), exit_on_error=False, print_error=False)
    return arguments.arguments


def test_the_environment_sets_options_and_the_command_line_is_stronger(monkeypatch):
    environment = {"STREAMMER_SILENCE": "-42", "STREAMMER_BIND": "tcp://127.0.0.1:1"}
    for command in (("listen", "mic"), ("label", "music")):
        assert bound(monkeypatch, *command, **environment)["silence"] == -42.0
    given = bound(monkeypatch, "listen", "mic", "--silence", "-50", "--model", "small")
    assert (given["silence"], given["bind"], given["model"]) == (
        -50.0, "tcp://127.0.0.1:1", ["small"],
    )  # fmt: skip
    run = bound(
        monkeypatch, "run", "venue.toml", STREAMMER_INSECURE="true", STREAMMER_MODEL="small"
    )
    assert (run["bind"], run["insecure"], run["model"]) == ("tcp://127.0.0.1:1", True, ["small"])
    assert bound(monkeypatch, "run", "v.toml", "--bind", "ipc:///x")["bind"] == "ipc:///x"


@pytest.mark.parametrize("command", ["listen", "run", "label"])
def test_help_is_that_of_the_tables_of_a_run(command, streammer_cli):
    from streammer.config.run import ModelOptions, help_of

    said = " ".join(streammer_cli(command, "--help").out.replace("│", " ").split())
    assert help_of(ModelOptions, "name") in said
    assert "STREAMMER_SMOOTHING" in said


def test_no_publish_is_stronger_than_an_endpoint_of_the_environment(streammer_cli, left_only):
    there = {"STREAMMER_BIND": "tcp://127.0.0.1:1"}
    arguments = ("listen", left_only, "--pace", "fast", "--no-publish")
    assert streammer_cli(*arguments, env=there).code == 0
    ran = streammer_cli(*arguments, "--bind", "tcp://127.0.0.1:2", env=there)
    assert ran.code == 2
    assert "contradict" in ran.err
