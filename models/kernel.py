"""Running statistics of music, and a kernel regression on them: the live model's steady member.

What a listener could count is counted: how loud each band is and how it moves, how strongly the
sound pulses and how fast, which pitch classes sound together. All are causal running means whose
memory is dropped when the sound changes for good, so that the next song is judged by itself.
On some thousand clips a kernel regression on such statistics is as good as a network in arousal
and better in valence, it fits in closed form, and far from all music it falls back to the mean.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.layers import AdaptiveGain

__all__ = ["KernelMember", "KernelRegression", "RunningStatistics", "StatisticsConfig"]

# Krumhansl and Kessler (1982), probe-tone profiles of the major and the minor key.
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


@dataclass(frozen=True)
class StatisticsConfig:
    """Sizes of `RunningStatistics`.

    Parameters
    ----------
    frames, bins : int
        Mel frames per step and mel bands.
    chroma_frames : int
        Chroma frames per step.
    step_s : float     [s]
    gain_tau_s : float     [s]
        Of the adaptive gain.
    fast_s, slow_s : float     [s]
        Time constants of the two running means of everything.
    novelty : float
        Root mean square distance of the fast from the slow band means, in units of the levelled
        log power, above which the slow means forget: they become the fast ones.
    groups : int
        Bands are averaged in so many groups for the pulse.
    pulse_edges_hz : tuple of float     [Hz]
        Edges of the modulation bands.
    """

    frames: int = 25
    bins: int = 80
    chroma_frames: int = 5
    step_s: float = 0.5
    gain_tau_s: float = 3.0
    fast_s: float = 1.0
    slow_s: float = 8.0
    novelty: float = 0.25
    groups: int = 8
    pulse_edges_hz: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0)


class RunningStatistics(nn.Module):
    """Statistics of levelled log mel power and chroma, as two running means and what follows.

    Notes
    -----
    ``forward(mel [b, steps * frames, bins], chroma [b, steps * chroma_frames, 12], *state)``
    returns ``[b, steps, features]`` and the next states. All-zero states: nothing heard yet.

    The pulse is the power of one-pole resonators ``z_t = r e^(iw) z_(t-1) + x_t`` on the onset
    envelopes (positive differences) of the band groups, one per modulation band: w its middle,
    r = exp(-pi bandwidth / rate).
    """

    def __init__(self, config: StatisticsConfig) -> None:
        super().__init__()
        self.config = c = config
        rate = c.frames / c.step_s
        self.gain = AdaptiveGain(c.gain_tau_s * rate)
        edges = np.asarray(c.pulse_edges_hz)
        middle = np.sqrt(edges[:-1] * edges[1:])
        pole = np.exp(-np.pi * np.diff(edges) / rate) * np.exp(2j * np.pi * middle / rate)
        self.pulses = len(pole)
        lag = np.arange(c.frames)[:, None] - np.arange(c.frames)[None]
        kernel = np.where(lag >= 0, pole[:, None, None] ** np.maximum(lag, 0), 0.0)
        carry = pole[:, None] ** (np.arange(c.frames) + 1)
        # Power of a unit pulse train through the resonator, so that bands compare.
        scale = (1.0 - np.abs(pole)) ** 2
        for name, value in (
            ("kernel_re", kernel.real),
            ("kernel_im", kernel.imag),
            ("carry_re", carry.real),
            ("carry_im", carry.imag),
            ("pulse_scale", scale[None, None, :, None]),
            ("cosines", _cosines(c.bins, 20)),
            ("keys", _keys()),
            ("turns", (np.arange(12)[:, None] + np.arange(12)[None]) % 12),
            ("fourier", _fourier()),
        ):
            dtype = torch.int64 if name == "turns" else torch.float32
            self.register_buffer(name, torch.as_tensor(np.array(value), dtype=dtype))
        self.bands = c.bins // 2
        self.wide = 3 * self.bands + 2 * 20 + self.pulses * c.groups + 12 + 6 + 2
        self.features = self.bands * 4 + 20 + self.pulses * c.groups + 34 + 8

    def zero_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Return the states before anything was heard."""
        c = self.config
        return (
            self.gain.zero_state(batch),
            torch.zeros(batch, 1, self.bands + c.groups),
            torch.zeros(batch, 2, self.pulses, c.groups),
            torch.zeros(batch, 1, 12),
            torch.zeros(batch, 2, self.wide + 1),
        )

    def forward(self, mel: Tensor, chroma: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return the features of each step and the next states."""
        gain, last, pulse, last_chroma, sums = state
        x, gain = self.gain(mel, gain)
        sound, last, pulse = self._sound(x, last, pulse)
        harmony, last_chroma = self._harmony(chroma, last_chroma)
        u = torch.cat((sound, harmony), 2)
        out = []
        for step in range(u.shape[1]):
            features, sums = self._remember(u[:, step], sums)
            out.append(features)
        return torch.stack(out, 1), gain, last, pulse, last_chroma, sums

    def _sound(self, x: Tensor, last: Tensor, pulse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        c = self.config
        steps = x.shape[1] // c.frames
        bands = x.unflatten(2, (self.bands, 2)).mean(3)
        groups = x.unflatten(2, (c.groups, -1)).mean(3)
        both = torch.cat((bands, groups), 2)
        before = torch.cat((last, both[:, :-1]), 1)
        # The very first frame has nothing before it: no rise.
        before = torch.where(before == 0, both, before)
        rise = (both - before).relu()
        cepstra = x @ cast(Tensor, self.cosines)
        per = bands.unflatten(1, (steps, c.frames))
        level = per.mean(2)
        square = (per * per).mean(2)
        flux = rise[:, :, : self.bands].unflatten(1, (steps, c.frames)).mean(2)
        cep = cepstra.unflatten(1, (steps, c.frames))
        onset = rise[:, :, self.bands :].unflatten(1, (steps, c.frames))
        powers = []
        re, im = pulse[:, 0], pulse[:, 1]
        for step in range(steps):
            power, re, im = self._resonate(onset[:, step], re, im)
            powers.append(power)
        power = (torch.stack(powers, 1) * cast(Tensor, self.pulse_scale)).flatten(2)
        sound = torch.cat(
            (level, square, flux, cep.mean(2), (cep * cep).mean(2), power), 2
        )
        return sound, both[:, -1:], torch.stack((re, im), 1)

    def _resonate(self, x: Tensor, re: Tensor, im: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One step of the resonators: x [b, frames, groups]; mean power [b, pulses, groups]."""
        kre, kim = cast(Tensor, self.kernel_re), cast(Tensor, self.kernel_im)
        cre, cim = cast(Tensor, self.carry_re)[None, ..., None], cast(Tensor, self.carry_im)
        cim = cim[None, ..., None]
        re, im = re[:, :, None], im[:, :, None]
        zre = kre[None] @ x[:, None] + cre * re - cim * im
        zim = kim[None] @ x[:, None] + cre * im + cim * re
        return (zre * zre + zim * zim).mean(2), zre[:, :, -1], zim[:, :, -1]

    def _harmony(self, chroma: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        n = self.config.chroma_frames
        p = chroma / (chroma.sum(2, keepdim=True) + 1e-9)
        before = torch.cat((last, p[:, :-1]), 1)
        before = torch.where(before.sum(2, keepdim=True) == 0, p, before)
        move = (p - before).abs().sum(2, keepdim=True)
        entropy = -(p * (p + 1e-9).log()).sum(2, keepdim=True)
        tones = _magnitude(p, cast(Tensor, self.fourier))
        frames = torch.cat((p, tones, entropy, move), 2)
        return frames.unflatten(1, (-1, n)).mean(2), p[:, -1:]

    def _remember(self, u: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Update the running sums with one step and return the features they give."""
        c = self.config
        u = torch.cat((u, torch.ones_like(u[:, :1])), 1)
        fast = float(np.exp(-c.step_s / c.fast_s)) * sums[:, 0] + u
        slow = float(np.exp(-c.step_s / c.slow_s)) * sums[:, 1] + u
        quick, steady = fast[:, :-1] / fast[:, -1:], slow[:, :-1] / slow[:, -1:]
        apart = (quick[:, : self.bands] - steady[:, : self.bands]).square().mean(1, keepdim=True)
        new = apart > c.novelty**2
        slow = torch.where(new, fast, slow)
        steady = torch.where(new, quick, steady)
        return self._features(quick, steady), torch.stack((fast, slow), 1)

    def _features(self, quick: Tensor, steady: Tensor) -> Tensor:
        b, g = self.bands, self.pulses * self.config.groups
        level, square, flux = steady[:, :b], steady[:, b : 2 * b], steady[:, 2 * b : 3 * b]
        at = 3 * b
        cep, cep2 = steady[:, at : at + 20], steady[:, at + 20 : at + 40]
        pulse = steady[:, at + 40 : at + 40 + g]
        at += 40 + g
        profile, frames = steady[:, at : at + 12], steady[:, at + 12 :]
        sd = (square - level * level).clamp(min=1e-6).sqrt()
        cep_sd = (cep2 - cep * cep).clamp(min=1e-6).sqrt()
        return torch.cat(
            (
                level,
                sd,
                flux,
                cep_sd,
                (pulse + 1e-6).log(),
                self._tonal(profile),
                frames,
                quick[:, :b],
            ),
            1,
        )

    def _tonal(self, profile: Tensor) -> Tensor:
        """What a pitch-class profile [b, 12] says whatever its key."""
        centred = profile - profile.mean(1, keepdim=True)
        unit = centred / (centred.square().sum(1, keepdim=True) + 1e-12).sqrt()
        fits = (unit @ cast(Tensor, self.keys)).unflatten(1, (2, 12))
        best = fits.amax(2)
        turned = profile[:, cast(Tensor, self.turns)]  # [b, tonic, 12]
        share = torch.softmax(30.0 * fits[:, 0], 1)
        from_tonic = (share[:, :, None] * turned).sum(1)
        ordered = torch.sort(profile, 1).values
        tones = _magnitude(profile, cast(Tensor, self.fourier))
        entropy = -(profile * (profile + 1e-9).log()).sum(1, keepdim=True)
        return torch.cat(
            (best, best[:, :1] - best[:, 1:], from_tonic, ordered, tones, entropy), 1
        )


class KernelRegression(nn.Module):
    """Radial basis functions around landmarks, solved in closed form.

    ``y = mean + sum_k w_k exp(-gamma |z - z_k|^2 / d)`` with z the standardised features, clipped
    to 4 spreads. Far from every landmark y is the mean of training.

    Notes
    -----
    Shape: ``[..., d] -> [..., outputs]``, and the similarity of the nearest landmark ``[..., 1]``,
    from 0 (unlike all that was heard in training) to 1.
    """

    def __init__(self, features: int, landmarks: int, outputs: int, gamma: float = 0.6) -> None:
        super().__init__()
        self.gamma = gamma / features
        for name, shape in (
            ("centre", (features,)),
            ("spread", (features,)),
            ("landmarks", (landmarks, features)),
            ("weights", (landmarks, outputs)),
            ("mean", (outputs,)),
        ):
            self.register_buffer(name, torch.zeros(shape))

    def standardise(self, x: Tensor) -> Tensor:
        """Return x in spreads around the centre of training, clipped to 4."""
        z = (x - cast(Tensor, self.centre)) / cast(Tensor, self.spread)
        return z.clamp(-4.0, 4.0)

    def kernel(self, z: Tensor) -> Tensor:
        """Return the similarity of standardised features to the landmarks."""
        marks = cast(Tensor, self.landmarks)
        far = (
            z.square().sum(-1, keepdim=True)
            + marks.square().sum(1)
            - 2.0 * torch.matmul(z, marks.T)
        )
        return torch.exp(-self.gamma * far.clamp(min=0.0))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs, and the nearest similarity."""
        k = self.kernel(self.standardise(x))
        y = cast(Tensor, self.mean) + torch.matmul(k, cast(Tensor, self.weights))
        return y, k.amax(-1, keepdim=True)


class KernelMember(nn.Module):
    """Statistics and kernel regression as a member of the live model.

    ``forward(mel, chroma, *state)`` returns raw heads ``[b, steps, 6]`` (valence, arousal, their
    ln sigma, logits of positive and energetic; the order of `models.live.HEADS`) and the next
    states. Sigma follows the nearest landmark: the less alike, the less is known.

    Parameters
    ----------
    config : StatisticsConfig
    landmarks : int
    gamma : float
        Width of the kernel, in units of 1 / features.
    """

    def __init__(self, config: StatisticsConfig, landmarks: int, gamma: float = 0.6) -> None:
        super().__init__()
        self.statistics = RunningStatistics(config)
        self.regression = KernelRegression(self.statistics.features, landmarks, 4, gamma)
        # ln sigma = a + b * nearest, for valence and arousal; logits = scale * output.
        self.register_buffer("sigma_line", torch.tensor([[-1.4, -1.4], [0.0, 0.0]]))
        self.register_buffer("logit_scale", torch.ones(2))

    def zero_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Return the states before anything was heard."""
        return self.statistics.zero_state(batch)

    def forward(self, mel: Tensor, chroma: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return raw heads of each step and the next states."""
        x, *new = self.statistics(mel, chroma, *state)
        return self.heads(x), *new

    def heads(self, x: Tensor) -> Tensor:
        """Return raw heads for features that are at hand."""
        y, nearest = self.regression(x)
        line = cast(Tensor, self.sigma_line)
        return torch.cat(
            (y[..., :2], line[0] + line[1] * nearest, y[..., 2:] * cast(Tensor, self.logit_scale)),
            -1,
        )


def _cosines(bins: int, n: int) -> np.ndarray:
    """Orthonormal DCT-II as a matrix [bins, n]."""
    k = np.arange(n)[None]
    basis = np.cos(np.pi * k * (2 * np.arange(bins)[:, None] + 1) / (2 * bins))
    basis *= np.sqrt(2.0 / bins)
    basis[:, 0] /= np.sqrt(2.0)
    return basis


def _keys() -> np.ndarray:
    """Unit profiles of the 12 major and the 12 minor keys, as a matrix [12, 24]."""
    columns = []
    for profile in (MAJOR, MINOR):
        p = np.asarray(profile) - np.mean(profile)
        columns += [np.roll(p / np.linalg.norm(p), k) for k in range(12)]
    return np.stack(columns, 1)


def _fourier() -> np.ndarray:
    """Real and imaginary parts of the DFT's lines 1 to 6 over twelve pitch classes [12, 12]."""
    lines = np.exp(-2j * np.pi * np.arange(12)[:, None] * np.arange(1, 7)[None] / 12)
    return np.concatenate((lines.real, lines.imag), 1)


def _magnitude(p: Tensor, fourier: Tensor) -> Tensor:
    parts = torch.matmul(p, fourier)
    return (parts[..., :6].square() + parts[..., 6:].square() + 1e-12).sqrt()
