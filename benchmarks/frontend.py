"""The front end: mel frames of n_fft 2048, hop 882 at 44.1 kHz (20 ms), 128 Slaney bands, float32.

Every path of a table runs in turn, round after round, in one process; `us` is the median over all
calls and `p99_us` the 99th percentile, per frame. `ratio` is a path's median in a round over
streammer's in the same round, the median of the rounds: above 1, streammer is faster. `error_db` is
the largest difference to numpy in float64, in bands within 70 dB of a frame's loudest; empty where
the path computes something else. Input: Gaussian noise of seed 0, standard deviation 0.1.
essentia and aubio are measured where they are installed (`pip install essentia aubio`; aubio is
built from its source).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from streammer.audio.resample import Resampler
from streammer.frontend import FrontEnd, FrontEndSpec, filters

Row = dict[str, Any]
Path = Callable[[], Any]  # computes some frames once

SEED = 0
SR, N_FFT, HOP, BANDS = 44100, 2048, 882, 128
SPEC = FrontEndSpec("mel", SR, N_FFT, HOP, BANDS)
ROUNDS = 15
MEASURED = "streammer"


def bulk_rows() -> list[Row]:
    """Mel in bulk: 30 s at once, per frame."""
    return _table(n_frames=1500, calls=3, peers=("scipy_rfft", "librosa", "torchaudio"))


def step_rows() -> list[Row]:
    """Mel in steps of 25 frames (0.5 s), per frame."""
    peers = ("scipy_rfft", "librosa", "torchaudio", "essentia", "aubio")
    return _table(n_frames=25, calls=20, peers=peers)


def hop_rows() -> list[Row]:
    """Mel fed hop by hop (20 ms), per frame."""
    peers = ("scipy_rfft", "numpy_rfft", "librosa", "torchaudio", "essentia", "aubio")
    return _table(n_frames=1, calls=100, peers=peers)


def kind_rows() -> list[Row]:
    """Every kind of front end: microseconds per frame in bulk, in steps of 25, hop by hop."""
    specs = {
        "mel 44.1 kHz, 2048, 128 bands": SPEC,
        "mel 22.05 kHz, 1024, 80 bands (live model)": FrontEndSpec(
            "mel", 22050, 1024, 441, 80, fmin=30.0, fmax=11000.0
        ),
        "mel 12 kHz, 512, 96 bands, dB": FrontEndSpec("mel", 12000, 512, 250, 96, log="db"),
        "mel 16 kHz, 400, 80 bands, log10": FrontEndSpec("mel", 16000, 400, 160, 80, log="log10"),
        "chroma 22.05 kHz, 4096": FrontEndSpec("chroma", 22050, 4096, 441, 12, frame_norm="max"),
        "stft 22.05 kHz, 2048": FrontEndSpec("stft", 22050, 2048, 441, 1025),
    }
    rows = []
    for name, spec in specs.items():
        row: Row = {"front end": name}
        for column, n_frames, calls in (("bulk", 1000, 3), ("25 frames", 25, 40), ("hop", 1, 300)):
            fe = FrontEnd(spec)
            fe.prime()
            y = noise(n_frames * spec.hop_length)
            times = durations(lambda fe=fe, y=y: fe.push(y), calls * 5)
            row[f"{column}_us"] = float(np.median(times)) / n_frames
        row["real_time_factor"] = row["25 frames_us"] * 1e-6 * spec.sr / spec.hop_length
        rows.append(row)
    return rows


def resampler_rows() -> list[Row]:
    """The resampler to 22.05 kHz: microseconds per 20 ms block, and how long a sample waits."""
    rows = []
    for sr in (48000, 44100, 32000, 16000, 8000):
        r = Resampler(sr, 22050)
        y = noise(sr // 50)
        times = durations(lambda r=r, y=y: r.push(y), 1000)
        rows.append(
            {
                "from_hz": sr,
                "mean_us": float(np.mean(times)),
                "p99_us": float(np.percentile(times, 99)),
                "real_time_factor": float(np.mean(times)) / 20e3,
                "latency_ms": 1000 * r.latency_s,
            }
        )
    return rows


def start_rows() -> list[Row]:
    """From nothing to a front end that is ready, in a fresh process, in seconds."""
    spec = f"'mel', {SR}, {N_FFT}, {HOP}, {BANDS}"
    code = (
        "import json, time; t = [time.perf_counter()]\n"
        "from streammer.frontend import FrontEnd, FrontEndSpec; t.append(time.perf_counter())\n"
        f"FrontEnd(FrontEndSpec({spec})); t.append(time.perf_counter())\n"
        "print(json.dumps(t))"
    )
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        for what in ("kernels compiled (once per installation)", "kernels read from the cache"):
            done = subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "NUMBA_CACHE_DIR": cache},
                capture_output=True,
                text=True,
                check=True,
            )
            begin, imported, ready = json.loads(done.stdout)
            rows.append({"what": what, "import_s": imported - begin, "ready_s": ready - begin})
    return rows


def _table(*, n_frames: int, calls: int, peers: tuple[str, ...]) -> list[Row]:
    """Time streammer and its peers on the same frames, interleaved."""
    y = noise(N_FFT + (n_frames - 1) * HOP)
    makers: dict[str, Callable[..., tuple[Path, Any]]] = {
        MEASURED: _streammer,
        **{name: globals()[f"_{name}"] for name in peers},
    }
    paths: dict[str, Path] = {}
    rows: list[Row] = []
    expected = _expected(y)
    for name, make in makers.items():
        row: Row = {"path": name.replace("_", " "), "us": None, "p99_us": None, "ratio": None}
        row["error_db"] = None
        row["note"] = ""
        rows.append(row)
        try:
            paths[name], mel = make(y)
        except ImportError:
            row["note"] = "not installed"
            continue
        if mel is None:
            row["note"] = make.__doc__
        else:
            row["error_db"] = _error_db(mel, expected)
    times: dict[str, list[Any]] = {name: [] for name in paths}
    for _ in range(ROUNDS):
        for name, path in paths.items():
            times[name].append(durations(path, calls) / n_frames)
    medians = {name: np.median(np.array(t), axis=1) for name, t in times.items()}
    for name, row in zip(makers, rows, strict=True):
        if name in paths:
            row["us"] = float(np.median(np.concatenate(times[name])))
            row["p99_us"] = float(np.percentile(np.concatenate(times[name]), 99))
            row["ratio"] = float(np.median(medians[name] / medians[MEASURED]))
    return rows


def durations(path: Path, calls: int) -> Any:
    """Return the durations of so many calls, after some to warm up [us]."""
    for _ in range(max(1, calls // 10)):
        path()
    times = np.empty(calls)
    for i in range(calls):
        begin = time.perf_counter_ns()
        path()
        times[i] = time.perf_counter_ns() - begin
    return times / 1e3


def noise(n: int) -> Any:
    return (0.1 * np.random.default_rng(SEED).standard_normal(n)).astype(np.float32)


def _frames(y: Any) -> Any:
    return np.lib.stride_tricks.sliding_window_view(y, N_FFT)[::HOP]


def _expected(y: Any) -> Any:
    w = filters.window("hann", N_FFT, N_FFT)
    return np.abs(np.fft.rfft(_frames(y).astype(np.float64) * w)) ** 2 @ SPEC.filters().T


def _error_db(mel: Any, expected: Any) -> float:
    near = expected > expected.max(axis=1, keepdims=True) * 1e-7
    return float(np.abs(10 * np.log10(mel[near].astype(np.float64) / expected[near])).max())


def _streammer(y: Any) -> tuple[Path, Any]:
    mel = FrontEnd(SPEC).push(y)
    fe = FrontEnd(SPEC)
    fe.prime()
    # as in a stream: the window's past is there already, and only the new samples come
    new = y[: mel.shape[0] * HOP]
    return (lambda: fe.push(new)), mel


def _scipy_rfft(y: Any) -> tuple[Path, Any]:
    """the bare transform, float32"""
    import scipy.fft

    x = np.ascontiguousarray(_frames(y))
    return (lambda: scipy.fft.rfft(x)), None


def _numpy_rfft(y: Any) -> tuple[Path, Any]:
    """the bare transform, float32"""
    x = np.ascontiguousarray(_frames(y))
    return (lambda: np.fft.rfft(x)), None


def _librosa(y: Any) -> tuple[Path, Any]:
    """feature.melspectrogram, center=False"""
    import librosa

    def path() -> Any:
        return librosa.feature.melspectrogram(
            y=y, sr=SR, n_fft=N_FFT, hop_length=HOP, n_mels=BANDS, center=False
        )

    return path, path().T


def _torchaudio(y: Any) -> tuple[Path, Any]:
    """transforms.MelSpectrogram, center=False"""
    import torch
    import torchaudio

    torch.set_num_threads(1)
    mel = torchaudio.transforms.MelSpectrogram(
        SR, N_FFT, hop_length=HOP, n_mels=BANDS, center=False, norm="slaney", mel_scale="slaney"
    )
    x = torch.from_numpy(y)

    def path() -> Any:
        with torch.inference_mode():
            return mel(x)

    return path, path().numpy().T


def _essentia(y: Any) -> tuple[Path, Any]:
    """Windowing, Spectrum and MelBands frame by frame; its own bands"""
    import essentia
    import essentia.standard as es

    essentia.log.infoActive = False
    window, spectrum = es.Windowing(type="hann", size=N_FFT), es.Spectrum(size=N_FFT)
    bands = es.MelBands(
        numberBands=BANDS, sampleRate=SR, inputSize=1 + N_FFT // 2, highFrequencyBound=SR / 2
    )
    frames = list(np.ascontiguousarray(_frames(y)))
    return (lambda: [bands(spectrum(window(frame))) for frame in frames]), None


def _aubio(y: Any) -> tuple[Path, Any]:
    """pvoc and filterbank hop by hop; its own bands"""
    import aubio

    pvoc, bank = aubio.pvoc(N_FFT, HOP), aubio.filterbank(BANDS, N_FFT)
    bank.set_mel_coeffs(SR, 0, SR / 2)
    hops = list(y[: _frames(y).shape[0] * HOP].reshape(-1, HOP))
    return (lambda: [bank(pvoc(hop)) for hop in hops]), None
