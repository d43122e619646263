"""Filters, chorus, reverb, distortion, and the loudness at which the track is mastered."""

import numpy as np

from .synth import SR


def band(y, low, high, slope=2):
    """Pass `low` .. `high` [Hz] by a smooth gain in the frequency domain (zero phase), axis 0."""
    n = len(y)
    size = -(-(n + 2048) // 4096) * 4096
    f = np.maximum(np.fft.rfftfreq(size, 1.0 / SR), 1e-3)
    gain = 1.0 / np.sqrt(1.0 + (low / f) ** (2 * slope)) / np.sqrt(1.0 + (f / high) ** (2 * slope))
    gain = gain if y.ndim == 1 else gain[:, None]
    return np.fft.irfft(np.fft.rfft(y, size, axis=0) * gain, size, axis=0)[:n]


def chorus(y, *, depth_ms=3.0, rate_hz=0.5, mix=0.4):
    """Thicken stereo `[n, 2]` by copies whose delay wanders, in opposite phase left and right."""
    t = np.arange(len(y)) / SR
    out = np.empty_like(y)
    for side in (0, 1):
        wander = np.sin(2 * np.pi * rate_hz * t + np.pi * side)
        delay = (12.0 + depth_ms * wander) * SR / 1000.0
        wet = np.interp(np.arange(len(y)) - delay, np.arange(len(y)), y[:, side], left=0.0)
        out[:, side] = (1.0 - 0.5 * mix) * y[:, side] + mix * wet
    return out


def reverb(y, rng, *, seconds, mix, damp_hz=4500.0, pre_ms=18.0):
    """Add a room: convolution with decaying noise, different on both sides, duller as it fades."""
    n = int(seconds * 1.2 * SR)
    t = np.arange(n) / SR
    noise = rng.standard_normal((n, 2))
    dull = band(noise, 150.0, damp_hz * 0.45)
    bright = band(noise, 250.0, damp_hz)
    tail = bright * np.exp(-6.9 * t / (0.55 * seconds))[:, None]
    tail += dull * np.exp(-6.9 * t / seconds)[:, None]
    tail *= np.minimum(t / 0.012, 1.0)[:, None]
    tail = np.concatenate([np.zeros((int(pre_ms * SR / 1000.0), 2)), tail])
    tail /= np.sqrt((tail**2).sum(axis=0))
    total = len(y) + len(tail)
    size = -(-total // SR) * SR
    wet = np.fft.irfft(np.fft.rfft(y, size, axis=0) * np.fft.rfft(tail, size, axis=0), size, axis=0)
    return y + mix * wet[: len(y)]


def overdrive(y, gain):
    """Distort like a driven valve amplifier: a soft, lopsided clip, then a loudspeaker's band."""
    driven = np.tanh(gain * y + 0.2) - np.tanh(0.2)
    return band(driven, 90.0, 4800.0, slope=3)


def duck(y, beats_s, *, depth=0.7, release_s=0.2):
    """Press the level down at each of `beats_s` and let it swell back: the pump of dance music."""
    t = np.arange(len(y)) / SR
    gain = np.ones(len(y))
    for beat in beats_s:
        after = t - beat
        here = (after >= 0) & (after < 6 * release_s)
        gain[here] = np.minimum(gain[here], 1.0 - depth * np.exp(-after[here] / release_s))
    return y * gain[:, None]


def loudness(y):
    """Return the gated K-weighted loudness of stereo `[n, 2]`, after ITU-R BS.1770 [LUFS].

    The weighting is applied in the frequency domain; blocks of 0.4 s, gates at -70 and -10 LU.
    """
    size = -(-len(y) // SR) * SR
    f = np.maximum(np.fft.rfftfreq(size, 1.0 / SR), 1e-3)
    shelf = (1.0 + (f / 1682.0) ** 4 * 10.0 ** (4.0 / 10.0)) / (1.0 + (f / 1682.0) ** 4)
    gain = np.sqrt(shelf) / (1.0 + (38.0 / f) ** 2)
    z = np.fft.irfft(np.fft.rfft(y, size, axis=0) * gain[:, None], size, axis=0)[: len(y)]
    block, hop = int(0.4 * SR), int(0.1 * SR)
    energy = np.concatenate([[0.0], np.cumsum((z**2).sum(axis=1))])
    starts = np.arange(0, max(len(z) - block, 1), hop)
    power = (energy[np.minimum(starts + block, len(z))] - energy[starts]) / block
    level = -0.691 + 10.0 * np.log10(power + 1e-12)
    keep = level > -70.0
    keep &= level > -0.691 + 10.0 * np.log10(power[keep].mean() + 1e-12) - 10.0
    return float(-0.691 + 10.0 * np.log10(power[keep].mean() + 1e-12))


def limit(y, ceiling=0.89):
    """Hold every peak under `ceiling`: the gain a peak needs is spread over 20 ms around it."""
    need = np.minimum(1.0, ceiling / np.maximum(np.abs(y).max(axis=1), 1e-9))
    half = int(0.01 * SR)
    blocks = np.pad(need, (half, half + (-len(need)) % half), constant_values=1.0)
    lows = blocks[: len(blocks) // half * half].reshape(-1, half).min(axis=1)
    # The smallest of each block and its neighbours, joined by straight lines, lies below `need`.
    lows = np.minimum(lows, np.minimum(np.roll(lows, 1), np.roll(lows, -1)))
    gain = np.interp(np.arange(len(y)) + half, (np.arange(len(lows)) + 0.5) * half, lows)
    return y * gain[:, None]
