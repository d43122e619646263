"""What the tests of the page share: a server in this process, and browsers that are none."""

import contextlib
import http.client
import json
import threading
import time

from bus_parts import until
from websockets.sync.client import connect

from streammer.bus.streams import Streams
from streammer.web.board import Board
from streammer.web.guard import Access
from streammer.web.server import PageServer, bind_page


class Page:
    """A page server with its board, running in a thread."""

    def __init__(self, endpoint, *, token="", keep=None, loopback=True, names=()):
        self.streams = Streams(endpoint)
        self.sock = bind_page("127.0.0.1", 0)
        self.board = Board(endpoint, "test", keep)
        access = Access.of(token=token, loopback=loopback, more_names=names)
        self.server = PageServer(
            self.sock, self.streams, self.board, access, card={"default": "<p>card</p>"}.get
        )
        self.port = self.server.port
        self.host = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self.server.run)
        self._thread.start()

    def get(self, path="/", *, method="GET", body=None, **headers):
        """Return status, headers and body of an answer."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(http.client.HTTPConnection(self.host, timeout=20)) as connection:
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    @contextlib.contextmanager
    def browser(self, **options):
        """Open the WebSocket of a page."""
        options = {"origin": f"http://{self.host}", "compression": None, **options}
        with connect(f"ws://{self.host}/live", **options) as socket:
            yield Browser(socket)

    def close(self):
        self.server.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()
        self.streams.close()
        self.sock.close()


class Browser:
    """What a page does with its WebSocket."""

    def __init__(self, socket):
        self.socket = socket

    def say(self, **message):
        self.socket.send(json.dumps(message))

    def next(self, kind, timeout_s=10.0):
        """Return the next message of a kind; spectrograms are of the kind `bytes`."""
        deadline = time.monotonic() + timeout_s
        while True:
            message = self.socket.recv(max(0.0, deadline - time.monotonic()))
            found = {"type": "bytes", "data": message}
            if isinstance(message, str):
                found = json.loads(message)
            if found["type"] == kind:
                return found

    def moods(self, count, stream="main"):
        """Return the `seq` of the next estimates of a stream."""
        found = []
        while len(found) < count:
            mood = self.next("mood")["mood"]
            if mood["stream"] == stream:
                found.append(mood["seq"])
        return found


def joined(page, bus, publish):
    """Publish until the page has received something: from then on it misses nothing."""
    assert until(lambda: publish() or bool(page.board.known), 10.0)
