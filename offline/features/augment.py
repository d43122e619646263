"""What may happen to music on its way to the model, applied to frames of mel power in a batch.

All functions take power ``[rows, frames, bins]`` (and chroma where noise reaches it) and a torch
generator; none changes its input. Rooms, loudspeakers, codecs and noise are approximated in the
power domain, which costs a hundredth of filtering the sound and needs no decoding.
"""

import torch
from torch import Tensor

from offline.recipes.mood import AugmentPart

__all__ = [
    "add_noise", "augment", "band_limit", "equalise", "mel_centres", "reverberate", "shift",
]  # fmt: skip


def augment(
    part: AugmentPart, power: Tensor, chroma: Tensor, rng: torch.Generator, centres: Tensor
) -> tuple[Tensor, Tensor]:
    """Return changed copies of ``[rows, frames, bins]`` power and its chroma."""
    power = _some(power, part.shift, rng, lambda p: shift(p, rng))
    power = _some(power, part.reverb, rng, lambda p: reverberate(p, rng))
    power = _some(power, part.eq, rng, lambda p: equalise(p, rng, part.eq_db, part.tilt_db))
    rows = torch.rand(len(power), generator=rng) < part.noise
    if rows.any():
        power, chroma = power.clone(), chroma.clone()
        power[rows], chroma[rows] = add_noise(power[rows], chroma[rows], rng, part.snr_db, centres)
    return _some(power, part.band, rng, lambda p: band_limit(p, rng, centres)), chroma


def _some(power, probability, rng, change):  # type: ignore[no-untyped-def]
    rows = torch.rand(len(power), generator=rng) < probability
    if not rows.any():
        return power
    power = power.clone()
    power[rows] = change(power[rows])
    return power


def mel_centres(filters: Tensor, sr: float) -> Tensor:
    """Mean frequency of each band of a filter matrix ``[bins, 1 + n_fft / 2]`` [Hz]."""
    filters = filters.float()
    hz = torch.linspace(0, sr / 2, filters.shape[1])
    return (filters @ hz) / filters.sum(1)


def _curve(points: Tensor, bins: int) -> Tensor:
    return torch.nn.functional.interpolate(
        points[:, None], size=bins, mode="linear", align_corners=True
    )[:, 0]


def equalise(power: Tensor, rng: torch.Generator, spread_db: float, tilt_db: float) -> Tensor:
    """Apply a smooth random response: six points over the bands and a slope."""
    rows, _, bins = power.shape
    curve = _curve(torch.randn(rows, 6, generator=rng) * spread_db, bins)
    slope = (torch.rand(rows, 1, generator=rng) * 2 - 1) * tilt_db * 8.5  # octaves in the range
    curve = curve + slope * torch.linspace(-0.5, 0.5, bins)
    return power * 10 ** (curve / 10)[:, None]


def band_limit(power: Tensor, rng: torch.Generator, centres: Tensor) -> Tensor:
    """Apply a low-pass of 2.5 to 9 kHz, 24 to 96 dB an octave; half the rows lose bass too."""
    rows = len(power)
    cut = 2500 * 3.6 ** torch.rand(rows, 1, generator=rng)
    slope = 24 * 4 ** torch.rand(rows, 1, generator=rng)
    loss = (centres / cut).log2().clamp(min=0) * slope
    low = 80 * 4.4 ** torch.rand(rows, 1, generator=rng)
    high_pass = (low / centres).log2().clamp(min=0) * 18
    loss = loss + high_pass * (torch.rand(rows, 1, generator=rng) < 0.5)
    return power * 10 ** (-loss.clamp(max=90) / 10)[:, None]


def add_noise(
    power: Tensor,
    chroma: Tensor,
    rng: torch.Generator,
    snr_db: tuple[float, float],
    centres: Tensor,
) -> tuple[Tensor, Tensor]:
    """Stationary noise between white and brown, at a random ratio; it flattens the chroma."""
    rows, frames, bins = power.shape
    slope = torch.rand(rows, 1, generator=rng) * 2  # 0 white, 1 pink, 2 brown
    shape = (centres / 1000) ** -slope
    shape = shape / shape.mean(1, keepdim=True)
    low, high = snr_db
    ratio = 10 ** (-(low + (high - low) * torch.rand(rows, 1, generator=rng)) / 10)
    # Power in a band of a few FFT bins is a mean of few exponentials: keep that roughness.
    width = (centres / 250).clamp(min=1.0, max=12.0)
    rough = torch.randn(rows, frames, bins, generator=rng) / width.sqrt()
    level = power.mean((1, 2))[:, None, None] * ratio[:, None]
    noisy = power + level * shape[:, None] * (1 + rough).clamp(min=0.02)
    return noisy, chroma + chroma.mean((1, 2), keepdim=True) * ratio[:, None]


def reverberate(power: Tensor, rng: torch.Generator) -> Tensor:
    """Add a room in the power domain: an exponential tail after each frame."""
    rows, frames, bins = power.shape
    t60 = 0.3 * 5 ** torch.rand(rows, 1, 1, generator=rng)  # 0.3 .. 1.5 s
    t60 = t60 * torch.linspace(1.2, 0.6, bins)
    wet = 10 ** (-(torch.rand(rows, 1, 1, generator=rng) * 9 - 2) / 10)  # +2 .. -7 dB
    t = torch.arange(1, 51)[:, None] * 0.02
    tail = 10 ** (-6 * t / t60)  # [rows, 50, bins]
    tail = tail / tail.sum(1, keepdim=True)
    n = 1 << (frames + 50).bit_length()
    late = torch.fft.irfft(
        torch.fft.rfft(power, n, dim=1) * torch.fft.rfft(tail, n, dim=1), n, dim=1
    )
    late = torch.cat((torch.zeros(rows, 1, bins), late[:, : frames - 1]), 1).clamp(min=0)
    return power + wet * late


def shift(power: Tensor, rng: torch.Generator) -> Tensor:
    """Move the spectrum by up to 1.2 bands either way, as a slightly other pitch would."""
    rows, _, bins = power.shape
    by = (torch.rand(rows, 1, generator=rng) * 2 - 1) * 1.2
    at = (torch.arange(bins) + by).clamp(0, bins - 1)
    low = at.floor().long()
    part = (at - low)[:, None]
    high = (low + 1).clamp(max=bins - 1)
    take = lambda i: power.gather(2, i[:, None].expand_as(power))  # noqa: E731
    return take(low) * (1 - part) + take(high) * part
