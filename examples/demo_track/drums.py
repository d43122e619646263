"""Drums: swept sines for skins, shaped noise for wires and metal."""

import numpy as np

from .effects import band
from .synth import SR


def _time(length_s):
    return np.arange(int(length_s * SR)) / SR


def kick(*, start_hz=150.0, end_hz=48.0, length_s=0.34, click=0.25):
    """Return a bass drum: a sine that falls in pitch, and a click."""
    t = _time(length_s)
    freq = end_hz + (start_hz - end_hz) * np.exp(-t / 0.028)
    body = np.sin(2 * np.pi * np.cumsum(freq) / SR) * np.exp(-t / (0.4 * length_s))
    body += click * np.sin(2 * np.pi * 2200.0 * t) * np.exp(-t / 0.003)
    return np.tanh(1.6 * body) * np.minimum((length_s - t) / 0.02, 1.0)


def snare(rng, *, tone_hz=185.0, length_s=0.24):
    """Return a snare drum: two membrane modes under the rattle of the wires."""
    t = _time(length_s)
    tone = np.sin(2 * np.pi * tone_hz * t) + 0.6 * np.sin(2 * np.pi * 1.6 * tone_hz * t)
    wires = band(rng.standard_normal(len(t)), 900.0, 9500.0)
    hit = 0.8 * tone * np.exp(-t / 0.05) + 0.9 * wires * np.exp(-t / 0.075)
    return np.tanh(hit) * np.minimum((length_s - t) / 0.02, 1.0)


def clap(rng):
    """Return a hand clap: three quick bursts, then the room."""
    t = _time(0.3)
    shape = sum(np.exp(-np.maximum(t - d, 0) / 0.008) * (t >= d) for d in (0.0, 0.011, 0.021))
    shape = shape + 1.1 * np.exp(-np.maximum(t - 0.03, 0) / 0.07) * (t >= 0.03)
    return band(rng.standard_normal(len(t)), 800.0, 6500.0) * shape * 0.6


def hat(rng, *, ring_s=0.035):
    """Return a hi-hat: the treble of noise and of six clashing squares."""
    t = _time(min(8 * ring_s, 0.5))
    ratios = (2.0, 3.0, 4.16, 5.43, 6.79, 8.21)
    metal = sum(np.sign(np.sin(2 * np.pi * 520.0 * r * t)) for r in ratios) / 6.0
    noise = band(metal + 0.8 * rng.standard_normal(len(t)), 7000.0, 16000.0)
    return noise * np.exp(-t / ring_s)


def crash(rng, length_s=2.2):
    """Return a crash cymbal."""
    t = _time(length_s)
    noise = band(rng.standard_normal(len(t)), 3000.0, 15000.0)
    return noise * np.exp(-t / (0.28 * length_s)) * np.minimum((length_s - t) / 0.1, 1.0)


def tom(freq, length_s=0.4):
    """Return a tom-tom."""
    t = _time(length_s)
    glide = freq * (1.0 + 0.5 * np.exp(-t / 0.04))
    fade = np.minimum((length_s - t) / 0.03, 1.0)
    return np.sin(2 * np.pi * np.cumsum(glide) / SR) * np.exp(-t / 0.13) * fade


def riser(rng, length_s):
    """Return noise that swells and brightens towards its end."""
    t = _time(length_s)
    noise = rng.standard_normal(len(t))
    x = t / length_s
    low, high = band(noise, 300.0, 2500.0), band(noise, 2000.0, 12000.0)
    return (low * (1 - x) + high * x) * x**2.5
