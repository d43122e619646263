"""The front end's kernels: plain numba loops over sixteen frames, which LLVM vectorises itself.

`us` is the least of many calls, per frame, every path in turn, in one process on one thread;
numpy is its batched rfft and reduceat. `compile_s` is the processor time of the first front end of
an installation, `resident_mb` what a process takes that is ready, its kernels read from the cache.
Input: Gaussian noise of seed 0, standard deviation 0.1.

Up to revision a6516c1 the kernels emitted LLVM vector code from Python, in 678 lines of three
files. Both were measured call by call in turn (AMD EPYC of the Zen 4 family, numba 0.68.1, a busy
machine), in microseconds per frame, before and since:

| bands | bulk | steps of 25 | portions of 5 | hop by hop |
| --- | --- | --- | --- | --- |
| 128 | 1.71, 1.84 | 1.89, 2.12 | 5.09, 5.36 | 7.85, 26.1 |
| 80 | .85, .87 | 1.06, 1.15 | 2.93, 3.00 | 5.71, 14.7 |

Compiled for AVX2 or SSE2 alone, the loops take .85 to .97 of the time of before.

To compile took 9.2 s of processor time then and 5.4 s since, interleaved too; resident were 191 MiB
and 190 MiB, which are numba's and LLVM's own. A single frame takes the places of sixteen: only who
feeds single hops pays for that, and streams transform portions of at least five frames.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.frontend import durations, noise
from streammer.frontend import FrontEnd, FrontEndSpec, filters, kernels

Row = dict[str, Any]
Run = Callable[[], Any]  # computes some frames once

ROUNDS = 15
MEASURED = "streammer"


def rows() -> list[Row]:
    """The kernels beside numpy and librosa: least time per frame, and what they cost to start."""
    specs = {
        128: FrontEndSpec("mel", 44100, 2048, 882, 128),
        80: FrontEndSpec("mel", 22050, 1024, 441, 80, fmin=30.0, fmax=11000.0),
    }
    makers = {MEASURED: _pushed, "numpy rfft, reduceat": _reduceat, "librosa": _melspectrogram}
    table: dict[str, Row] = {name: {"path": name} for name in makers}
    for bands, spec in specs.items():
        for what, n_frames, calls in (("25 frames", 25, 40), ("bulk", 1500, 2)):
            y = noise(spec.n_fft + (n_frames - 1) * spec.hop_length)
            paths = {name: make(spec, y) for name, make in makers.items()}
            least = dict.fromkeys(paths, np.inf)
            for _ in range(ROUNDS):
                for name, path in paths.items():
                    least[name] = min(least[name], float(durations(path, calls).min()))
            for name, us in least.items():
                table[name][f"{bands} bands, {what} us"] = us / n_frames
    lines = len(Path(kernels.__file__).read_text().splitlines())
    compile_s, resident_mb = _start_of_the_kernels()
    for name, row in table.items():
        ours = name == MEASURED
        row["compile_s"] = compile_s if ours else None
        row["lines"] = lines if ours else None
        row["resident_mb"] = resident_mb if ours else _resident_mb(name.split()[0])
    return list(table.values())


def _pushed(spec: FrontEndSpec, y: Any) -> Run:
    fe = FrontEnd(spec)
    out = np.empty((y.size // spec.hop_length + 1, spec.n_bins), np.float32)

    def path() -> Any:
        fe.reset()
        return fe.push(y, out)

    return path


def _reduceat(spec: FrontEndSpec, y: Any) -> Run:
    window = filters.window("hann", spec.n_fft, spec.n_fft).astype(np.float32)
    rows = [np.flatnonzero(row) for row in spec.filters()]
    bins = np.concatenate(rows)
    weights = np.concatenate([f[b] for f, b in zip(spec.filters(), rows, strict=True)])
    weights = weights.astype(np.float32)
    starts = np.cumsum([0, *(r.size for r in rows[:-1])])

    def path() -> Any:
        x = np.lib.stride_tricks.sliding_window_view(y, spec.n_fft)[:: spec.hop_length]
        z = np.fft.rfft(x * window)
        power = z.real * z.real + z.imag * z.imag
        return np.add.reduceat(power[:, bins] * weights, starts, axis=1)

    return path


def _melspectrogram(spec: FrontEndSpec, y: Any) -> Run:
    import librosa

    return lambda: librosa.feature.melspectrogram(
        y=y, sr=spec.sr, n_fft=spec.n_fft, hop_length=spec.hop_length, n_mels=spec.n_bins,
        fmin=spec.fmin, fmax=spec.fmax, center=False,
    )  # fmt: skip


_RESIDENT = (
    "import re; from pathlib import Path\n"
    "kib = int(re.search(r'VmRSS:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
    "print(kib / 1024)\n"
)


def _start_of_the_kernels() -> tuple[float, float]:
    """Return processor seconds to compile the kernels, and MiB resident when they are cached."""
    code = (
        "import time\n"
        "from streammer.frontend import FrontEnd, FrontEndSpec\n"
        "import numba\n"
        "numba.njit(lambda x: x + 1)(1)\n"  # what numba itself takes to start
        "began = time.process_time()\n"
        "FrontEnd(FrontEndSpec('mel', 22050, 1024, 441, 80))\n"
        "print(time.process_time() - began)\n"
    )
    with tempfile.TemporaryDirectory() as cache:
        first = _output(code, NUMBA_CACHE_DIR=cache)
        second = _output(code.replace("numba.njit(lambda x: x + 1)(1)\n", "") + _RESIDENT,
                         NUMBA_CACHE_DIR=cache)  # fmt: skip
    return first[0], second[1]


def _resident_mb(module: str) -> float:
    use = "librosa.feature.melspectrogram(y=numpy.zeros(4096, 'f4'), sr=22050)\n"
    return _output(f"import numpy, {module}\n" + (use if module == "librosa" else "") + _RESIDENT)[
        0
    ]


def _output(code: str, **environment: str) -> list[float]:
    """Return the numbers that a program prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(line) for line in done.stdout.split()]
