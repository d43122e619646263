"""Features in batches with torchaudio, for a GPU; equal to the live front end (parity tested)."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torchaudio

from offline.datasets.audio import read_mono
from streammer.audio.resample import resample
from streammer.errors import InputError, UsageError
from streammer.frontend import FrontEndSpec
from streammer.frontend.filters import window

__all__ = ["batch_features", "batches_of_files"]

_SAMPLES = 2**25
"""Samples that are transformed at once, padding included: some 25 min at 22,050 Hz."""
_FILES = 32


def batches_of_files(
    paths: Sequence[Path], spec: FrontEndSpec, device: str, workers: int = 1
) -> Iterator[tuple[Path, np.ndarray | str]]:
    """Yield the features of every file, computed many at a time, or why there are none.

    Files are read and resampled by `workers` threads while the device computes.

    Raises
    ------
    UsageError
        torch has no such device here.
    """
    try:
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device {device!r} cannot be used here ({reason}); try cpu") from error

    def read(path: Path) -> np.ndarray | str:
        try:
            y, sr = read_mono(path)
            return resample(y, sr, spec.sr)
        except InputError as error:
            return str(error)

    group: list[tuple[Path, np.ndarray]] = []
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for first in range(0, len(paths), _FILES):  # bounds what waits in memory
            some = paths[first : first + _FILES]
            for path, y in zip(some, pool.map(read, some), strict=True):
                if isinstance(y, str):
                    yield path, y
                    continue
                longest = max([len(y), *(len(x) for _, x in group)])
                if group and longest * (len(group) + 1) > _SAMPLES:
                    yield from _computed(group, spec, device)
                    group = []
                group.append((path, y))
            if group:
                yield from _computed(group, spec, device)
                group = []


def _computed(
    group: Sequence[tuple[Path, np.ndarray]], spec: FrontEndSpec, device: str
) -> Iterator[tuple[Path, np.ndarray]]:
    features = batch_features([y for _, y in group], spec, device)
    yield from zip((path for path, _ in group), features, strict=True)


def batch_features(
    signals: Sequence[np.ndarray], spec: FrontEndSpec, device: str = "cuda"
) -> list[np.ndarray]:
    """Features of several signals at once.

    Parameters
    ----------
    signals : sequence of np.ndarray [shape=(n,)], float32
        At ``spec.sr``; padded to the longest inside, cut back in the result.
    spec : FrontEndSpec
    device : str

    Returns
    -------
    list of np.ndarray [shape=(frames, bins)], float32
        As a primed `FrontEnd` gives them: frame k ends at sample (k + 1) * hop_length.
    """
    hop, ahead = spec.hop_length, max(spec.n_fft - spec.hop_length, 0)
    skip = max(spec.hop_length - spec.n_fft, 0)
    longest = max(len(y) for y in signals)
    x = torch.zeros(len(signals), max(ahead + longest - skip, spec.n_fft))
    for row, y in zip(x, signals, strict=True):
        row[ahead : ahead + len(y) - skip] = torch.from_numpy(y[skip:])
    weights = torch.from_numpy(window(spec.window, spec.win_length, spec.n_fft)).float()
    power = torchaudio.functional.spectrogram(
        x.to(device),
        pad=0,
        window=weights.to(device),
        n_fft=spec.n_fft,
        hop_length=hop,
        win_length=spec.n_fft,
        power=spec.power,
        normalized=False,
        center=False,
    )
    filters = torch.from_numpy(spec.filters()).float().to(device)
    bands = torch.einsum("fk,bkt->btf", filters, power)
    bands = _scaled(bands, spec).cpu().numpy()
    return [np.ascontiguousarray(b[: len(y) // hop]) for b, y in zip(bands, signals, strict=True)]


def _scaled(x: torch.Tensor, spec: FrontEndSpec) -> torch.Tensor:
    if spec.kind == "chroma" and spec.frame_norm is not None:
        size = x.amax(-1, True) if spec.frame_norm == "max" else x.norm(dim=-1, keepdim=True)
        x = x / torch.where(size < torch.finfo(torch.float32).tiny, 1.0, size)
    if spec.log == "log1p":
        return torch.log1p(spec.gain * x)
    if spec.log == "none":
        return x
    x = x.clamp_min(spec.floor)
    return {"ln": x.log, "log10": x.log10, "db": lambda: 10 * x.log10()}[spec.log]()
