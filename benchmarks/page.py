"""The page: what it costs to serve, how late an estimate is in a browser, and how soon it starts.

`streammer dash` in a process of its own; the browsers are bare WebSockets in this one. CPU is user
and system time of the server, in percent of one core; what a browser takes to draw is not in it.
Latency is from the call that publishes to the message that a browser has whole. One stream at two
estimates a second; with the spectrogram, 25 frames of 80 bins beside each.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
from typing import Any

import numpy as np
import psutil
from websockets.asyncio.client import connect

from benchmarks.bus import estimate
from streammer.bus import Publisher
from streammer.bus.features import Features
from streammer.clock import SystemClock
from streammer.estimate import new_epoch

STEP_S = 0.5


def rows(seconds: float = 20.0) -> list[dict[str, Any]]:
    """Serving a stream to browsers."""
    table = []
    for browsers, spectrogram in ((0, False), (1, False), (50, False), (50, True)):
        with Publisher("tcp://127.0.0.1:0") as bus, _Server(bus.endpoint) as server:
            row = asyncio.run(_served(bus, server, browsers, spectrogram, int(seconds / STEP_S)))
        table.append({"browsers": browsers, "spectrogram": "yes" if spectrogram else "no", **row})
    return table


def start_rows(n: int = 7) -> list[dict[str, Any]]:
    """From the command to the page."""
    starts = []
    for _ in range(n):
        began = time.monotonic()
        with _Server("tcp://127.0.0.1:1") as server:
            with urllib.request.urlopen(server.address, timeout=30) as page:
                page.read()
            starts.append(time.monotonic() - began)
            resident = server.process.memory_info().rss / 2**20
    return [
        {"n": n, "p50_s": float(np.median(starts)), "min_s": min(starts), "resident_mb": resident}
    ]


class _Server:
    """`streammer dash` on a free port."""

    def __init__(self, endpoint: str) -> None:
        command = [sys.executable, "-m", "streammer", "dash", "--connect", endpoint, "--port", "0"]
        self._popen = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._popen.stderr is not None
        found = re.search(r"http://\S+", self._popen.stderr.readline())
        assert found is not None
        self.address = found.group()
        self.process = psutil.Process(self._popen.pid)

    def cpu_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def __enter__(self) -> "_Server":
        return self

    def __exit__(self, *_exc: object) -> None:
        self._popen.kill()
        self._popen.communicate()


async def _served(
    bus: Publisher, server: _Server, browsers: int, spectrogram: bool, steps: int
) -> dict[str, Any]:
    """Publish so many steps, and return what they cost and when they came."""
    epoch = new_epoch(SystemClock())
    received: list[dict[int, float]] = [{} for _ in range(browsers)]
    frames = [0] * browsers
    tasks = [
        asyncio.ensure_future(_browser(server, got, frames, k, spectrogram))
        for k, got in enumerate(received)
    ]
    await asyncio.sleep(2.0)
    sent, began, cpu_s = {}, time.monotonic(), server.cpu_s()
    for seq in range(steps):
        if bus.wants_features("main"):
            bus.publish_features(_features(epoch, seq))
        sent[seq] = time.monotonic()
        bus.publish(estimate(epoch, seq))
        await asyncio.sleep(max(0.0, began + (seq + 1) * STEP_S - time.monotonic()))
    spent, took = server.cpu_s() - cpu_s, time.monotonic() - began
    await asyncio.sleep(1.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    waits = [1000.0 * (t - sent[seq]) for got in received for seq, t in got.items()]
    lost = steps * browsers * (1 + spectrogram) - sum(map(len, received)) - sum(frames)
    return {
        "cpu_percent": 100.0 * spent / took,
        "a browser": 100.0 * spent / took / browsers if browsers else None,
        "lost": lost,
        "p50_ms": float(np.percentile(waits, 50)) if waits else None,
        "p99_ms": float(np.percentile(waits, 99)) if waits else None,
    }


async def _browser(
    server: _Server, received: dict[int, float], frames: list[int], k: int, spectrogram: bool
) -> None:
    """Note when each estimate came, and how many spectrograms did."""
    address = server.address.replace("http://", "ws://") + "live"
    async with connect(address, compression=None) as socket:
        await socket.send(json.dumps({"type": "watch", "stream": "main", "features": spectrogram}))
        async for message in socket:
            if isinstance(message, bytes):
                frames[k] += 1
            elif message.startswith('{"type":"mood"'):
                received[json.loads(message)["mood"]["seq"]] = time.monotonic()


def _features(epoch: str, seq: int) -> Features:
    return Features(
        stream="main", epoch=epoch, seq=seq, t_audio_s=seq * STEP_S, kind="mel", frames=25, bins=80,
        floor_db=-80.0, top_db=0.0, db=bytes(2000),
    )  # fmt: skip
