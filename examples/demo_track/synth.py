"""Pitched instruments: band-limited wavetables, plucked strings, a piano-like struck string.

Every instrument is a function of (pitch, length, …) that returns float64 samples, mono `[n]` or
stereo `[n, 2]`, with its own release included. Nothing here aliases above about 0.45 of the
sampling rate except where distortion is wanted.
"""

from functools import lru_cache

import numpy as np

SR = 44100
"""Sampling rate of the track [Hz]."""

TABLE = 4096


def hz(pitch):
    """Return the frequency of a MIDI pitch [Hz]; 69 is 440 Hz."""
    return 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)


def adsr(length_s, attack, decay, sustain, release):
    """Return an envelope: linear attack, exponential decay and release [s], sustain as a gain."""
    held = max(int(length_s * SR), 1)
    t = np.arange(held) / SR
    body = sustain + (1.0 - sustain) * np.exp(-np.maximum(t - attack, 0.0) / max(decay, 1e-3))
    body *= np.minimum(t / max(attack, 1e-3), 1.0)
    tail = np.arange(int(release * SR)) / SR
    # The release falls by 60 dB and is then forced to an exact zero.
    fall = np.exp(-6.9 * tail / max(release, 1e-3)) * np.linspace(1.0, 0.0, len(tail))
    return np.concatenate([body, body[-1] * fall])


@lru_cache(maxsize=512)
def lowpass_saw(pitch, cutoff, slope):
    """Return one period of a sawtooth without harmonics above 0.45 SR, darkened above `cutoff`."""
    f0 = hz(pitch)
    k = np.arange(1, max(int(0.45 * SR / f0), 1) + 1)
    gains = 1.0 / k / np.sqrt(1.0 + (k * f0 / cutoff) ** (2 * slope))
    spectrum = np.zeros(TABLE // 2 + 1, complex)
    spectrum[k[k < TABLE // 2]] = -1j * gains[k < TABLE // 2]
    period = np.fft.irfft(spectrum) * TABLE
    period /= np.sqrt(np.mean(period**2)) + 1e-9
    return np.append(period, period[0])


def read_table(period, freq, phase):
    """Play a one-period table at `freq` [Hz], a number or an array over time."""
    turns = (phase + np.cumsum(freq) / SR) % 1.0 * TABLE
    whole = turns.astype(np.int64)
    part = turns - whole
    return period[whole] * (1.0 - part) + period[whole + 1] * part


def swept_saw(pitch, envelope, rng, *, dark, bright, sweep_s, cents=9.0, voices=5, vibrato=0.0):
    """Return detuned sawtooth voices, spread in stereo, whose filter closes over `sweep_s`.

    The filter is a cross-fade from a bright table to a dark one: no recursion, no zipper noise.
    """
    n = len(envelope)
    t = np.arange(n) / SR
    open_ = np.exp(-t / sweep_s)
    onset = np.clip(t / 0.6 - 0.3, 0.0, 1.0)
    tables = lowpass_saw(pitch, dark, 2), lowpass_saw(pitch, bright, 1)
    out = np.zeros((n, 2))
    for offset in np.linspace(-1.0, 1.0, voices) if voices > 1 else (0.0,):
        rate, start = 5.2 + rng.uniform(-0.5, 0.5), rng.uniform()
        bend = offset * cents + vibrato * onset * np.sin(2 * np.pi * rate * t + 6.28 * start)
        freq = np.broadcast_to(hz(pitch) * 2.0 ** (bend / 1200.0), n)
        phase = rng.uniform()
        wave = read_table(tables[0], freq, phase) * (1.0 - open_)
        wave += read_table(tables[1], freq, phase) * open_
        angle = (offset * 0.7 + 1.0) * np.pi / 4.0
        out += wave[:, None] * np.array([np.cos(angle), np.sin(angle)])
    return out * envelope[:, None] / np.sqrt(voices)


def plucked(pitch, length_s, rng, *, softness=0.5, ring_s=2.5):
    """Return a Karplus-Strong string: a noise burst in a loop that loses its treble every turn."""
    f0 = hz(pitch)
    n = int((length_s + 0.6) * SR)
    turn = max(int(SR / f0 - 0.5), 2)
    burst = rng.uniform(-1.0, 1.0, turn)
    for _ in range(int(1 + softness * 6)):
        burst = 0.5 * (burst + np.roll(burst, 1))
    burst -= np.roll(burst, turn // 5)  # plucked at a fifth of the string
    burst -= burst.mean()
    burst /= np.abs(burst).max() + 1e-9
    loss = 10.0 ** (-3.0 / (ring_s * f0))
    loop, last = [burst], 0.0
    while len(loop) * turn < n * 1.1:
        previous = loop[-1]
        loop.append(loss * 0.5 * (previous + np.concatenate([[last], previous[:-1]])))
        last = previous[-1]
    y = np.concatenate(loop)
    # The loop is half a sample longer than `turn`; resampling brings it to the exact pitch.
    y = np.interp(np.arange(n) * f0 * (turn + 0.5) / SR, np.arange(len(y)), y)
    return y * adsr(length_s, 0.001, 10.0, 1.0, 0.6)[:n]


@lru_cache(maxsize=256)
def piano(pitch, length_s, velocity=0.7):
    """Return a struck string: stiff partials that decay fast, then slowly, and a soft knock."""
    envelope = adsr(length_s, 0.003, 10.0, 1.0, 0.35)
    n, f0 = len(envelope), hz(pitch)
    t = np.arange(n) / SR
    y = np.zeros(n)
    for k in range(1, 15):
        f = k * f0 * np.sqrt(1.0 + 4e-4 * k * k)
        if f > 0.45 * SR:
            break
        gain = k ** (-1.9 + 0.9 * velocity) * abs(np.sin(np.pi * k / 7.5))
        slow = 2.2 * (220.0 / f0) ** 0.45 / (1.0 + 0.28 * k)
        decay = 0.65 * np.exp(-t / (0.18 * slow)) + 0.35 * np.exp(-t / slow)
        y += gain * decay * (np.sin(2 * np.pi * f * t) + 0.6 * np.sin(2 * np.pi * f * 1.0006 * t))
    knock = np.sin(2 * np.pi * 90.0 * t) * np.exp(-t / 0.012)
    return (y + 0.25 * knock) * envelope * velocity


@lru_cache(maxsize=64)
def bell(pitch, length_s):
    """Return a soft two-operator FM bell."""
    envelope = adsr(length_s, 0.002, length_s * 0.5, 0.0, 0.4)
    t = np.arange(len(envelope)) / SR
    inner = np.sin(2 * np.pi * hz(pitch) * 3.0 * t) * np.exp(-t / 0.15)
    return np.sin(2 * np.pi * hz(pitch) * t + 1.1 * inner) * envelope
