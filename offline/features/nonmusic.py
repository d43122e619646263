"""Sounds that are no music, synthetic: noise, hum, tones, clicks, babble of a synthetic voice.

Trained on them, the live model predicts the middle with a large sigma without any
recording; real speech and noise stay untouched for evaluation.
"""

import numpy as np
from scipy.signal import lfilter

__all__ = ["KINDS", "SR", "make_sound", "not_music"]

SR = 22050
KINDS = (
    "noise", "noise", "noise", "hum", "tone", "sweep", "clicks", "bursts",
    "voice", "voice", "voice",
)  # fmt: skip
"""Kinds in turn; voice and noise are the commonest outside, so here too."""


def make_sound(kind: str, rng: np.random.Generator, seconds: float = 10.0) -> np.ndarray:
    """One sound [shape=(n,)], float32, at `SR`, peak between -30 and 0 dBFS.

    Parameters
    ----------
    kind : one of `KINDS`
    rng : np.random.Generator
    seconds : float     [s]
    """
    n = round(seconds * SR)
    y = _MAKERS[kind](n, rng)
    y = y + 10 ** rng.uniform(-5, -2.5) * rng.standard_normal(n)  # no recording is clean
    return (y / (np.abs(y).max() + 1e-9) * 10 ** rng.uniform(-1.5, 0)).astype(np.float32)


def not_music(k: int, seed: int = 0, seconds: float = 10.0) -> np.ndarray:
    """Make the k-th of an endless row of sounds, all kinds in turn, the same for the same seed."""
    return make_sound(KINDS[k % len(KINDS)], np.random.default_rng([seed, k]), seconds)


def _coloured(n: int, rng: np.random.Generator, slope: float) -> np.ndarray:
    z = np.fft.rfft(rng.standard_normal(n))
    f = np.maximum(np.arange(len(z)) * SR / n, 20.0)
    y = np.fft.irfft(z * f ** (-slope / 2), n)
    return y / y.std()


def _noise(n: int, rng: np.random.Generator) -> np.ndarray:
    y = _coloured(n, rng, rng.choice([0.0, 1.0, rng.uniform(0, 2)]))
    if rng.random() < 0.5:  # steady, or slowly breathing like surf or traffic
        y = y * (1 + 0.8 * np.sin(2 * np.pi * rng.uniform(0.05, 0.6) * np.arange(n) / SR))
    return y


def _hum(n: int, rng: np.random.Generator) -> np.ndarray:
    f0, t = rng.choice([50.0, 60.0, 100.0, 120.0]), np.arange(n) / SR
    y = sum(
        rng.uniform(0, 1) / k**0.7 * np.sin(2 * np.pi * f0 * k * t + rng.uniform(0, 6.3))
        for k in range(1, 14)
    )
    return np.asarray(y) + 10 ** rng.uniform(-2.5, -0.5) * _coloured(n, rng, 1)


def _tone(n: int, rng: np.random.Generator) -> np.ndarray:
    f0, t = 40 * 100 ** rng.random(), np.arange(n) / SR
    harmonics = rng.integers(1, 6)
    y = sum(np.sin(2 * np.pi * f0 * k * t) / k for k in range(1, harmonics + 1) if f0 * k < 1e4)
    return np.asarray(y) * (1 if rng.random() < 0.6 else (t % rng.uniform(0.3, 2) < 0.2))


def _sweep(n: int, rng: np.random.Generator) -> np.ndarray:
    low, high = 60 * 4 ** rng.random(), 2000 * 4 ** rng.random()
    period = rng.uniform(1, 10)
    f = low * (high / low) ** (np.abs((np.arange(n) / SR / period) % 2 - 1))
    return np.sin(2 * np.pi * np.cumsum(f) / SR)


def _clicks(n: int, rng: np.random.Generator) -> np.ndarray:
    y = np.zeros(n)
    y[rng.integers(0, n, round(n / SR * 10 ** rng.uniform(-0.3, 1.3)))] = 1
    return lfilter([1.0], [1, -rng.uniform(0.3, 0.95)], y)


def _bursts(n: int, rng: np.random.Generator) -> np.ndarray:
    """Irregular short noises, as of a kitchen, steps or a crowd."""
    y = 0.02 * _coloured(n, rng, 1)
    for _ in range(round(n / SR * rng.uniform(0.5, 6))):
        at, size = rng.integers(0, n), round(SR * rng.uniform(0.02, 0.5))
        labelled = _coloured(size, rng, rng.uniform(0, 1.5)) * np.exp(-np.linspace(0, 6, size))
        y[at : at + size] += rng.uniform(0.1, 1) * labelled[: n - at]
    return y


def _voice(n: int, rng: np.random.Generator) -> np.ndarray:
    """Syllables of a synthetic speaker: a gliding buzz or hiss through moving formants."""
    f0 = 90 * 2.6 ** rng.random()
    size = rng.uniform(0.85, 1.2)
    out = np.zeros(n)
    at = 0
    while at < n:
        if rng.random() < 0.12:
            at += round(SR * rng.uniform(0.15, 0.8))  # breath
            continue
        long = round(SR * rng.uniform(0.09, 0.32))
        glide = np.linspace(rng.uniform(0.85, 1.25), rng.uniform(0.8, 1.15), long)
        phase = np.cumsum(f0 * glide * (1 + 0.01 * rng.standard_normal(long)) / SR)
        buzz = lfilter([1.0], [1, -0.95], (np.diff(np.floor(phase), prepend=0) > 0).astype(float))
        y = buzz + 0.02 * rng.standard_normal(long)
        for centre, width in zip(
            size * np.array([rng.uniform(280, 850), rng.uniform(850, 2300), 2700, 3600]),
            (80, 110, 160, 250),
            strict=True,
        ):
            r = np.exp(-np.pi * width / SR)
            y = lfilter([1 - r], [1, -2 * r * np.cos(2 * np.pi * centre / SR), r * r], y) + 0.1 * y
        if rng.random() < 0.35:  # a consonant that hisses
            hiss = round(SR * rng.uniform(0.04, 0.12))
            s = lfilter([1, -0.95], [1], rng.standard_normal(hiss)) * np.hanning(hiss)
            y = np.concatenate((s * y.std() * rng.uniform(0.3, 1.2), y))
        y = y * np.minimum(1, np.minimum(np.arange(len(y)), np.arange(len(y))[::-1]) / (0.015 * SR))
        y = y[: n - at]
        out[at : at + len(y)] += y / (np.abs(y).max() + 1e-9) * rng.uniform(0.5, 1)
        at += round(len(y) * rng.uniform(0.9, 1.1)) + 1
    if rng.random() < 0.3:
        out = out + 10 ** rng.uniform(-2, -1) * _coloured(n, rng, 1)
    return out


_MAKERS = {
    "noise": _noise,
    "hum": _hum,
    "tone": _tone,
    "sweep": _sweep,
    "clicks": _clicks,
    "bursts": _bursts,
    "voice": _voice,
}
