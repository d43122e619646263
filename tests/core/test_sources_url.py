"""URLs against a real server on this machine: whole, cut, stalled, refused, back again."""

import io
import threading
import time

import av
import numpy as np
import pytest
import soundfile

from streammer.audio.block import Block, SourceEnd
from streammer.clock import SystemClock
from streammer.errors import InputError, NetworkError
from streammer.sources.address import redacted
from streammer.sources.paced import PacedSource
from streammer.sources.supervisor import Supervisor
from streammer.sources.url import UrlSource
from tests.core.servers import SoundServer
from tests.sounds import SR, make_song

SECONDS = 12.0


def encoded(seconds, **options):
    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", SR, 2, **options) as file:
        for _ in range(int(seconds)):
            file.write(make_song(1.0))
    return out.getvalue()


@pytest.fixture(scope="module")
def sounds():
    return {
        "mp3": encoded(SECONDS, format="MP3"),
        "ogg": encoded(SECONDS, format="OGG", subtype="VORBIS"),
        "wav": encoded(SECONDS, format="WAV", subtype="PCM_16"),
    }


@pytest.fixture
def server():
    server = SoundServer()
    yield server
    server.stop()


def url_threads():
    return [t for t in threading.enumerate() if t.name == "streammer-url"]


@pytest.fixture(autouse=True)
def _no_thread_stays():
    yield
    for thread in url_threads():
        thread.join(timeout=10.0)
    assert not url_threads()


def hear(source):
    """Return seconds heard, and the end."""
    n = 0
    try:
        info = source.open()
        while not isinstance(item := source.read(0.5), SourceEnd):
            if item is not None:
                assert item.position == n
                assert item.lost == 0
                n += len(item.samples)
    finally:
        source.close()
    return n / info.sr, item


def url_source(url, read_timeout_s=1.0):
    return UrlSource(url, SystemClock(), open_timeout_s=1.5, read_timeout_s=read_timeout_s)


@pytest.mark.parametrize("kind", ["mp3", "ogg", "wav"])
def test_a_file_on_a_server_is_heard_whole_and_ends(server, sounds, kind):
    source = url_source(server.serve(f"/a.{kind}", sounds[kind]))
    seconds, end = hear(source)
    assert seconds == pytest.approx(SECONDS, abs=0.1)
    assert end == SourceEnd("eof")
    assert source.info.kind == "url"
    assert not source.info.clocked


