"""Changed copies of recordings, done to the samples: the same copy for every front end.

Batches change features in the power domain, which is cheap and new in every epoch. A teacher that
has another front end cannot follow that; its copies are made from the sound, a few for each
recording, and kept. Which changes a copy gets follows from the recording's bytes and its number.
"""

from collections.abc import Sequence
from functools import cache as once
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve

from offline.datasets.audio import read_mono
from offline.features.cache import FeatureCache, content_hash, frames_of
from streammer.frontend import FrontEndSpec

__all__ = ["change", "variant_features", "variant_sound"]

VERSION = 1
"""Of the changes; part of every key."""


def variant_sound(audio: Path, number: int) -> tuple[np.ndarray, int]:
    """Return changed copy `number` (from 1) of a recording and its sample rate.

    Raises
    ------
    InputError
        The audio cannot be read.
    """
    y, sr = read_mono(audio)
    return change(y, sr, [int(content_hash(audio), 16), number]), sr


def variant_features(
    cache: FeatureCache, audio: Path, number: int, specs: Sequence[FrontEndSpec]
) -> list[np.ndarray]:
    """Return features of a changed copy, made and kept if they are not there yet.

    Returns
    -------
    list of np.ndarray [shape=(frames, bins)], float32
        One a spec, of the very same sound; read-only and lazily read.
    """
    sound = once(lambda: variant_sound(audio, number))
    kind = f"variant{number}-{VERSION}"
    return [
        cache.derived(audio, spec, kind, lambda spec=spec: frames_of(*sound(), spec))
        for spec in specs
    ]


def change(y: np.ndarray, sr: int, seed: Sequence[int]) -> np.ndarray:
    """Change mono sound as rooms, loudspeakers, codecs and noise do, drawn from a seed.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], float32
    sr : int     [Hz]
    seed : sequence of int

    Returns
    -------
    np.ndarray [shape=(n,)], float32
        Of the same power.
    """
    rng = np.random.default_rng(seed)
    out = _room(y, sr, rng) if rng.random() < 0.35 else y.astype(float)
    out = _filtered(out, sr, rng)
    if rng.random() < 0.5:
        out = out + _noise(len(y), rng) * _rms(out) * 10 ** (-rng.uniform(15, 35) / 20)
    return (out * (_rms(y) / max(_rms(out), 1e-12))).astype(np.float32)


def _rms(y: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(y, dtype=float)))) if len(y) else 0.0


def _room(y: np.ndarray, sr: int, rng: np.random.Generator) -> np.ndarray:
    """Add a diffuse tail of 0.3 to 1.2 s, 2 to 9 dB below the direct sound."""
    t60 = rng.uniform(0.3, 1.2)
    t = np.arange(round(t60 * sr)) / sr
    tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / t60)
    tail[: round(0.008 * sr)] = 0
    tail *= 10 ** (-rng.uniform(2, 9) / 20) / max(np.sqrt((tail**2).sum()), 1e-12)
    tail[0] = 1.0
    return np.asarray(fftconvolve(y, tail)[: len(y)])


def _filtered(y: np.ndarray, sr: int, rng: np.random.Generator) -> np.ndarray:
    """Apply a smooth response (sd 2.5 dB, a slope of 1 dB an octave) and often a band limit."""
    n = len(y) + round(0.1 * sr)  # room for the response to ring out instead of wrapping around
    f = np.maximum(np.fft.rfftfreq(n, 1 / sr), 20.0)
    octave = np.log2(f / 640)
    points = rng.standard_normal(6) * 2.5
    db = np.interp(octave, np.linspace(-4, 5, 6), points) + rng.uniform(-1, 1) * octave
    if rng.random() < 0.4:
        cut = 2500 * 3.6 ** rng.random()
        db = db - np.maximum(np.log2(f / cut), 0) * 24 * 4 ** rng.random()
    if rng.random() < 0.2:
        low = 80 * 4.4 ** rng.random()
        db = db - np.maximum(np.log2(low / f), 0) * 18
    gain = 10 ** (np.maximum(db, -90) / 20)
    return np.asarray(np.fft.irfft(np.fft.rfft(y, n) * gain, n)[: len(y)])


def _noise(n: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit power between white and brown."""
    z = np.fft.rfft(rng.standard_normal(n))
    z *= np.maximum(np.arange(len(z)), 1 + len(z) // 1000) ** -rng.random()
    y = np.fft.irfft(z, n)
    return np.asarray(y / max(_rms(y), 1e-12))
