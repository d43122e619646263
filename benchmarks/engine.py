"""One step of the whole pipeline, the start of the program, and what it keeps in memory.

A step is 0.5 s of stereo sound at 44.1 kHz: block in, down-mix, resampling, both front ends, model,
post-processing, estimate. Its peer computes the mel frames of the last 10 s again with librosa and
steps a small recurrent network in torch over them, as programs without incremental features do.
Starts and memory are those of `streammer listen` in a process of its own.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from streammer.audio.block import Block, SourceInfo
from streammer.clock import SystemClock
from streammer.config import StreamConfig
from streammer.engine.batch import step_due
from streammer.engine.stream import Stream
from streammer.inference.loading import load_models

SR = 44100
STEP = SR // 2
WARM_UP = 20
SEED = 0


def music(seconds: float) -> np.ndarray:
    """Chords over a beat [shape=(n, 2)], float32."""
    rng = np.random.default_rng(SEED)
    t = np.arange(round(seconds * SR)) / SR
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 277.2, 329.6)) / 3
    y = 0.25 * chord + 0.1 * np.exp(-8 * (t % 0.5)) * rng.standard_normal(t.size)
    return np.repeat(y[:, None], 2, axis=1).astype(np.float32)


def step_rows(n: int = 200) -> list[dict[str, Any]]:
    """One step of 500 ms, one thread [ms]."""
    x = music(10.0 + 0.5 * (n + WARM_UP))
    ours = _pipeline_steps(x, n, "default")
    table = [
        _row("streammer, whole pipeline, model default", ours, ours),
        _row("of that, the model", _model_steps(n, "default"), ours),
        _row("streammer, whole pipeline, model small", _pipeline_steps(x, n, "small"), ours),
        _row("of that, the model", _model_steps(n, "small"), ours),
    ]
    try:
        theirs = _recomputed_steps(x, max(20, n // 5))
    except ImportError as error:
        return [*table, {**dict.fromkeys(table[0]), "what": f"librosa + torch: {error}"}]
    return [*table, _row("librosa + torch over the last 10 s", theirs, ours)]


def _model_steps(n: int, name: str) -> np.ndarray:
    (loaded,) = load_models([name])
    rng = np.random.default_rng(SEED)
    features = {
        key: rng.random((1, spec.frames_per_step(0.5), spec.n_bins), np.float32)
        for key, spec in loaded.model.front_ends.items()
    }
    slot = loaded.backend.acquire()
    times = []
    for _ in range(n + WARM_UP):
        began = time.perf_counter()
        loaded.backend.step([slot], features)
        times.append(time.perf_counter() - began)
    return np.array(times[WARM_UP:]) * 1e3


def _pipeline_steps(x: np.ndarray, n: int, name: str) -> np.ndarray:
    clock = SystemClock()
    info = SourceInfo(SR, 2, "music", False, "array")
    stream = Stream(StreamConfig(), load_models([name]), info, clock)
    times = []
    for k in range(n + WARM_UP):
        # Blocks end a little after the step, where the resampler lets go of its last frame.
        part = x[k * STEP + (4096 if k else 0) : (k + 1) * STEP + 4096]
        block = Block(part, 0, clock.unix(), t_arrival=clock.monotonic())
        began = time.perf_counter()
        for due in stream.ingest([block], info):
            step_due([(stream, due)])
        times.append(time.perf_counter() - began)
    return np.array(times[WARM_UP:]) * 1e3


def _recomputed_steps(x: np.ndarray, n: int) -> np.ndarray:
    import librosa
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    gru = torch.nn.GRU(128, 64, batch_first=True)
    head = torch.nn.Linear(64, 4)
    mono = x.mean(1)
    times = []
    for k in range(n + 3):
        window = mono[k * STEP : k * STEP + 10 * SR]
        began = time.perf_counter()
        mel = librosa.feature.melspectrogram(
            y=window, sr=SR, n_fft=2048, hop_length=882, n_mels=128, center=False
        )
        with torch.inference_mode():
            frames = torch.from_numpy(np.log(mel.T + 1e-10))[None]
            head(gru(frames)[0][:, -1])
        times.append(time.perf_counter() - began)
    return np.array(times[3:]) * 1e3


def _row(what: str, times: np.ndarray, base: np.ndarray) -> dict[str, Any]:
    median = float(np.median(times))
    return {
        "what": what,
        "n": len(times),
        "p50_ms": median,
        "p99_ms": float(np.percentile(times, 99)),
        "max_ms": float(times.max()),
        "times streammer": median / float(np.median(base)),
    }


def start_rows(n: int = 5) -> list[dict[str, Any]]:
    """From the command to its first estimate, warm caches [s]."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "music.wav"
        soundfile.write(path, music(5.0), SR)
        _first_estimate(path)
        times = [_first_estimate(path) for _ in range(n)]
    return [
        {
            "what": "streammer listen FILE --pace fast",
            "n": n,
            "p50_s": float(np.median(times)),
            "max_s": max(times),
        }
    ]


def _first_estimate(path: Path) -> float:
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "streammer", "listen", str(path), "--pace", "fast"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        return time.perf_counter() - began


def memory_rows(hours: float = 1.0) -> list[dict[str, Any]]:
    """Resident memory of `listen` over an hour of sound from a pipe, at fast pace [MiB]."""
    import psutil

    x = music(60.0).tobytes()
    minutes = round(60 * hours)
    seen: dict[int, float] = {}
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "streammer", "listen", "-", "--pace", "fast"),
            *("--rate", str(SR), "--channels", "2", "--bind", "tcp://127.0.0.1:*"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        measured = psutil.Process(process.pid)
        for minute in range(minutes):
            process.stdin.write(x)
            seen[minute + 1] = measured.memory_info().rss / 2**20
        process.stdin.close()
    marks = [m for m in (1, 5, minutes // 2, minutes) if m in seen]
    return [
        {
            "after minutes of sound": m,
            "resident_MiB": seen[m],
            "growth_MiB": seen[m] - seen[marks[1]],
        }
        for m in marks[1:]
    ]