@pytest.mark.parametrize("kind", ["mp3", "ogg", "wav"])
def test_a_connection_that_is_cut_is_lost_and_what_came_is_heard(server, sounds, kind):
    data = sounds[kind]
    seconds, end = hear(url_source(server.serve(f"/a.{kind}", data, cut=len(data) * 2 // 3)))
    assert SECONDS / 2 < seconds < SECONDS
    assert end.reason == "lost"
    assert "cut off" in end.detail


@pytest.mark.parametrize("kind", ["mp3", "ogg"])
def test_a_radio_that_closes_the_connection_is_lost(server, sounds, kind):
    seconds, end = hear(url_source(server.serve(f"/live.{kind}", sounds[kind], named=False)))
    assert seconds == pytest.approx(SECONDS, abs=0.1)
    assert end.reason == "lost"


@pytest.mark.parametrize("kind", ["mp3", "ogg", "wav"])
def test_a_stall_is_lost_after_the_read_timeout(server, sounds, kind):
    data = sounds[kind]
    source = url_source(server.serve(f"/a.{kind}", data, stall=len(data) // 2))
    before = time.monotonic()
    _, end = hear(source)
    assert 0.9 < time.monotonic() - before < 5.0
    assert end.reason == "lost"
    assert "sent nothing for 1 s" in end.detail


def test_the_thread_waits_when_nobody_reads_and_loses_nothing(server, sounds):
    source = url_source(server.serve("/a.wav", sounds["wav"]))
    source.open()
    time.sleep(0.5)
    assert source._ring.unread <= 10 * SR
    n = 0
    while not isinstance(item := source.read(1.0), SourceEnd):
        n += 0 if item is None else len(item.samples)
    source.close()
    assert (n, item.reason) == (SECONDS * SR, "eof")


@pytest.mark.parametrize(
    ("path", "said"),
    [("/nothing-here.mp3", "404"), ("/silent.mp3", "does not answer within 1.5 s")],
)
def test_a_server_that_refuses_or_is_silent_is_a_network_error(server, sounds, path, said):
    server.serve("/silent.mp3", sounds["mp3"], stall=0)
    with pytest.raises(NetworkError, match=said) as refusal:
        hear(url_source(server.url(path)))
    assert "\n" not in str(refusal.value)


def test_a_host_that_nobody_knows_is_named():
    with pytest.raises(NetworkError, match=r"no\.such\.invalid is not known"):
        hear(url_source("http://no.such.invalid/a.mp3"))


def test_a_port_that_nobody_listens_on_is_a_network_error(server):
    url = server.url("/a.mp3")
    server.stop()
    with pytest.raises(NetworkError, match="cannot be opened"):
        hear(url_source(url))


@pytest.mark.parametrize("named", [True, False])
def test_a_page_is_no_sound(server, named):
    page = "<html><body>Hör unser Radio!</body></html>".encode() * 50
    with pytest.raises(InputError, match="no sound"):
        hear(url_source(server.serve("/index.html", page, named=named)))


@pytest.mark.parametrize("sent", [b"", b"\xff\xfb\x90\x00\x00", b"#EXTM3U\nabsent.ts\n"])
def test_a_server_that_ends_before_any_sound_may_send_it_later(server, sent):
    # A station that starts anew is no wrong input: it is worth another try.
    with pytest.raises(NetworkError, match="cannot be opened"):
        hear(url_source(server.serve("/live", sent, named=False)))


def test_closing_ends_a_pending_open_and_a_pending_read(server, sounds):
    source = url_source(server.serve("/a.mp3", sounds["mp3"], stall=0))
    threading.Timer(0.1, source.close).start()
    before = time.monotonic()
    with pytest.raises(NetworkError, match="closed"):
        source.open()
    assert time.monotonic() - before < 1.0
    data = sounds["mp3"]
    source = url_source(server.serve("/b.mp3", data, stall=60_000), read_timeout_s=3.0)
    source.open()
    threading.Timer(0.2, source.close).start()
    before = time.monotonic()
    while isinstance(item := source.read(30.0), Block):
        pass
    assert time.monotonic() - before < 2.0
    assert item is None or item.reason == "closed"
    assert source.read(30.0) == SourceEnd("closed")


def test_an_hls_playlist_with_its_end_is_heard_whole(server, tmp_path):
    y = np.ascontiguousarray(make_song(SECONDS).T)
    with av.open(
        str(tmp_path / "list.m3u8"), "w", options={"hls_time": "4", "hls_list_size": "0"}
    ) as out:
        stream = out.add_stream("aac", rate=SR)
        stream.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(y, "fltp", "stereo")
        frame.sample_rate = SR
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    for path in tmp_path.iterdir():
        server.serve(f"/{path.name}", path.read_bytes())
    seconds, end = hear(url_source(server.url("/list.m3u8"), None))
    assert seconds == pytest.approx(SECONDS, abs=0.2)
    assert end == SourceEnd("eof")
    assert len(server.requests) > 3


def test_a_radio_that_comes_back_goes_on_under_the_same_source(server, sounds):
    data = encoded(2, format="MP3")
    url = server.serve("/live.mp3", data, named=False)
    clock = SystemClock()
    source = Supervisor(lambda: PacedSource(url_source(url), clock, buffer_s=0.3), clock)
    source.open()
    position, began = 0, time.monotonic()
    while source.reopened < 1 or position < 3.0 * SR:
        item = source.read(0.2)
        assert not isinstance(item, SourceEnd)
        if isinstance(item, Block):
            assert item.position == position  # one count over both lives, and nothing lost
            assert item.lost == 0
            position += len(item.samples)
        assert time.monotonic() - began < 20.0
    source.close()
    assert source.lost == 0
    assert time.monotonic() - began > 2.8  # played by the clock, though the server poured it out


def test_what_is_secret_in_a_url_is_not_shown():
    url = "http://me:secret@radio.example:8000/live.mp3?token=1#x"
    assert redacted(url) == "http://radio.example:8000/live.mp3"
    with pytest.raises(NetworkError) as refusal:
        hear(url_source("http://me:secret@127.0.0.1:1/live.mp3?token=abc"))
    assert "secret" not in str(refusal.value)
    assert "abc" not in str(refusal.value)
