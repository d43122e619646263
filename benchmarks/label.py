"""`label`: how many times faster than the music plays, on one core, and what decoding alone allows.

Two minutes of music, written as MP3, Ogg Vorbis, FLAC and WAV by libsndfile; medians of n runs
after one that warms the caches.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.engine import SR, music
from streammer.audio.block import SourceEnd
from streammer.clock import SystemClock
from streammer.config import StreamConfig
from streammer.labelling.together import given, label_together, load_for_label
from streammer.labelling.workers import label_files
from streammer.sources.open import open_source

SECONDS = 120.0


def rows(n: int = 5) -> list[dict[str, Any]]:
    """Times real time, one core."""
    table = []
    config = StreamConfig()
    models = load_for_label(config.models)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("wav", "flac", "ogg", "mp3"):
            path = Path(folder) / f"music.{suffix}"
            with soundfile.SoundFile(path, "w", SR, 2) as file:
                # By the second: libsndfile's Vorbis writer overflows its stack on a long one.
                for second in np.split(music(SECONDS), int(SECONDS)):
                    file.write(second)
            whole = _times(lambda p=path: _label([p], config, models), n)
            alone = _times(lambda p=path: _decode(p), n)
            table.append(
                {
                    "from": suffix,
                    "n": n,
                    "label, x real time": SECONDS / float(np.median(whole)),
                    "decoding alone": SECONDS / float(np.median(alone)),
                    "share of decoding": float(np.median(alone) / np.median(whole)),
                }
            )
    return table


def jobs_rows(n: int = 3) -> list[dict[str, Any]]:
    """A folder of 16 files of MP3, processes and their start included."""
    config = StreamConfig()
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for k in range(16):
            paths.append(Path(folder) / f"{k}.mp3")
            soundfile.write(paths[-1], music(60.0), SR)
        times: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(n):
            for jobs, taken in times.items():
                began = time.perf_counter()
                for _, result in label_files(paths, config, jobs=jobs):
                    assert not result.error, result.error
                taken.append(time.perf_counter() - began)
    one = float(np.median(times[1]))
    return [
        {
            "processes": jobs,
            "n": n,
            "x real time": 16 * 60.0 / float(np.median(taken)),
            "times one": one / float(np.median(taken)),
        }
        for jobs, taken in times.items()
    ]


def _label(paths: list[Path], config: StreamConfig, models: Any) -> None:
    for _, result in label_together(given(enumerate(paths)), config, models, steps=False):
        assert not result.error, result.error


def _times(work: Any, n: int) -> list[float]:
    work()
    times = []
    for _ in range(n):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times


def _decode(path: Path) -> None:
    source = open_source(str(path), clock=SystemClock())
    source.open()
    while not isinstance(source.read(1.0), SourceEnd):
        pass
    source.close()
