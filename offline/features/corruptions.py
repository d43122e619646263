"""What may happen to sound on its way, done to the samples: for scoring, never for training."""

import io
from collections.abc import Callable

import numpy as np
import soundfile
from scipy.signal import butter, fftconvolve, sosfiltfilt

from streammer.audio.resample import resample

__all__ = ["CHANGES"]

SR = 22050


def _gain(db: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda y: (y * 10 ** (db / 20)).astype(np.float32)


def _low_pass(y: np.ndarray) -> np.ndarray:
    return sosfiltfilt(butter(6, 4000, fs=SR, output="sos"), y).astype(np.float32)


def _mp3(y: np.ndarray) -> np.ndarray:
    """64 kbit/s, constant, at 44.1 kHz, and back."""
    buffer = io.BytesIO()
    up = resample(y, SR, 2 * SR)
    # libsndfile spreads 320 .. 32 kbit/s over compression levels 0 .. 1
    soundfile.write(
        buffer, up, 2 * SR, format="MP3", subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT", compression_level=(320 - 64) / (320 - 32),
    )  # fmt: skip
    buffer.seek(0)
    back, _ = soundfile.read(buffer, dtype="float32")
    return resample(np.ascontiguousarray(back[: 2 * len(y)]), 2 * SR, SR)


def _room(y: np.ndarray) -> np.ndarray:
    """Put sound into a room of 0.6 s: direct sound and a diffuse tail 3 dB below it."""
    rng = np.random.default_rng(5)
    t = np.arange(round(0.8 * SR)) / SR
    tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / 0.6)
    tail[: round(0.008 * SR)] = 0
    tail *= 10 ** (-3 / 20) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    return fftconvolve(y, tail)[: len(y)].astype(np.float32)


def _pink(y: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(6)
    z = np.fft.rfft(rng.standard_normal(len(y)))
    f = np.maximum(np.arange(len(z)) * SR / len(y), 20.0)
    noise = np.fft.irfft(z / np.sqrt(f), len(y))
    noise *= np.sqrt((y.astype(float) ** 2).mean() / (noise**2).mean()) * 10 ** (-20 / 20)
    return (y + noise).astype(np.float32)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gain +12 dB": _gain(12),
    "gain -12 dB": _gain(-12),
    "low-pass 4 kHz": _low_pass,
    "MP3 64 kbit/s": _mp3,
    "room": _room,
    "pink noise 20 dB": _pink,
}
"""Changes of mono sound at 22,050 Hz."""
