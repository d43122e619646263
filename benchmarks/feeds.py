"""Many feeds in one process: what each costs, how late its steps come, what they keep in memory.

`streammer run` in a process of its own reads N named pipes of raw PCM (mono, 22.05 kHz) that
another process fills by the clock, 0.1 s at a time, each at a phase of its own; a subscriber in
a third takes all streams. Processor time and memory are those of the run. "delay" is from the
arrival of a step's last sample to the subscriber. The other tables are taken in one process, round
by round.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engine import SR, STEP, music
from streammer.audio.block import Block, SourceInfo
from streammer.clock import SystemClock
from streammer.config import StreamConfig
from streammer.engine.batch import step_due
from streammer.engine.stream import Stream
from streammer.inference.loading import load_models

PCM_SR = 22050
PIECE_S = 0.1

WRITER = """
import fcntl, os, sys, termios, time
import numpy as np
folder, count, sr, piece_s = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
rng = np.random.default_rng(1)
x = np.load(os.path.join(folder, "music.npy"))
piece = round(piece_s * sr)
fds = [os.open(os.path.join(folder, f"{k}.pcm"), os.O_RDWR | os.O_NONBLOCK) for k in range(count)]
starts = rng.integers(0, len(x) // piece, count)
phases = np.sort(rng.random(count)) * piece_s
began = time.monotonic() + 0.5
tick = 0
while True:
    for k in range(count):
        left = began + tick * piece_s + phases[k] - time.monotonic()
        if left > 0.001:
            time.sleep(left)
        at = (starts[k] + tick) % (len(x) // piece) * piece
        data = x[at : at + piece].tobytes()
        waiting = int.from_bytes(fcntl.ioctl(fds[k], termios.FIONREAD, bytes(4)), sys.byteorder)
        if waiting + len(data) <= 60_000:  # a piece is written whole or, before the run, not at all
            os.write(fds[k], data)
    tick += 1
"""


def run_rows(
    counts: tuple[int, ...] = (1, 8, 100, 300), seconds: float = 30.0
) -> list[dict[str, Any]]:
    """A run of N feeds from PCM."""
    rows = [_run(count, seconds) for count in counts]
    base = rows[0]["memory_MB"]
    for row in rows:
        row["MB a feed"] = (row["memory_MB"] - base) / max(1, row["feeds"] - 1)
    return rows


def _run(count: int, seconds: float) -> dict[str, Any]:
    import psutil

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        y = music(60.0).mean(1)[::2].astype(np.float32)
        np.save(folder / "music.npy", y)
        bus = f"ipc://{folder}/bus"
        text = f'[bus]\nbind = "{bus}"\n'
        for k in range(count):
            os.mkfifo(folder / f"{k}.pcm")
            text += (
                f'[[feeds]]\nname = "f{k}"\nsource = "pcm:{k}.pcm"\nformat = "f32le"\n'
                f"rate = {PCM_SR}\nchannels = 1\n"
            )
        (folder / "venue.toml").write_text(text)
        run = subprocess.Popen(
            [sys.executable, "-m", "streammer", "run", str(folder / "venue.toml")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, name, str(count), str(PCM_SR), str(PIECE_S)]
        )
        try:
            measured = psutil.Process(run.pid)
            delays, lags, seen = _heard(bus, count, 10.0 + count / 20)  # to settle
            before, began = sum(measured.cpu_times()[:2]), time.monotonic()
            delays, lags, seen = _heard(bus, count, seconds)
            cpu = (sum(measured.cpu_times()[:2]) - before) / (time.monotonic() - began)
            memory = measured.memory_info().rss / 1e6
        finally:
            for process in (run, writer):
                process.terminate()
                process.wait()
    return {
        "feeds": count,
        "cores": cpu,
        "ms a step": 1e3 * cpu / max(1.0, len(delays) / seconds),
        "feeds a core": count / cpu,
        "heard": seen,
        "delay_ms p50": float(np.median(delays)),
        "delay_ms p99": float(np.percentile(delays, 99)),
        "lag_ms p99": float(np.percentile(lags, 99)),
        "memory_MB": memory,
    }


def _heard(bus: str, count: int, seconds: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return delays and lags [ms] of the steps of some time, and which share of them came."""
    from streammer.bus.streams import Streams
    from streammer.estimate import MoodEstimate

    delays, lags = [], []
    with Streams(bus) as streams:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for message in streams.read(0.2):
                if isinstance(message, MoodEstimate) and message.state in ("live", "warming"):
                    delays.append(1e3 * (time.time() - message.t_capture))
                    lags.append(message.lag_ms)
    return np.array(delays or [0.0]), np.array(lags or [0.0]), len(delays) / (2 * seconds * count)


def batch_rows(n: int = 20) -> list[dict[str, Any]]:
    """64 steps that are due at once: one by one, and together."""
    clock = SystemClock()
    info = SourceInfo(SR, 2, "music", False, "array")
    models = load_models(["default"], streams=64)
    streams = [Stream(StreamConfig(name=f"s{k}"), models, info, clock) for k in range(64)]
    x = music(n / 2 + 4.0)
    times: dict[str, list[float]] = {"one by one": [], "together": []}
    for k in range(n):
        part = x[k * STEP + (4096 if k else 0) : (k + 1) * STEP + 4096]
        block = Block(part, 0, clock.unix(), t_arrival=clock.monotonic())
        due = [(s, one) for s in streams for one in s.ingest([block], info)]
        began = time.perf_counter()
        if k % 2:
            step_due(due)
        else:
            for one in due:
                step_due([one])
        times["together" if k % 2 else "one by one"].append(
            (time.perf_counter() - began) / max(1, len(due))
        )
    base = float(np.median(times["one by one"]))
    return [
        {
            "64 steps": how,
            "n": len(each),
            "ms a step": 1e3 * float(np.median(each)),
            "times one by one": float(np.median(each)) / base,
        }
        for how, each in times.items()
    ]


def beside_rows(n: int = 200) -> list[dict[str, Any]]:
    """One step alone, in one thread: the whole path, its parts, and what is beside the model."""
    clock = SystemClock()
    info = SourceInfo(SR, 2, "music", False, "array")
    models = load_models(["default"])
    stream = Stream(StreamConfig(), models, info, clock)
    model = models[0].model
    state = model.zero_state()
    x = music(60.0)
    rounds = []
    for k in range(n + 10):
        at = k % 110
        part = x[at * STEP + (4096 if k else 0) : (at + 1) * STEP + 4096]
        block = Block(part, 0, clock.unix(), t_arrival=clock.monotonic())
        t0 = time.perf_counter()
        due = stream.ingest([block], info)
        t1 = time.perf_counter()
        for one in due:
            step_due([(stream, one)])
        t2 = time.perf_counter()
        for one in due:
            features = {key: one.step.features[s][None] for key, s in model.front_ends.items()}
            feeds = {**features, **dict(zip(model.state_shapes, state, strict=True))}
            t3 = time.perf_counter()
            model.session.run(model.output_names, feeds)
            rounds.append((t2 - t0, t1 - t0, t2 - t1, time.perf_counter() - t3))
    whole, sound, step, session = (np.array(part[10:]) for part in zip(*rounds, strict=True))
    base = float(np.median(session))
    return [
        {
            "part": name,
            "p50_ms": 1e3 * float(np.median(t)),
            "times the model": float(np.median(t)) / base,
        }
        for name, t in (
            ("whole path", whole),
            ("sound to features", sound),
            ("features to estimate", step),
            ("of that, the session", session),
            ("beside the session", whole - session),
            ("beside the session, without front ends", step - session),
        )
    ]


def drift_rows(hours: float = 10.0) -> list[dict[str, Any]]:
    """A set of ten hours at fast pace: what a step costs at its end, against its start."""
    clock = SystemClock()
    info = SourceInfo(SR, 2, "music", False, "array")
    stream = Stream(StreamConfig(), load_models(["default"]), info, clock)
    x, probe = music(60.0), np.random.default_rng(0).standard_normal(1 << 15)
    total = round(7200 * hours)
    window = max(60, total // 60)
    costs, references = np.zeros(total), np.zeros(total)
    for k in range(total):
        at = k % 110
        block = Block(x[at * STEP : (at + 1) * STEP], 0, clock.unix(), t_arrival=clock.monotonic())
        began = time.perf_counter()
        for one in stream.ingest([block], info):
            step_due([(stream, one)])
        costs[k] = time.perf_counter() - began
        began = time.perf_counter()
        np.fft.rfft(probe)
        references[k] = time.perf_counter() - began
    rows = []
    first = None
    for name, part in (
        ("start", slice(window // 6, window)),
        ("middle", slice(total // 2, total // 2 + window)),
        ("end", slice(total - window, total)),
    ):
        cost, reference = float(np.median(costs[part])), float(np.median(references[part]))
        first = first or cost / reference
        rows.append(
            {
                "at": name,
                "hours": hours,
                "step_ms": 1e3 * cost,
                "reference_ms": 1e3 * reference,
                "times the start": cost / reference / first,
            }
        )
    return rows


if __name__ == "__main__":
    print(json.dumps(_run(int(sys.argv[1]), float(sys.argv[2])), indent=1))
