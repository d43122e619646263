"""`streammer demo`: the bundled track at live pace, as a new user sees it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples"


@pytest.fixture
def taken_port():
    """Make sure that somebody else has the usual port."""
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", 5580))
            sock.listen()
        except OSError:
            pass  # somebody else has it already
        yield


@pytest.fixture
def short_demo(tmp_path):
    """Copy the demo, with 7 s each of its calm and its tense movement for the track."""
    plan = {part["name"]: part for part in json.loads((DEMO / "demo.json").read_text())}
    y, sr = soundfile.read(DEMO / "demo.ogg")
    cuts, parts = [], []
    for k, name in enumerate(("calm", "tense")):
        start = int((plan[name]["start_s"] + 2.0) * sr)
        cuts.append(y[start : start + 7 * sr])
        parts.append(plan[name] | {"start_s": 7.0 * k, "end_s": 7.0 * (k + 1)})
    soundfile.write(tmp_path / "demo.ogg", np.concatenate(cuts), sr)
    (tmp_path / "demo.json").write_text(json.dumps(parts))
    return tmp_path


def command(folder, *args):
    """Return how the demo is run with the track of a folder."""
    code = (
        "import sys; from pathlib import Path; from streammer.cli import demo, main; "
        "demo.track_folder = lambda: Path(sys.argv[1]); sys.exit(main(['demo', *sys.argv[2:]]))"
    )
    return [sys.executable, "-c", code, str(folder), *map(str, args)]


def run_demo(folder, seconds):
    """Run the demo without a terminal; return its lines after a look at pace, ticks and summary."""
    began = time.monotonic()
    done = subprocess.run(
        command(folder, "--no-page"), cwd=ROOT, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert seconds < took < seconds + 20.0  # the track's own pace, and the start
    ticks = re.findall(r"^ *(\d+\.\d) s  valence .* arousal .*", done.stdout, re.MULTILINE)
    assert [float(t) for t in ticks] == [float(t) for t in range(1, seconds + 1)]
    assert re.search(r"watch --connect tcp://127\.0\.0\.1:(?!5580)\d+", done.stdout)
    found = re.findall(r"^(calm|sad|tense|bright) .* ([+-]\d\.\d\d)$", done.stdout, re.MULTILINE)
    return {name: float(arousal) for name, arousal in found}, done.stderr


@pytest.mark.usefixtures("taken_port")
def test_the_demo_runs_without_a_terminal_and_beside_another_publisher(short_demo):
    arousal, err = run_demo(short_demo, 14)
    assert "14.0 s of sound, 28 estimates" in err
    assert arousal["tense"] > arousal["calm"]


@pytest.mark.nightly
@pytest.mark.usefixtures("taken_port")
def test_the_whole_minute_of_the_demo_runs():
    arousal, err = run_demo(DEMO, 60)
    assert "60.5 s of sound, 121 estimates" in err
    assert min(arousal["tense"], arousal["bright"]) > arousal["calm"]


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_in_a_terminal_the_live_view_moves_and_ctrl_c_ends_with_a_summary():
    import pty

    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(
        [sys.executable, "-m", "streammer", "demo", "--no-open"],
        cwd=ROOT,
        env=env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        seen, deadline = b"", time.monotonic() + 30.0
        while seen.count(b"valence") < 5 and time.monotonic() < deadline:
            seen += os.read(ours, 65536)
        os.killpg(process.pid, signal.SIGINT)
        while True:
            try:
                seen += os.read(ours, 65536)
            except OSError:  # the last process has closed the terminal
                break
        process.wait(30)
    os.close(ours)
    assert b"arousal" in seen
    assert b"s of sound" in seen
    assert b"Traceback" not in seen
    assert process.returncode in (0, 130)


def test_the_page_of_the_demo_has_the_mood_and_the_sound(short_demo):
    pytest.importorskip("starlette", reason="the extra dash is not installed")
    from websockets.sync.client import connect

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = subprocess.Popen(
            command(short_demo, "--port", port), cwd=ROOT, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process:
            host = ""
            for line in process.stdout:
                if found := re.search(r"http://(\S+)/", line):
                    host = found.group(1)
                    break
            assert host
            assert not host.endswith(f":{port}")  # another one was found
            with connect(f"ws://{host}/live", compression=None) as page:
                hello = json.loads(page.recv(30))
                assert hello["plays"]
                moods = []
                while len(moods) < 4:
                    message = json.loads(page.recv(30))
                    moods += [message["mood"]] if message["type"] == "mood" else []
                assert moods[-1]["t_audio_s"] > moods[0]["t_audio_s"]
            with urllib.request.urlopen(f"http://{host}/sound", timeout=20) as sound:
                assert sound.read() == (short_demo / "demo.ogg").read_bytes()
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err


def test_without_the_extra_the_demo_says_so_and_goes_on_in_the_terminal(short_demo):
    start = command(short_demo)
    start[2] = "import sys; sys.modules['uvicorn'] = None; " + start[2]
    done = subprocess.run(start, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "pip install 'streammer[dash]'" in done.stderr
    assert "http://" not in done.stdout
    assert "composed as" in done.stdout


def test_the_track_lies_in_the_package_or_in_the_checkout():
    from streammer.cli.demo import track_folder

    assert (track_folder() / "demo.ogg").read_bytes()[:4] == b"OggS"
    assert json.loads((track_folder() / "demo.json").read_text())
