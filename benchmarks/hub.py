"""The hub: ten thousand streams at 2 Hz through one process.

Publishers, hub and subscriber are processes of their own. One bare socket stands for all publishers
and sends valid estimates, spread evenly over the half second; the subscriber is a bare socket, too,
that takes every stream and notes when each estimate arrived, by the monotonic clock that all
processes of the machine share. libzmq's own proxy, which looks into no message and keeps no last
values, is measured beside it. CPU and memory are the hub's alone.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psutil

SECONDS = 8.0

HUB = """
import sys
from streammer.bus.hub import Hub
with Hub("tcp://127.0.0.1:0", "tcp://127.0.0.1:0") as hub:
    print(hub.publishers, hub.endpoint, flush=True)
    hub.run()
"""

PROXY = """
import zmq
context = zmq.Context()
a, b = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
a.rcvhwm = b.sndhwm = 40000
ports = [sock.bind_to_random_port("tcp://127.0.0.1") for sock in (a, b)]
print(*(f"tcp://127.0.0.1:{port}" for port in ports), flush=True)
zmq.proxy(a, b)
"""

# The text of an estimate is made once: what is measured is the hub, not its publishers.
PUBLISHERS = """
import sys, time, zmq
from benchmarks.bus import estimate
from streammer.bus.wire import encode
from streammer.clock import SystemClock
from streammer.estimate import new_epoch
import msgspec
endpoint, n, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
epoch = new_epoch(SystemClock())
blank = msgspec.structs.replace(estimate(epoch, 7777777), t_capture=8888888.5)
streams = []
for k in range(n):
    text = encode(msgspec.structs.replace(blank, stream=f"s{k}"))
    head, rest = text.split(b"7777777")
    middle, tail = rest.split(b"8888888.5")
    streams.append((b"mood/s%d" % k, head, middle, tail))
sock = zmq.Context().socket(zmq.XPUB)
sock.sndhwm = 4 * n + 100
sock.connect(endpoint)
sock.recv()
for topic, head, middle, tail in streams:  # the hub gets to know them
    sock.send_multipart((topic, head + b"0" + middle + b"0.5" + tail))
time.sleep(2.0)
begin, sent = time.monotonic(), 0
while sent < 2 * n * seconds:
    while sent < 2 * n * (time.monotonic() - begin):
        topic, head, middle, tail = streams[sent % n]
        body = head + b"%d" % (1 + sent // n) + middle + b"%f" % time.monotonic() + tail
        sock.send_multipart((topic, body))
        sent += 1
    time.sleep(0.001)
print(sent, flush=True)
time.sleep(2.0)
"""

SUBSCRIBER = """
import json, sys, time, zmq
import numpy as np
sock = zmq.Context().socket(zmq.SUB)
sock.rcvhwm = 0
sock.subscribe(b"mood/")
sock.connect(sys.argv[1])
print("on", flush=True)
waits = []
sock.rcvtimeo = 60_000
while True:
    _, body = sock.recv_multipart()
    at = body.index(b'"t_capture":') + 12
    sent = float(body[at : body.index(b",", at)])
    if sent > 1.0:
        waits.append(time.monotonic() - sent)
        sock.rcvtimeo = 3000
    if not sock.poll(2500):
        if waits:
            break
p50, p99 = np.percentile(waits, [50, 99])
print(json.dumps([len(waits), 1000 * p50, 1000 * p99, 1000 * max(waits)]), flush=True)
"""


def rows(seconds: float = SECONDS) -> list[dict[str, Any]]:
    """Publisher to subscriber through one hub, each stream at 2 Hz.

    Parameters
    ----------
    seconds : float
        How long each row is measured [s].
    """
    return [
        _row("streammer hub", HUB, 100, seconds),
        _row("streammer hub", HUB, 1000, seconds),
        _row("streammer hub", HUB, 10_000, seconds),
        _row("libzmq's proxy", PROXY, 10_000, seconds),
    ]


def _row(what: str, program: str, streams: int, seconds: float) -> dict[str, Any]:
    with ExitStack() as stack:
        hub = stack.enter_context(_started(program))
        publishers, endpoint = _line(hub).split()
        process = psutil.Process(hub.pid)
        before = process.cpu_times()
        subscriber = stack.enter_context(_started(SUBSCRIBER, endpoint))
        assert _line(subscriber) == "on"
        sending = stack.enter_context(_started(PUBLISHERS, publishers, streams, seconds))
        sent = int(_line(sending))
        times = process.cpu_times()
        resident = process.memory_info().rss
        received, p50, p99, worst = json.loads(_line(subscriber))
    spent = times.user + times.system - before.user - before.system
    return {
        "what": what,
        "streams": streams,
        "messages": sent,
        "lost": sent - received,
        "p50_ms": round(p50, 3),
        "p99_ms": round(p99, 3),
        "max_ms": round(worst, 3),
        "cpu_us_a_message": round(1e6 * spent / (sent + streams), 1),
        "memory_mb": round(resident / 1e6, 1),
    }


@contextmanager
def _started(program: str, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


if __name__ == "__main__":
    for row in rows():
        print(row)
