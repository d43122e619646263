"""`streammer devices`, and the microphone of other commands, without hardware."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from streammer.audio.block import Block
from streammer.clock import FakeClock
from streammer.sources.open import open_source


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


@pytest.fixture
def without_portaudio(tmp_path):
    """A folder whose sounddevice module finds no PortAudio."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    return tmp_path


WITH = """
from streammer.sources.device import process
from streammer.sources.device.inputs import InputDevice
process.list_inputs = lambda: process.Listing((
    InputDevice(3, "Built-in", "ALSA", 2, 48000, True, False),
    InputDevice(5, "Monitor of it", "PulseAudio", 2, 44100, False, True, "it.monitor"),
), "V19")
"""


def test_devices_are_listed_as_json_lines_when_nobody_watches():
    done = run_cli(WITH, "devices")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows[0] == {
        "index": 3,
        "name": "Built-in",
        "api": "ALSA",
        "channels": 2,
        "sr": 48000,
        "default": True,
        "loopback": False,
    }
    assert (rows[1]["name"], rows[1]["loopback"]) == ("Monitor of it", True)
    assert (done.returncode, done.stderr) == (0, "")


def test_devices_are_listed_as_a_table_in_a_terminal():
    done = run_cli(WITH + "sys.stdout.isatty = lambda: True", "devices")
    assert "Built-in" in done.stdout
    assert "mic (default)" in done.stdout
    assert "loop-back" in done.stdout
    assert "48000 Hz" in done.stdout


def test_devices_without_portaudio_is_one_line_and_exit_code_4(without_portaudio):
    done = run_cli("", "devices", path=without_portaudio)
    assert (done.returncode, done.stdout) == (4, "")
    assert len(done.stderr.splitlines()) == 1
    assert "libportaudio2" in done.stderr


def test_listening_to_the_microphone_without_portaudio_is_exit_code_4(without_portaudio):
    done = run_cli("", "listen", "mic", "--no-publish", path=without_portaudio)
    assert (done.returncode, done.stdout) == (4, "")
    assert "libportaudio2" in done.stderr


def test_without_portaudio_all_else_works():
    array = open_source(np.zeros(10), sr=1000, clock=FakeClock())
    array.open()
    assert isinstance(array.read(0.0), Block)
