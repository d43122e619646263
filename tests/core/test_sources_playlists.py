"""A file is a file, whatever it says: none leads to another file, to the network, or to UDP."""

import socket
import threading

import pytest
import soundfile

from streammer.clock import SystemClock
from streammer.errors import InputError, NetworkError
from streammer.sources.open import open_source
from tests.core.decoding import opened
from tests.core.servers import SoundServer
from tests.sounds import SR, make_song

SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {} RTP/AVP 0\n"


@pytest.fixture
def server():
    server = SoundServer()
    yield server
    server.stop()


@pytest.fixture
def song(tmp_path):
    soundfile.write(tmp_path / "song.wav", make_song(2.0), SR)
    return tmp_path / "song.wav"


@pytest.mark.parametrize("suffix", ["mp3", "wav", "m3u8", "m3u"])
@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile song.wav\n",
        "ffconcat version 1.0\nfile 'file:song.wav'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsong.wav\n#EXT-X-ENDLIST\n",
        "[playlist]\nFile1=song.wav\n",
        "\ufeff#EXTM3U\nsong.wav\n",
    ],
)
def test_a_file_that_names_other_files_opens_none_of_them(
    tmp_path, song, monkeypatch, suffix, text
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"list.{suffix}"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="is a playlist, not sound") as refusal:
        opened(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("suffix", ["mp3", "m3u8"])
def test_a_file_that_names_urls_asks_no_server(tmp_path, server, song, suffix):
    url = server.serve("/song.wav", song.read_bytes())
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{url}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{url}'\n",
    ):
        path = tmp_path / f"list.{suffix}"
        path.write_text(text)
        with pytest.raises(InputError, match="is a playlist"):
            opened(path)
    assert server.requests == []


def test_a_file_that_describes_a_session_binds_no_port_and_waits_for_nothing(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1] & ~1
    path = tmp_path / "session.mp3"
    path.write_text(SDP.format(port))
    refused = []

    def open_it():
        with pytest.raises(InputError, match="is a playlist"):
            opened(path)
        refused.append(True)

    thread = threading.Thread(target=open_it, daemon=True)
    thread.start()
    thread.join(timeout=20.0)
    assert refused == [True]  # it does not wait for packets that never come


def test_a_url_leads_to_other_urls_but_never_to_a_file_of_this_machine(server, song):
    inner = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{song}\n#EXT-X-ENDLIST\n"
    script = f"ffconcat version 1.0\nfile '{song}'\n"
    for path, text in (("/list.m3u8", inner), ("/script.mp3", script)):
        source = open_source(server.serve(path, text.encode()), clock=SystemClock())
        with pytest.raises((InputError, NetworkError)):
            source.open()
        source.close()
