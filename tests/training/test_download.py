"""`data get`: whole files only, a broken connection is gone on with, refusals are one line."""

import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from offline.cli import main
from offline.datasets import download
from streammer.errors import InputError, NetworkError


class Half(BaseHTTPRequestHandler):
    """Breaks off the first answer in the middle; knows ranges."""

    body = b""
    asked: list[str]

    def do_GET(self):
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.asked.append(self.headers.get("Range") or "")
        self.send_response(206 if start else 200)
        rest = self.body[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest if start else rest[: len(rest) // 2])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as held:
        held.writestr("annotations/a.csv", "x" * 2_000_000)
    Half.body, Half.asked = archive.getvalue(), []
    with ThreadingHTTPServer(("127.0.0.1", 0), Half) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/set.zip"
        running.shutdown()


def test_a_broken_download_goes_on_where_it_was(server, tmp_path):
    with pytest.raises(NetworkError, match="fetch it by hand"):
        download.fetch(server, "set.zip", None, tmp_path)
    assert not (tmp_path / "archives" / "set.zip").exists()
    path = download.fetch(server, "set.zip", None, tmp_path)
    assert path.read_bytes() == Half.body
    assert Half.asked[0] == ""
    assert int(Half.asked[1][6:-1]) > 0
    download.fetch(server, "set.zip", None, tmp_path)
    assert len(Half.asked) == 2  # a whole file is not fetched again
    download.unpack(path, tmp_path)
    assert (tmp_path / "annotations" / "a.csv").stat().st_size == 2_000_000


def test_a_wrong_checksum_is_refused(server, tmp_path):
    with pytest.raises(NetworkError):
        download.fetch(server, "set.zip", None, tmp_path)
    with pytest.raises(NetworkError, match="hash"):
        download.fetch(server, "set.zip", "sha256:" + "0" * 64, tmp_path)
    assert not (tmp_path / "archives" / "set.zip").exists()


def test_a_refusing_network_gives_one_line_with_the_address(tmp_path, capsys, monkeypatch):
    source = download.SOURCES["deam"]
    away = source._replace(files={"a.zip": ("http://127.0.0.1:9/a.zip", None)})
    monkeypatch.setitem(download.SOURCES, "deam", away)
    assert main(["data", "get", "deam", "--yes", "--to", str(tmp_path)]) == 4
    err = capsys.readouterr().err.splitlines()
    assert "its terms" in err[0]  # the licence comes first
    assert sum(line.startswith("error: http://127.0.0.1:9/a.zip cannot be fetched") for line in err)


def test_the_licence_must_be_accepted(tmp_path, capsys):
    assert main(["data", "get", "deam", "--to", str(tmp_path)]) == 2
    assert "--yes" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_no_archive_is_refused(tmp_path):
    bad = tmp_path / "a.zip"
    bad.write_bytes(b"<html>login</html>")
    with pytest.raises(InputError, match="no archive"):
        download.unpack(bad, tmp_path)


def test_an_archive_may_not_lead_out_of_the_folder(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as held:
        held.writestr("../evil.txt", "x")
    with pytest.raises(InputError, match="leads out"):
        download.unpack(path, tmp_path / "to")
    assert not (tmp_path / "evil.txt").exists()
