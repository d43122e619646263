"""A real way from a player to the device source: PulseAudio without a sound card."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streammer import Subscriber
from tests.live.sound_server import SoundServer, missing
from tests.processes import read_rest
from tests.sounds import SR

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "it is here")

FADE = 2000
SLACK_S = 3.0
"""This much more than what is promised may things take on a machine that is busy."""

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pulse(tmp_path_factory):
    server = SoundServer(tmp_path_factory.mktemp("pulse"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """Noise bursts over chords: every moment of it is unlike every other."""
    rng = np.random.default_rng(5)
    t = np.arange(6 * SR) / SR
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 277.2, 329.6)) / 3
    y = 0.2 * chord + 0.1 * rng.standard_normal(t.size) * (0.3 + 0.7 * np.exp(-6 * (t % 0.5)))
    y = np.stack([y, 0.5 * y], axis=1).astype(np.float32)
    path = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(path, y, SR, subtype="FLOAT")
    return path, y


class Capture:
    """`capture_device` in a process of its own, line by line."""

    def __init__(self, pulse, source, seconds, out):
        self._out = out
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.live.capture_device", source, str(seconds), str(out)],
            cwd=ROOT, env=pulse.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def expect(self, word):
        line = self._process.stdout.readline()
        assert line.startswith(word), line + (self._process.stderr.read() if not line else "")
        return line.split()[1:]

    def finish(self):
        out, err = read_rest(self._process)
        assert self._process.returncode == 0, err
        got = np.load(self._out)
        return got["samples"], got["rows"], out.splitlines(), err.splitlines()


def delay_of(heard, y):
    """Return where in `heard` the signal `y` begins, and how alike the two are there."""
    n = len(heard) + len(y)
    product = np.fft.irfft(np.fft.rfft(heard, n) * np.conj(np.fft.rfft(y, n)), n)
    at = int(np.argmax(product[: len(heard)]))
    part = heard[at : at + len(y)]
    same = y[: len(part)]
    return at, float(part @ same / np.sqrt((part @ part) * (same @ same)))


def timeline(samples, rows):
    """Put the blocks where their positions say, with zeros where samples were lost."""
    end = int(rows[-1, 0] + rows[-1, 2])
    whole = np.zeros((end, samples.shape[1]), np.float32)
    at = 0
    for position, _, n, *_ in rows:
        whole[int(position) : int(position + n)] = samples[at : at + int(n)]
        at += int(n)
    return whole


def test_what_is_played_is_captured_sample_for_sample(pulse, song, tmp_path):
    path, y = song
    capture = Capture(pulse, "mic", 9.0, tmp_path / "heard.npz")
    sr, channels, _ = capture.expect("captures")
    assert (sr, channels) == (str(SR), "2")
    time.sleep(0.5)
    assert pulse.play(path).wait(timeout=20) == 0
    samples, rows, out, err = capture.finish()
    assert out == err == []  # what ALSA prints is not for the user
    assert rows[:, 1].sum() == 0
    at, alike = delay_of(samples[:, 0], y[:, 0])
    assert alike > 0.998
    part = samples[at : at + len(y)]
    assert len(part) == len(y)
    # The null sink is 16 bit, and fades the first moment in.
    assert np.abs(part - y)[FADE:].max() < 2**-14
    # A block is stamped with the moment of its last sample: before it arrived, by little, evenly.
    steady = rows[len(rows) // 2 :]
    age = steady[:, 4] - steady[:, 3]
    assert (age > -0.02).all()
    assert np.median(age) < 0.3
    drift = np.polyfit(steady[:, 0] + steady[:, 2], steady[:, 3], 1)[0] * SR
    assert drift == pytest.approx(1.0, abs=0.02)


def test_a_device_that_vanishes_and_returns_is_found_again_and_its_time_is_counted(
    pulse, song, tmp_path
):
    path, y = song
    capture = Capture(pulse, "mic", 19.0, tmp_path / "heard.npz")
    capture.expect("captures")
    time.sleep(0.5)
    player = pulse.play(path)
    time.sleep(3.0)
    pulse.unload_sink()
    vanished = time.time()
    player.kill()
    player.wait()
    capture.expect("gone")
    assert time.time() - vanished < 1.5
    time.sleep(2.0)
    pulse.load_sink()
    returned = time.time()
    (lost,) = capture.expect("back")
    assert time.time() - returned < 3.0 + SLACK_S
    player = pulse.play(path)
    player.wait(timeout=20)
    samples, rows, out, err = capture.finish()
    assert out == []
    assert len(err) == 2
    assert "trying again" in err[0]
    assert "is back after" in err[1]
    assert rows[:, 1].sum() == int(lost)
    away_s = int(lost) / SR
    assert returned - vanished < away_s < returned - vanished + 3.0 + SLACK_S
    # Time and samples agree over the hole: a second of capture time is a second of positions.
    first, last = rows[len(rows) // 8], rows[-1]
    by_clock = last[3] - first[3]
    by_count = (last[0] + last[2] - first[0] - first[2]) / SR
    assert by_count == pytest.approx(by_clock, abs=0.15)
    whole = timeline(samples, rows)
    hole = int(rows[rows[:, 1] > 0][0][0])
    _, alike = delay_of(whole[hole:, 0], y[:, 0])
    assert alike > 0.998


def moods_of(path, *args):
    """What `listen FILE --pace fast` says."""
    done = subprocess.run(
        [sys.executable, "-m", "streammer", "listen", str(path), "--pace", "fast", *args],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def collect(subscriber, heard, stop):
    while not stop.is_set():
        mood = subscriber.read(0.2)
        if mood is not None:
            heard.append(mood)


def wait_until(ready, timeout_s):
    until = time.monotonic() + timeout_s
    while not ready():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def two_moods(tmp_path_factory):
    """Eight seconds of soft chords, then eight of a fast loud beat."""
    rng = np.random.default_rng(6)
    t = np.arange(8 * SR) / SR
    soft = 0.05 * sum(np.sin(2 * np.pi * f * t) for f in (110.0, 130.8, 164.8)) / 3
    beat = 0.5 * rng.standard_normal(t.size) * np.exp(-20 * (t % 0.2))
    loud = beat + 0.2 * np.sign(np.sin(2 * np.pi * 220 * t))
    y = np.clip(np.concatenate([soft, loud]), -0.98, 0.98).astype(np.float32)
    path = tmp_path_factory.mktemp("moods") / "moods.wav"
    soundfile.write(path, np.stack([y, y], axis=1), SR, subtype="PCM_16")
    return path


def test_a_subscriber_gets_of_the_microphone_what_the_file_gives_and_ticks_outlive_a_hole(
    pulse, two_moods
):
    expected = moods_of(two_moods)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    listening = subprocess.Popen(
        [sys.executable, "-m", "streammer", "listen", "mic", "--bind", endpoint],
        env=pulse.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    heard, stop = [], threading.Event()
    with Subscriber(endpoint) as subscriber:
        reader = threading.Thread(target=collect, args=(subscriber, heard, stop))
        reader.start()
        try:
            # In silence first: nothing was heard yet, so the model begins with the song.
            wait_until(lambda: heard and heard[-1].state == "silent", 30.0)
            started = time.time()
            assert pulse.play(two_moods).wait(timeout=40) == 0
            ended = time.time()
            assert 15.0 < ended - started < 18.0
            pulse.unload_sink()
            wait_until(lambda: heard[-1].state == "degraded", 5.0)
            time.sleep(3.0)
            pulse.load_sink()
            wait_until(lambda: heard[-1].state != "degraded", 20.0)
            time.sleep(1.5)
        finally:
            listening.send_signal(signal.SIGINT)
            _, err = listening.communicate(timeout=20)
            stop.set()
            reader.join()
    assert listening.returncode == 0, err

    # The mood of the room follows the mood of the file.
    begins = ended - 16.0  # the player returns when its last sample was played
    errors = []
    for mood in heard:
        step = (mood.t_capture - begins) / 0.5
        if mood.state == "live" and 4.0 < step < 32.0:
            for axis in ("valence", "arousal"):
                said = np.interp(step - 1.0, np.arange(32), [e[axis] for e in expected])
                errors.append(getattr(mood, axis) - said)
    assert len(errors) > 40
    spread = np.ptp([e["arousal"] for e in expected[4:]])
    assert spread > 0.2, "the song has two moods"
    assert np.abs(errors).mean() < 0.25 * spread

    # Over the hole ticks went on, in order, and what was lost is told.
    said = [m for m in heard if m.state != "ended"]
    assert [m.seq for m in said] == list(range(said[0].seq, said[0].seq + len(said)))
    held = [i for i, m in enumerate(said) if m.state == "degraded" and m.t_publish > ended]
    assert len(held) >= 5
    before, after = said[held[0] - 1], said[held[-1] + 1]
    assert np.diff([said[i].t_publish for i in held]).max() < 0.8
    away_s = after.t_capture - before.t_capture
    lost_s = (after.lost_samples - before.lost_samples) / SR
    # What was heard before the hole and after it, up to a step each, is not lost.
    assert -0.3 < away_s - lost_s < 1.3
    assert after.t_audio_s - before.t_audio_s == pytest.approx(away_s, abs=0.8)
    assert "re-opened" in err
