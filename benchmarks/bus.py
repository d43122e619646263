"""The bus: how long a message takes to another process, and how soon a subscriber has one.

Latency is taken with the monotonic clock of the machine, which all its processes share: a
subscriber in a process of its own notes when it received which `seq`. Messages are 20 ms apart or
more, so that caches are as cold as they are at 2 Hz.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import zmq

from streammer.audio.block import Block, SourceEnd, SourceInfo
from streammer.bus import Publisher, Subscriber
from streammer.bus.wire import encode
from streammer.clock import SystemClock
from streammer.config import StreamConfig
from streammer.engine.engine import Engine
from streammer.estimate import MoodEstimate, new_epoch
from streammer.inference.loading import load_models

GAP_S = 0.02
WARM_UP = 20
RECEIVER = """
import json, sys, time
from streammer import Subscriber
with Subscriber(sys.argv[1]) as moods:
    moods.read(10.0)
    print("on", flush=True)
    seen = {}
    while not moods.ended:
        mood = moods.read(0.5)
        if mood is not None:
            seen[mood.seq] = time.monotonic()
    print(json.dumps(seen), flush=True)
"""


BARE_RECEIVER = """
import json, sys, time, zmq
sock = zmq.Context().socket(zmq.SUB)
sock.subscribe(b"mood/")
sock.connect(sys.argv[1])
print("on", flush=True)
seen = {}
while True:
    topic, body = sock.recv_multipart()
    received = time.monotonic()
    seq = json.loads(body)["seq"]
    if seq < 0:
        break
    seen[seq] = received
print(json.dumps(seen), flush=True)
"""


def rows(n: int = 500, n_joins: int = 50, n_restarts: int = 12) -> list[dict[str, Any]]:
    """Time the bus by itself [ms].

    Parameters
    ----------
    n, n_joins, n_restarts : int
        Messages timed, subscribers that join late, restarts of the publisher; per transport.

    Returns
    -------
    list of dict
        `what`, `n`, `p50_ms`, `p99_ms`, `max_ms`.
    """
    with tempfile.TemporaryDirectory() as folder:
        table = []
        for name, endpoint in (("tcp", "tcp://127.0.0.1:0"), ("ipc", f"ipc://{folder}/bus.ipc")):
            table += [
                _row(f"publish to receive, {name}", _latencies(endpoint, n)),
                _row(f"bare pyzmq, send to receive, {name}", _bare_latencies(endpoint, n)),
                _row(f"late joiner to last value, {name}", _joins(endpoint, n_joins)),
                _row(f"publisher back to first message, {name}", _restarts(endpoint, n_restarts)),
            ]
        table.append(_row("publish() itself", _publish_calls(n)))
    return table


def engine_rows(n: int = 100) -> list[dict[str, Any]]:
    """Time from the last block of a step to its estimate in another process [ms].

    The sound is played faster than the clock: the second row shows what the pauses between steps
    cost on this machine.

    Parameters
    ----------
    n : int
        Estimates timed.
    """
    return [
        _row(f"last block to estimate, a step every {500 / speed:g} ms", _waits(n, speed))
        for speed in (2.0, 20.0)
    ]


def pause_rows(mebibytes: int = 8, n: int = 30) -> list[dict[str, Any]]:
    """Time to read memory again that was read before a pause [ms].

    On hardware of one's own the pause makes little difference. Where a hypervisor takes pages back
    that were not used for a moment, everything that runs twice a second pays for it.
    """
    pages = np.ones((mebibytes << 20) // 4096 * 4096, np.uint8)
    table = []
    for pause_s in (0.0, 0.025, 0.25):
        waits = []
        for _ in range(n):
            time.sleep(pause_s)
            begin = time.perf_counter()
            int(pages[::4096].sum())
            waits.append(1000.0 * (time.perf_counter() - begin))
        what = f"a byte of every page of {mebibytes} MiB, {1000 * pause_s:g} ms after the last time"
        table.append(_row(what, waits))
    return table


def _waits(n: int, speed: float) -> list[float]:
    rng = np.random.default_rng(0)
    sr = 44100
    y = 0.1 * rng.standard_normal((int((n + WARM_UP) * 0.5 * sr), 2)).astype(np.float32)
    models = load_models(("default",))
    which = _blocks_that_complete(y, sr, models)
    source = _Played(y, sr, speed)
    with Publisher("tcp://127.0.0.1:0") as bus, _receiver(bus.endpoint) as receiver:
        engine = Engine(source, StreamConfig(), models, pace="live", publisher=bus)
        moods = [m for m in engine.estimates() if m.state != "degraded"]
        seen = receiver()
    # Ticks without sound take a seq too, so the k-th step is not always seq k.
    return [
        1000.0 * (seen[m.seq] - source.stamps[which[k]])
        for k, m in enumerate(moods)
        if k >= WARM_UP and m.seq in seen
    ]


def _row(what: str, waits_ms: list[float]) -> dict[str, Any]:
    p50, p99 = np.percentile(waits_ms, [50, 99])
    return {
        "what": what,
        "n": len(waits_ms),
        "p50_ms": round(float(p50), 3),
        "p99_ms": round(float(p99), 3),
        "max_ms": round(max(waits_ms), 3),
    }


def _latencies(endpoint: str, n: int) -> list[float]:
    epoch = new_epoch(SystemClock())
    sent = {}
    with Publisher(endpoint) as bus, _receiver(bus.endpoint, epoch, bus) as receiver:
        for seq in range(1, WARM_UP + n + 1):
            sent[seq] = time.monotonic()
            bus.publish(estimate(epoch, seq))
            time.sleep(GAP_S)
        bus.publish(estimate(epoch, seq + 1, "ended"))
        seen = receiver()
    return [1000.0 * (seen[seq] - t) for seq, t in sent.items() if seq > WARM_UP and seq in seen]


def _bare_latencies(endpoint: str, n: int) -> list[float]:
    """Send the same messages through nothing but a PUB socket and a SUB socket."""
    epoch, sent = new_epoch(SystemClock()), {}
    with zmq.Context() as context, context.socket(zmq.PUB) as sock:
        sock.bind(endpoint.replace(":0", ":*"))
        where = sock.getsockopt_string(zmq.LAST_ENDPOINT)
        with _receiver(where, program=BARE_RECEIVER) as receiver:
            time.sleep(1.5)  # a bare socket does not tell when somebody has subscribed
            for seq in range(WARM_UP + n):
                body = encode(estimate(epoch, seq))
                sent[seq] = time.monotonic()
                sock.send_multipart((b"mood/main", body))
                time.sleep(GAP_S)
            sock.send_multipart((b"mood/main", b'{"seq":-1}'))
            seen = receiver()
    return [1000.0 * (seen[seq] - t) for seq, t in sent.items() if seq >= WARM_UP and seq in seen]


def _joins(endpoint: str, n: int) -> list[float]:
    waits = []
    with Publisher(endpoint) as bus:
        bus.publish(estimate(new_epoch(SystemClock()), 0))
        for _ in range(n):
            time.sleep(0.06)  # within 50 ms of another joiner, the resend would be held back
            begin = time.monotonic()
            with Subscriber(bus.endpoint) as moods:
                if moods.read(5.0) is not None:
                    waits.append(1000.0 * (time.monotonic() - begin))
    return waits


def _restarts(endpoint: str, n: int) -> list[float]:
    waits = []
    with Publisher(endpoint) as bus:
        endpoint = bus.endpoint
    with Subscriber(endpoint) as moods:
        for _ in range(n):
            with Publisher(endpoint) as bus:
                begin = time.monotonic()
                bus.publish(estimate(new_epoch(SystemClock()), 0))
                if moods.read(5.0) is not None:
                    waits.append(1000.0 * (time.monotonic() - begin))
            moods.read(0.6)
    return waits


def _publish_calls(n: int) -> list[float]:
    epoch, waits = new_epoch(SystemClock()), []
    with Publisher("tcp://127.0.0.1:0") as bus:
        for seq in range(n + WARM_UP):
            mood = estimate(epoch, seq)
            begin = time.monotonic()
            bus.publish(mood)
            waits.append(1000.0 * (time.monotonic() - begin))
            time.sleep(GAP_S / 4)
    return waits[WARM_UP:]


@contextmanager
def _receiver(
    endpoint: str,
    epoch: str = "0" * 16,
    bus: Publisher | None = None,
    program: str = RECEIVER,
) -> Iterator[Any]:
    """Run a subscriber elsewhere; the value returns when it received which `seq`."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, endpoint], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    if bus is not None:
        bus.publish(estimate(epoch, 0))
        assert process.stdout.readline() == "on\n"
    try:
        yield lambda: {int(k): t for k, t in json.loads(_last_line(process)).items()}
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _last_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    return process.stdout.readline() if line == "on\n" else line


