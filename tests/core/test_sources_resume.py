"""A URL whose connection is cut, or turns to something else: nothing is played twice."""

import io
import threading
import time

import numpy as np
import pytest
import soundfile

from streammer.audio.block import Block, SourceEnd
from streammer.clock import SystemClock
from streammer.errors import NetworkError, UsageError
from streammer.sources.address import redacted
from streammer.sources.progress import Progress
from streammer.sources.supervisor import Supervisor
from streammer.sources.url import TRIES, UrlSource
from tests.core.decoding import adts, encoded, vorbis
from tests.core.servers import SoundServer
from tests.sounds import SR

SECONDS = 12.0


@pytest.fixture
def server():
    server = SoundServer()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _no_thread_stays():
    yield
    for thread in threading.enumerate():
        if thread.name == "streammer-url":
            thread.join(timeout=30.0)
            assert not thread.is_alive()


def ramp_wav(seconds):
    """Return samples that are all different, so that one that is played twice is found."""
    n = int(seconds * SR)
    y = np.arange(2 * n, dtype=np.float32).reshape(n, 2) / np.float32(2 * n)
    out = io.BytesIO()
    soundfile.write(out, y, SR, format="WAV", subtype="FLOAT")
    return y, out.getvalue()


def supervised(url, read_timeout_s=2.0, mute_s=0.5):
    clock, progress = SystemClock(), Progress()
    return Supervisor(
        lambda: UrlSource(
            url,
            clock,
            open_timeout_s=10.0,
            read_timeout_s=read_timeout_s,
            mute_s=mute_s,
            progress=progress,
        ),
        clock,
    )


def play(source):
    parts = []
    try:
        source.open()
        while not isinstance(item := source.read(0.5), SourceEnd):
            if item is not None:
                parts.append(item.samples)
            assert sum(map(len, parts)) < 2 * SECONDS * SR  # it is not played again and again
    finally:
        source.close()
    return np.concatenate(parts), item


@pytest.mark.parametrize("trouble", ["cut", "stall"])
def test_a_recording_that_is_cut_goes_on_where_it_stopped_if_the_server_sends_parts(
    server, trouble
):
    y, data = ramp_wav(SECONDS)
    url = server.serve("/a.wav", data, ranges=True, times=1, **{trouble: len(data) // 2})
    source = supervised(url)
    heard, end = play(source)
    assert np.array_equal(heard, y)
    assert end == SourceEnd("eof")
    assert source.reopened == 1


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "flac"])
def test_compressed_recordings_go_on_within_a_blink_of_where_they_stopped(server, suffix):
    data = encoded(SECONDS, format=suffix.upper())
    url = server.serve(f"/a.{suffix}", data, ranges=True, times=1, cut=len(data) * 2 // 3)
    source = supervised(url)
    heard, end = play(source)
    assert end == SourceEnd("eof")
    assert len(heard) / SR == pytest.approx(SECONDS, abs=0.5)
    assert source.reopened == 1


def test_a_recording_that_is_cut_ends_where_the_server_sends_no_parts(server):
    y, data = ramp_wav(SECONDS)
    heard, end = play(supervised(server.serve("/a.wav", data, cut=len(data) // 2)))
    assert len(heard) < len(y) * 0.6
    assert np.array_equal(heard, y[: len(heard)])  # nothing of it twice
    assert end.reason == "error"
    assert f"cut off after {len(heard) / SR:.1f} s" in end.detail
    assert "sends no parts" in end.detail


def test_a_recording_whose_rest_never_comes_is_given_up(server):
    y, data = ramp_wav(SECONDS)
    url = server.serve("/a.wav", data, ranges=True, cut=len(data) // 2)
    heard, end = play(supervised(url))
    assert np.array_equal(heard, y[: len(heard)])
    assert end.reason == "error"
    assert "nothing more came" in end.detail
    assert len(server.requests) < 10 * TRIES


def test_a_station_that_names_a_length_is_no_recording(server):
    data = encoded(4.0, format="MP3")
    url = server.serve("/live", data, cut=len(data) // 2, headers=[("icy-br", "128")])
    source = UrlSource(url, SystemClock(), progress=(progress := Progress()))
    heard, end = play(source)
    assert len(heard) > 0
    assert end.reason == "lost"
    assert progress.decoded_s == 0.0


@pytest.mark.parametrize("turn", ["other codec", "noise", "zeros", "text"])
def test_a_station_that_turns_to_what_is_no_sound_is_opened_again(server, turn):
    song = encoded(3.0, format="MP3")
    after = {
        "other codec": adts(3.0),
        "noise": np.random.default_rng(0).bytes(60_000),
        "zeros": bytes(60_000),
        "text": b"<html>we are off the air</html>\n" * 2000,
    }[turn]

    def answer(request):
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        request.wfile.write(song)
        while not server.stopping.wait(0.1):  # the connection never ends, and bytes keep coming
            request.wfile.write(after)

    server.served["/live.mp3"] = answer
    source = supervised(server.url("/live.mp3"))
    source.open()
    n, until = 0, time.monotonic() + 60.0
    while source.reopened < 1 or n < 5 * SR:
        assert time.monotonic() < until
        item = source.read(0.5)
        assert not isinstance(item, SourceEnd)
        n += len(item.samples) if isinstance(item, Block) else 0
    source.close()
    assert source.reopened >= 1


def test_a_station_that_turns_to_noise_says_that_it_is_no_sound(server):
    song, noise = encoded(3.0, format="MP3"), np.random.default_rng(0).bytes(60_000)

    def answer(request):
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        request.wfile.write(song)
        while not server.stopping.wait(0.05):
            request.wfile.write(noise)

    server.served["/live.mp3"] = answer
    source = UrlSource(server.url("/live.mp3"), SystemClock(), read_timeout_s=30.0, mute_s=0.5)
    watch = threading.Timer(60.0, source.close)
    watch.start()
    _, end = play(source)
    watch.cancel()
    assert end.reason == "lost"
    assert "nothing that is sound for 0.5 s" in end.detail


def test_a_station_that_sends_a_chain_of_songs_is_heard_on(server):
    url = server.serve("/live.ogg", vorbis(3.0) + vorbis(3.0), named=False)
    heard, end = play(UrlSource(url, SystemClock()))
    assert len(heard) / SR == pytest.approx(6.0, abs=0.2)
    assert end.reason == "lost"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://[::1", "is no URL"),
        ("http://[x]/a", "is no URL"),
        ("http://" + "x" * 70 + ".com/a", "labels of 1 to 63 letters"),
        ("http://.x.com/", "labels of 1 to 63 letters"),
        ("http:///a.mp3", "names no host"),
        ("http://a.example:99999/", "is no URL"),
        ("http://a.example:port/", "is no URL"),
        ("http://a.example:0/", "port 0"),
        ("http://me:secret@[::1/a?token=secret", "is no URL"),
    ],
)
def test_a_url_that_no_server_can_have_is_refused_in_one_line(url, said):
    with pytest.raises(UsageError, match=said) as refusal:
        UrlSource(url, SystemClock())
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://[::1", "http://[::1"),
        ("rtmp://me@a.example/live?key=1", "rtmp://a.example/live"),
        ("http://a.example/@home", "http://a.example/@home"),
    ],
)
def test_any_url_can_be_shown(url, shown):
    assert redacted(url) == shown


def test_a_long_path_is_the_servers_matter(server):
    with pytest.raises(NetworkError, match="404"):
        UrlSource(server.url("/" + "a" * 300), SystemClock()).open()
