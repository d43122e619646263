"""`streammer listen URL` as a real process: a radio that goes off the air and comes back."""

import io
import json
import signal
import subprocess
import sys
import threading
import time

import pytest
import soundfile

from streammer.sources.url import OPEN_TIMEOUT_S
from tests.core.servers import SoundServer
from tests.sounds import SR, make_song

SLACK_S = 3.0
"""This much more than what is promised may it take on a machine that is busy."""

LISTEN = [sys.executable, "-m", "streammer", "listen"]


@pytest.fixture
def server():
    server = SoundServer()
    yield server
    server.stop()


def start(url):
    return subprocess.Popen(
        [*LISTEN, url, "--no-publish"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def mp3(seconds):
    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", SR, 2, format="MP3") as file:
        file.write(make_song(seconds))
    return out.getvalue()


def test_a_radio_that_goes_off_the_air_degrades_and_comes_back_in_the_same_stream(server):
    sound = mp3(3.0)
    url = server.serve("/live.mp3", sound, named=False)
    process = start(url)
    estimates = []
    try:
        for line in process.stdout:
            estimates.append(json.loads(line))
            states = [e["state"] for e in estimates]
            if "degraded" not in states and estimates[-1]["t_audio_s"] >= 2.0:
                server.served.pop("/live.mp3", None)  # now it is off the air
            if states.count("degraded") >= 6 and "/live.mp3" not in server.served:
                server.serve("/live.mp3", sound, named=False)
                back_on_air = time.monotonic()
            if "degraded" in states and estimates[-1]["state"] not in ("degraded", "ended"):
                break
        assert time.monotonic() - back_on_air < 5.0 + SLACK_S
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert [e["seq"] for e in estimates] == list(range(len(estimates)))
    assert len({e["epoch"] for e in estimates}) == 1
    held = [e for e in estimates if e["state"] == "degraded"]
    assert len({e["t_audio_s"] for e in held}) == 1  # time stands still without sound
    assert estimates[-1]["t_audio_s"] == held[0]["t_audio_s"] + 0.5
    assert estimates[-1]["lost_samples"] == 0
    assert "1 times re-opened" in err
    assert len([line for line in err.splitlines() if "trying again" in line]) == 1
    assert len([line for line in err.splitlines() if "is back after" in line]) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_is_not_held_up_by_a_server_that_does_not_answer(server, number):
    asked = threading.Event()

    def silence(request):
        asked.set()
        server.stopping.wait(30.0)

    server.served["/silent.mp3"] = silence
    process = start(server.url("/silent.mp3"))
    assert asked.wait(30.0)
    process.send_signal(number)
    began = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - began < OPEN_TIMEOUT_S / 2  # it does not wait for the server
    assert (process.returncode, out) == (0, ""), err
    assert "Traceback" not in err


def test_a_server_that_refuses_is_one_line_and_exit_code_4(server):
    process = start(server.url("/nothing.mp3"))
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (4, "")
    assert len(err.splitlines()) == 1
    assert "404" in err
