"""A DJ's set through a real Icecast, as docs/howto-dj.md says: stopped in the middle and back."""

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import soundfile
from icecast import Icecast, missing

from tests.processes import read_rest
from tests.sounds import SR, make_song

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def icecast(tmp_path_factory):
    server = Icecast(tmp_path_factory.mktemp("icecast"))
    yield server
    server.stop()


@pytest.fixture
def song_flac(tmp_path):
    path = tmp_path / "set.flac"
    soundfile.write(path, make_song(120.0), SR)
    return path


def test_a_set_that_is_stopped_and_restarted_goes_on_as_the_same_stream(icecast, song_flac):
    dj = icecast.play(song_flac)
    process = subprocess.Popen(
        [sys.executable, "-m", "streammer", "listen", icecast.url, "--name", "set", "--no-publish"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    watchdog = threading.Timer(120.0, process.kill)
    watchdog.start()
    moods, stopped, back = [], False, False
    for line in process.stdout:
        moods.append(json.loads(line))
        now = moods[-1]
        if not stopped and now["state"] == "live":
            dj.send_signal(signal.SIGINT)  # the DJ ends the broadcast
            dj.wait()
            stopped = True
        elif stopped and not back and now["state"] == "degraded":
            icecast.play(song_flac)
            back = True
        elif back and now["state"] == "live":
            break
    watchdog.cancel()
    process.send_signal(signal.SIGINT)
    _, err = read_rest(process)
    assert process.returncode == 0, err
    assert back, err
    assert moods[-1]["state"] == "live", err
    assert [m["seq"] for m in moods] == list(range(len(moods)))
    assert len({m["epoch"] for m in moods}) == 1
    assert {m["stream"] for m in moods} == {"set"}


def test_a_mount_that_does_not_exist_is_one_line_and_exit_code_4(icecast):
    absent = icecast.url.replace("set.mp3", "nobody.mp3")
    done = subprocess.run(
        [sys.executable, "-m", "streammer", "listen", absent, "--no-publish"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (4, "")
    assert len(done.stderr.splitlines()) == 1
    assert "404" in done.stderr


def test_the_broadcast_that_is_tried_is_the_one_on_the_page():
    page = (ROOT / "docs" / "howto-dj.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^ffmpeg -re -i set\.flac (.*) icecast://", page, re.MULTILINE)
    source = (Path(__file__).parent / "icecast.py").read_text()
    assert all(f'"{word}"' in source for word in shown.split())
