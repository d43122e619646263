"""The bus behind the real `streammer listen`."""

import json
import signal
import sys
import time

import pytest
import soundfile

from streammer.bus import Subscriber
from tests.sounds import SR, make_song


@pytest.fixture(scope="module")
def song_wav(tmp_path_factory):
    path = tmp_path_factory.mktemp("bus") / "song.wav"
    soundfile.write(path, make_song(30.0), SR, subtype="PCM_16")
    return path


@pytest.fixture
def listen(start):
    def run(*args):
        return start(sys.executable, "-m", "streammer", "listen", *args)

    return run


def test_subscribers_hear_what_listen_prints(listen, watch, song_wav, free_endpoint):
    watcher = watch("--connect", free_endpoint)  # early: the publisher is not there yet
    listener = listen(song_wav, "--bind", free_endpoint)
    printed = [json.loads(listener.line()) for _ in range(6)]
    with Subscriber(free_endpoint) as late:
        begin = time.monotonic()
        assert late.read(5.0) is not None
        assert time.monotonic() - begin < 0.5
        assert late.read(5.0) is not None
        assert late.status is not None
        assert late.status.source_kind == "file"
        assert listener.end() == 0
        while late.read(0.5) is not None:
            pass
        assert late.ended
    watcher.await_err("main has ended")
    assert watcher.end() == 0
    watched = [json.loads(line) for line in watcher.rest()]
    printed += [json.loads(line) for line in listener.rest()]
    assert len(watched) >= 5
    assert all(mood in printed for mood in watched)


def test_a_killed_listen_started_again_is_heard_again(listen, song_wav, free_endpoint):
    with Subscriber(free_endpoint) as moods:
        epochs = []
        for number in (signal.SIGKILL, signal.SIGTERM):
            listener = listen(song_wav, "--bind", free_endpoint)
            listener.line()
            mood = moods.read(10.0)
            assert mood is not None
            epochs.append(mood.epoch)
            listener.end(number)
            while moods.read(0.5) is not None:
                pass
        assert epochs[0] < epochs[1]
        assert moods.ended
        assert moods.malformed == 0


def test_a_second_listen_on_a_taken_port_is_refused(listen, song_wav, free_endpoint):
    first = listen(song_wav, "--bind", free_endpoint)
    first.line()
    second = listen(song_wav, "--bind", free_endpoint)
    assert second.wait() == 4
    assert second.rest() == []
    assert len(second.err.splitlines()) == 1
    assert f"port {free_endpoint.rpartition(':')[2]} is taken" in second.err
    assert first.popen.poll() is None


@pytest.mark.parametrize(
    ("bind", "code", "says"),
    [
        ("tcp://0.0.0.0:5581", 4, "--insecure"),
        ("tcp://127.0.0.1:99999", 2, "1 to 65535"),
        ("5580", 2, "tcp://127.0.0.1:5580"),
    ],
)
def test_listen_refuses_endpoints_in_one_line(listen, song_wav, bind, code, says):
    listener = listen(song_wav, "--bind", bind)
    assert listener.wait() == code
    assert says in listener.err
    assert len(listener.err.splitlines()) == 1
