"""`streammer doctor`: what works, what does not, and how to mend it."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from streammer.cli.doctor import PACKAGES, examine
from streammer.errors import InputError
from streammer.sources import trial
from streammer.sources.trial import FORMATS, decode_own


def run_cli(code_before, *args, path=""):
    """Run a command in a fresh process after some lines of Python."""
    code = (
        f"import sys\n{code_before}\nfrom streammer.cli import main\nsys.exit(main({list(args)}))"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_doctor_finds_what_works_and_says_how_to_mend_what_does_not(tmp_path):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    done = run_cli("", "doctor", "--json", path=tmp_path)
    rows = {row["what"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0
    assert {"streammer", "packages", "default model", "models", "kernels", "audio files", "URLs",
            "Parquet tables", "browser page", "lights and screens", "microphone", "GPU", "bus",
            "shell completion"} == set(rows)  # fmt: skip
    assert rows["default model"]["state"] == "works"
    assert rows["audio files"]["state"] == "works"
    assert rows["microphone"]["state"] == "absent"
    assert "libportaudio2" in rows["microphone"]["mend"]


def test_the_doctor_looks_for_every_package_that_is_needed_here():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    needed = {
        re.match(r"[\w-]+", line).group()
        for line in project["project"]["dependencies"]
        if "; " not in line or f"sys_platform == '{sys.platform}'" in line
    }
    assert set(PACKAGES) == needed


def test_the_doctor_sees_a_port_that_is_taken():
    taken = (
        "import contextlib\n"
        "from streammer.bus import Publisher\n"
        "with contextlib.suppress(OSError):\n"  # somebody else has it already
        "    bus = Publisher('tcp://127.0.0.1:5580')\n"
    )
    done = run_cli(taken, "doctor")
    assert done.returncode == 0
    line = next(line for line in done.stdout.splitlines() if "bus: " in line)
    assert line.startswith("--")


def test_the_doctor_fails_only_when_nothing_can_work():
    nothing = (
        "import streammer.inference.loading\n"
        "from streammer.errors import ModelError\n"
        "def refuse(*_args, **_options):\n"
        "    raise ModelError('default is gone')\n"
        "streammer.inference.loading.load_models = refuse\n"
    )
    done = run_cli(nothing, "doctor")
    assert done.returncode == 5
    assert "!!  default model: default is gone" in done.stdout
    assert "bus" in done.stdout


def test_the_doctor_decodes_a_small_mp3_ogg_and_flac_of_its_own():
    deaf = (
        "import soundfile\n"
        "import streammer.sources.av_decode\n"
        "import streammer.sources.trial\n"
        "def refuse(*_args, **_options):\n"
        "    raise TypeError('unexpected keyword')\n"
        "streammer.sources.trial.open_container = refuse\n"
    )
    done = run_cli(deaf, "doctor", "--json")
    (row,) = [r for r in map(json.loads, done.stdout.splitlines()) if r["what"] == "audio files"]
    assert row["state"] == "absent"
    for suffix in ("mp3", "ogg", "flac"):
        assert f"{suffix} unexpected keyword" in row["detail"]
    assert "pip install" in row["mend"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_decoded_to_another_sound_is_noticed(suffix, monkeypatch):
    decode_own(suffix)
    monkeypatch.setattr(trial, "TONE_HZ", 440.0)
    encoded = trial._encoded(suffix)
    monkeypatch.undo()
    monkeypatch.setattr(trial, "_encoded", lambda _: encoded)
    with pytest.raises(InputError, match="decoded to another sound"):
        decode_own(suffix)


def test_the_doctor_names_what_parquet_needs(tmp_path):
    (tmp_path / "pyarrow.py").write_text("raise ImportError('no pyarrow')\n")
    done = run_cli("", "doctor", "--json", path=tmp_path)
    (row,) = [r for r in map(json.loads, done.stdout.splitlines()) if r["what"] == "Parquet tables"]
    assert row["state"] == "absent"
    assert "streammer[table]" in row["mend"]


def test_the_doctor_names_what_the_bridges_need(monkeypatch):
    def row():
        return next(f for f in examine() if f.what == "lights and screens")

    assert row().state == "works"
    found = lambda module: None if module == "paho" else module  # noqa: E731
    monkeypatch.setattr("streammer.cli.doctor.find_spec", found)
    assert (row().state, row().detail) == ("absent", "no library for MQTT")
    assert "streammer[bridges]" in row().mend


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_doctor_names_the_completion_of_the_shell(shell, tmp_path, monkeypatch):
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    (absent,) = [f for f in examine() if f.what == "shell completion"]
    assert absent.state == "absent"
    assert absent.mend.startswith(f"streammer completion {shell} > ")
    file = Path(absent.mend.partition(" > ")[2])
    file.parent.mkdir(parents=True)
    file.touch()
    (works,) = [f for f in examine() if f.what == "shell completion"]
    assert works.state == "works"


def test_the_doctor_says_how_to_get_the_page(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    (found,) = (f for f in examine() if f.what == "browser page")
    assert found.state == "absent"
    assert found.mend == "pip install 'streammer[dash]'"
