"""`streammer doctor`: what works, what does not, and how to mend it."""

import json
import os
import subprocess
import sys


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
    assert {"streammer", "packages", "default model", "kernels", "audio files", "URLs",
            "microphone", "GPU", "bus"} == set(rows)  # fmt: skip
    assert rows["default model"]["state"] == "works"
    assert rows["audio files"]["state"] == "works"
    assert rows["microphone"]["state"] == "absent"
    assert "libportaudio2" in rows["microphone"]["mend"]


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
