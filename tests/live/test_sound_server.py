"""A sound server that stops, stays mute, or restarts: real commands under a real PulseAudio."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.live.sound_server import SoundServer, missing
from tests.processes import read_rest

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "it is here")

STREAMMER = [sys.executable, "-m", "streammer"]
SLACK_S = 6.0
"""This much more than what is promised may a command take on a machine that is busy."""


@pytest.fixture
def pulse(tmp_path):
    server = SoundServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def mute(tmp_path):
    """A sound server that accepts connections and stays mute; its environment."""
    server = SoundServer(tmp_path, running=False)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(server.socket))
        listening.listen(64)
        yield server.env


def start(env, *args):
    return subprocess.Popen(
        [*STREAMMER, *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


class Listening:
    """`listen` as a process whose estimates, and lines on stderr, can be waited for."""

    def __init__(self, env, *args):
        self.process = start(env, "listen", *args, "--no-publish")
        self.states, self.said = [], []
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._read, args=(stream, into, parse))
            for stream, into, parse in (
                (self.process.stdout, self.states, lambda line: json.loads(line)["state"]),
                (self.process.stderr, self.said, str.strip),
            )
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, stream, into, parse):
        for line in stream:
            with self._changed:
                into.append(parse(line))
                self._changed.notify_all()

    def wait_for(self, ready, timeout_s=30.0):
        with self._changed:
            assert self._changed.wait_for(lambda: ready(self), timeout_s), (self.states, self.said)

    def end(self, number=signal.SIGTERM):
        """Send a signal; return how long the end took."""
        began = time.monotonic()
        self.process.send_signal(number)
        try:
            self.process.wait(timeout=60)
        finally:
            self.process.kill()
        took = time.monotonic() - began
        for thread in self._threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return took


def heard(listening):
    return bool(listening.states) and listening.states[-1] != "degraded"


def degraded(listening):
    return listening.states[-1:] == ["degraded"]


@pytest.mark.parametrize("command", [("devices",), ("listen", "mic", "--no-publish")])
def test_a_mute_sound_server_is_said_and_given_up_on(mute, command):
    process = start(mute, *command)
    out, err = read_rest(process)
    assert (process.returncode, out) == (4, "")
    waiting, given_up = err.splitlines()
    assert "the sound system has not answered for 3 s" in waiting
    assert "does not answer within 10 s" in given_up


def test_the_doctor_outlives_a_mute_sound_server(mute):
    process = start(mute, "doctor", "--json")
    out, err = read_rest(process)
    rows = {row["what"]: row for row in map(json.loads, out.splitlines())}
    assert process.returncode == 0
    assert rows["microphone"]["state"] == "absent"
    assert rows["bus"]
    assert "has not answered for 3 s" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", [("devices",), ("listen", "mic", "--no-publish")])
def test_a_signal_ends_the_wait_for_a_mute_sound_server(mute, command, number):
    process = start(mute, *command)
    assert "has not answered" in process.stderr.readline()
    began = time.monotonic()
    process.send_signal(number)
    _, err = read_rest(process)
    assert time.monotonic() - began < 2.0 + SLACK_S / 2
    assert "Traceback" not in err
    assert process.returncode in (0, 130)


def test_a_sound_server_that_is_stopped_under_a_stream_does_not_hold_up_its_end(pulse):
    listening = Listening(pulse.env, "mic")
    try:
        listening.wait_for(heard)
        pulse.signal(signal.SIGSTOP)
        listening.wait_for(degraded)
        n = len(listening.states)
        listening.wait_for(lambda heard: len(heard.states) >= n + 6)  # it goes on ticking
    finally:
        took = listening.end()
        pulse.signal(signal.SIGCONT)
    assert took < 2.0 + SLACK_S / 2
    assert listening.process.returncode == 0
    assert "samples lost" in listening.said[-1]


def test_a_sound_server_that_goes_on_is_heard_again(pulse):
    listening = Listening(pulse.env, "mic")
    try:
        listening.wait_for(heard)
        pulse.signal(signal.SIGSTOP)
        listening.wait_for(degraded)
        time.sleep(3.0)
        pulse.signal(signal.SIGCONT)
        listening.wait_for(heard)
    finally:
        pulse.signal(signal.SIGCONT)
        listening.end()
    assert listening.process.returncode == 0, listening.said


def test_a_sound_server_that_restarts_under_a_stream_is_heard_again_and_it_is_said_once(pulse):
    listening = Listening(pulse.env, "mic")
    try:
        listening.wait_for(heard)
        pulse.signal(signal.SIGKILL)
        listening.wait_for(degraded)
        time.sleep(4.0)  # several attempts to open find no server
        pulse.start()
        began = time.monotonic()
        listening.wait_for(heard)
        took = time.monotonic() - began
    finally:
        listening.end()
    assert took < 3.0 + SLACK_S
    assert listening.process.returncode == 0, listening.said
    assert len([line for line in listening.said if "is back after" in line]) == 1
    assert len([line for line in listening.said if "trying again" in line]) == 1


def test_a_source_that_flaps_is_followed(pulse):
    listening = Listening(pulse.env, "mic")
    try:
        listening.wait_for(heard)
        for _ in range(20):
            pulse.unload_sink()
            time.sleep(0.15)
            pulse.load_sink()
            time.sleep(0.15)
        time.sleep(3.0)
        n = len(listening.states)
        listening.wait_for(lambda seen: len(seen.states) > n + 2 and heard(seen))
    finally:
        listening.end()
    assert listening.process.returncode == 0, listening.said
    assert listening.states[-1] in ("silent", "warming")


def test_a_monitor_is_listed_as_loop_back_and_heard_by_its_name(pulse, two_seconds_of_noise):
    pulse.pactl("load-module", "module-null-sink", "sink_name=bar")
    process = start(pulse.env, "devices")
    out, err = read_rest(process)
    assert (process.returncode, err) == (0, "")
    names = {row["name"]: row for row in map(json.loads, out.splitlines())}
    (name,) = [name for name in names if "bar.monitor" in name]
    assert names[name]["loopback"]
    assert not names["default"]["loopback"]
    of_bar = Listening(pulse.env, f"device:{name}")
    of_stage = Listening(pulse.env, "mic")  # beside it, and not of the same sink
    try:
        of_bar.wait_for(heard)
        of_stage.wait_for(heard)
        n = len(of_stage.states)
        assert pulse.play(two_seconds_of_noise, "--device=bar").wait(timeout=30) == 0
        of_bar.wait_for(lambda seen: {"warming", "live"} & set(seen.states))
        of_stage.wait_for(lambda seen: len(seen.states) > n + 4)
    finally:
        of_bar.end()
        of_stage.end()
    assert set(of_stage.states) <= {"degraded", "silent"}


@pytest.fixture
def two_seconds_of_noise(tmp_path):
    import numpy as np
    import soundfile

    path = tmp_path / "noise.wav"
    noise = 0.1 * np.random.default_rng(0).standard_normal((4 * 44100, 2))
    soundfile.write(path, noise, 44100)
    return path