class _Played:
    """Sound in memory, played by the clock in blocks of a sound device's size."""

    BLOCK = 512

    reopened = 0
    detail = ""

    def __init__(self, y: np.ndarray, sr: int, speed: float | None) -> None:
        self._y, self._speed = y, speed
        self._index = 0
        self._t_open = 0.0
        self.stamps: list[float] = []
        self.info = SourceInfo(
            sr=sr, channels=y.shape[1], name="benchmark", clocked=False, kind="array"
        )

    def open(self) -> SourceInfo:
        self._t_open = time.monotonic() + 2.0  # by then the receiver has subscribed
        return self.info

    def read(self, timeout_s: float) -> Block | SourceEnd | None:
        start = self._index * self.BLOCK
        samples = self._y[start : start + self.BLOCK]
        if not len(samples):
            return SourceEnd("eof")
        if self._speed is not None:
            due = self._t_open + (start + len(samples)) / self.info.sr / self._speed
            wait = due - time.monotonic()
            if wait > timeout_s:
                time.sleep(timeout_s)
                return None
            time.sleep(max(0.0, wait))
        self._index += 1
        self.stamps.append(time.monotonic())
        return Block(samples, start, time.time(), t_arrival=time.monotonic())

    def close(self) -> None:
        pass


def _blocks_that_complete(y: np.ndarray, sr: int, models: Any) -> list[int]:
    """Return the index of the block that completes each step (the same at every pace)."""
    source = _Played(y, sr, None)
    engine = Engine(source, StreamConfig(), models, pace="fast")
    return [len(source.stamps) - 1 for _ in engine.estimates()]


def estimate(epoch: str, seq: int, state: Any = "live") -> MoodEstimate:
    now = time.time()
    return MoodEstimate(
        stream="main",
        epoch=epoch,
        seq=seq,
        t_audio_s=seq * 0.5,
        t_capture=now,
        t_publish=now,
        valence=0.123456789,
        arousal=-0.123456789,
        sigma_valence=0.123456789,
        sigma_arousal=0.123456789,
        p_positive=0.5,
        p_energetic=0.5,
        quadrant="Q4",
        state=state,
        level_dbfs=-20.0,
        lag_ms=1.0,
        model="default",
        lost_samples=0,
    )


if __name__ == "__main__":
    for row in [*rows(), *engine_rows()]:
        print(row)
