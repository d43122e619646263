"""A real HTTP server on this machine: it serves sound well, slowly, cut, stalled, or not."""

import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class SoundServer:
    """`served[path]` is a function that is given the request and answers it."""

    def __init__(self):
        self.served = {}
        self.requests = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests.append(self.path)
                self.close_connection = True
                answer = outer.served.get(self.path)
                if answer is None:
                    self.send_error(404)
                    return
                with suppress(BrokenPipeError, ConnectionResetError):
                    answer(self)

            def log_message(self, *_args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def url(self, path):
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def stop(self):
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def serve(
        self,
        path,
        data,
        *,
        named=True,
        cut=None,
        stall=None,
        rate=None,
        ranges=False,
        times=None,
        headers=(),
    ):
        """Serve bytes: `named` with their length; `cut` or `stall` at a byte, `times` times.

        With `ranges` a part is answered from the byte that was asked for.
        """
        troubles = [times]

        def answer(request):
            first = 0
            asked = request.headers.get("Range", "")
            if ranges and asked.startswith("bytes="):
                first = int(asked.removeprefix("bytes=").split("-")[0])
            request.send_response(206 if ranges and asked else 200)
            for name, value in headers:
                request.send_header(name, value)
            if ranges:
                request.send_header("Accept-Ranges", "bytes")
                request.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
            if named:
                request.send_header("Content-Length", str(len(data) - first))
            request.send_header("Connection", "close")
            request.end_headers()
            troubled = troubles[0] is None or troubles[0] > 0
            if troubles[0] is not None:
                troubles[0] -= 1
            for start in range(first, len(data), 4096):
                part = data[start : start + 4096]
                if troubled and cut is not None and start + len(part) > cut:
                    return
                if troubled and stall is not None and start + len(part) > stall:
                    self.stopping.wait(30.0)
                    return
                request.wfile.write(part)
                if rate:
                    time.sleep(len(part) / rate)

        self.served[path] = answer
        return self.url(path)
