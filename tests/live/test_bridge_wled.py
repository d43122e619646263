"""`streammer bridge wled` beside an HTTP server and a socket that stand where a WLED is."""

import itertools
import json
import signal
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from receivers import await_true, bridge


class Strip:
    """Receives what a WLED's JSON API does; can be away, and come back on its port."""

    def __init__(self):
        self.bodies, self.port = [], 0
        self._server = None
        self.start()

    def start(self):
        strip = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer({"name": "WLED"})

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                strip.bodies.append((self.path, json.loads(body)))
                self._answer({"success": True})

            def _answer(self, value):
                text = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,)).start()

    def stop(self):
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@pytest.fixture
def strip():
    strip = Strip()
    yield strip
    strip.stop()


@pytest.fixture
def sync():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(30.0)
        yield sock


def test_presets_follow_and_packets_go_on_while_the_strip_is_away(strip, sync, start, publish):
    _, endpoint = publish()
    process = start(
        *bridge("wled", "--host", "127.0.0.1", "--http-port", strip.port, "--connect", endpoint),
        "--presets", "Q1=1,Q2=2,Q3=3,Q4=4,rest=5", "--dwell", 0,
        "--group", "127.0.0.1", "--port", sync.getsockname()[1],
    )  # fmt: skip
    await_true(lambda: len({b["ps"] for _, b in strip.bodies} - {5}) > 1, "two quadrants")
    assert {path for path, _ in strip.bodies} == {"/json/state"}
    strip.stop()
    process.await_err("WLED presets to 127.0.0.1", 60.0)
    process.await_err("trying again", 60.0)
    packets = [sync.recv(100) for _ in range(60)]
    assert {len(p) for p in packets} == {44}
    assert {p[:6] for p in packets} == {b"00002\0"}
    counts = [p[17] for p in packets]
    assert all((b - a) % 256 == 1 for a, b in itertools.pairwise(counts))
    before = len(strip.bodies)
    strip.start()
    process.await_err("goes on", 60.0)
    assert process.end(signal.SIGTERM) == 0
    assert len(strip.bodies) > before
    assert strip.bodies[-1][1] == {"ps": 5}
    while struct.unpack_from("<f", sync.recv(100), 8)[0] > 0.0:
        pass  # up to the last one, which says that it is still
