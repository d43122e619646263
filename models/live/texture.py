"""Running statistics of sound, causal and level-free: what the live network is given of it.

Per step, sums over the frames (bands, their squares and rises, cepstra, contrasts, chroma, its
intervals and triads) go into a memory that fades slowly. When the last second and a half sounds
unlike what came before, the memory is cleared, so that a new song starts afresh: long memory
while nothing changes, short memory when it does.
"""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers import RunningMean

__all__ = ["Texture"]

_BANDS, _CEPSTRA, _GROUPS, _ONSETS = 40, 19, 10, 4
_TRIADS = ((4, 7), (3, 7), (3, 6), (4, 8), (5, 7), (2, 7))  # major, minor, dim, aug, sus4, sus2
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_RATES = (0.5, 1.0, 1.5, 2.0, 2.7, 3.5, 5.0, 8.0, 12.0, 25.0)  # edges of modulation bands, Hz


class Texture(nn.Module):
    """Features of the sound since the last change, step by step.

    Parameters
    ----------
    memory_s : float     [s]
        Time constant of the fading memory.
    recent : int
        Steps that a change is judged by.
    threshold : float
        Distance at which the memory is cleared; infinity for never.
    onset_frames : int
        Frames of the onset envelope that the rhythm is read from.

    Notes
    -----
    ``forward(mel [b, 25, 80], chroma [b, 5, 12], *state)`` returns features ``[b, n_features]``,
    the distance ``[b, 1]`` and the next states: level, last frames, memory, recent steps (sums and
    squared deviations each), onsets, age.
    """

    def __init__(
        self,
        memory_s: float = 10.0,
        recent: int = 3,
        threshold: float = math.inf,
        onset_frames: int = 384,
        frames: int = 25,
        step_s: float = 0.5,
    ) -> None:
        super().__init__()
        self.recent, self.threshold, self.onset_frames = recent, threshold, onset_frames
        self.decay = math.exp(-step_s / memory_s)
        self.frames = frames
        self.level = RunningMean((3.0 / step_s * frames,))
        k = np.arange(80)
        dct = np.cos(np.pi * (k[None] + 0.5) * np.arange(1, _CEPSTRA + 1)[:, None] / 80)
        self.register_buffer("dct", torch.from_numpy((dct * np.sqrt(2 / 80)).T).float())
        t = np.arange(onset_frames)
        hz = np.fft.rfftfreq(512, step_s / frames)
        inside = [np.flatnonzero((hz >= a) & (hz < b)) for a, b in pairwise(_RATES)]
        used = np.unique(np.concatenate(inside))
        wave = 2 * np.pi * np.outer(t, used) / 512
        waves = np.concatenate((np.cos(wave), np.sin(wave)), 1)
        self.register_buffer("waves", torch.from_numpy(waves).float())
        pick = np.stack([np.isin(used, i) / len(i) for i in inside], 1)
        self.register_buffer("pick", torch.from_numpy(np.concatenate((pick, pick))).float())
        self.register_buffer("ages", torch.arange(onset_frames, 0, -1).float())
        keys = np.stack([np.roll(p, s) for p in (_MAJOR, _MINOR) for s in range(12)])
        keys = keys - keys.mean(1, keepdims=True)
        keys = keys / np.linalg.norm(keys, axis=1, keepdims=True)
        self.register_buffer("keys", torch.from_numpy(keys.T).float())
        root = np.arange(12)
        second = [*range(1, 7), *(a for a, _ in _TRIADS)]
        up = lambda by: torch.tensor((root[None] + np.array(by)[:, None]) % 12)  # noqa: E731
        self.register_buffer("second", up(second), persistent=False)
        self.register_buffer("third", up([b for _, b in _TRIADS]), persistent=False)
        turn = [[(i + s) % 12 for i in range(12)] for s in range(12)]
        self.register_buffer("turn", torch.tensor(turn))
        self.register_buffer("numbers", torch.arange(80.0))
        self.register_buffer("change_sd", torch.ones(2 * _BANDS))
        self.n_spread = _BANDS + _CEPSTRA + _GROUPS + 3
        self.n_means = self.n_spread + _BANDS + _CEPSTRA + 3 + 12 + 2 + 6 + len(_TRIADS)

    def zero_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Return the states before any input."""
        return (
            self.level.zero_state(batch, 1),
            torch.zeros(batch, 80),
            torch.zeros(batch, 12),
            torch.zeros(batch, self.n_means + 1),
            torch.zeros(batch, self.n_spread),
            torch.zeros(batch, self.recent, self.n_means + 1),
            torch.zeros(batch, self.recent, self.n_spread),
            torch.zeros(batch, _ONSETS, self.onset_frames),
            torch.zeros(batch, 1),
        )

    def forward(self, mel: Tensor, chroma: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Hear one step."""
        level, last_x, last_q, far, far_sq, near, near_sq, onsets, age = state
        known = age.clamp(max=1.0)
        gain, level = self.level(mel.mean(2, keepdim=True), level)
        means, squares, rise, last_x, last_q = self._hear(
            mel, gain[:, :, 0], chroma, last_x, last_q, known
        )
        far, far_sq = self._merged(
            torch.stack((far * self.decay, near[:, 0]), 1),
            torch.stack((far_sq * self.decay, near_sq[:, 0]), 1),
        )
        now = functional.pad(means, (0, 1), value=1.0)
        near = torch.cat((near[:, 1:], now[:, None]), 1)
        near_sq = torch.cat((near_sq[:, 1:], squares[:, None]), 1)
        distance = self._distance(near.sum(1), far)
        keep = (distance < self.threshold).to(far)
        far, far_sq = far * keep, far_sq * keep
        onsets = torch.cat((onsets[:, :, self.frames :], rise.transpose(1, 2)), 2)
        age = torch.minimum(age + self.frames, keep * 1e6 + self.recent * self.frames)
        age = age.clamp(max=float(self.onset_frames))
        total, total_sq = self._merged(
            torch.cat((far[:, None], near), 1), torch.cat((far_sq[:, None], near_sq), 1)
        )
        features = torch.cat((self._read(total, total_sq), self._rhythm(onsets, age)), 1)
        return (
            features, distance, level, last_x, last_q, far, far_sq, near, near_sq, onsets, age,
        )  # fmt: skip

    def _merged(self, sums: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        """Merge the sums and squared deviations of memories ``[b, memories, n]``.

        Deviations are merged as Chan et al. (1979) do: subtracting squares of means instead loses
        what a steady tone varies by in rounding.
        """
        total = sums.sum(1)
        apart = (
            self._means(sums)[..., : self.n_spread] - self._means(total)[:, None, : self.n_spread]
        )
        return total, (squares + apart * apart * sums[..., -1:]).sum(1)

    def _hear(
        self,
        mel: Tensor,
        gain: Tensor,
        chroma: Tensor,
        last_x: Tensor,
        last_q: Tensor,
        known: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Means and squared deviations of a step, its onsets, and the last frames."""
        power = mel / (gain + 1e-9)  # only the floor depends on this gain, see `_read`
        x = (power + 1e-6).log() + (gain + 1e-9).log()
        # Where nothing was heard before, the first frame moves by nothing.
        step = x - torch.cat(((x[:, 0] + known * (last_x - x[:, 0]))[:, None], x[:, :-1]), 1)
        bands = x.reshape(-1, self.frames, _BANDS, 2).mean(3)
        rise = step.reshape(-1, self.frames, _BANDS, 2).mean(3).relu()
        moved = torch.matmul(step, self.dct)
        groups = x.reshape(-1, self.frames, _GROUPS, 8)
        total = power.sum(2, keepdim=True) + 1e-9
        share = power / total
        q = chroma.clamp(min=0).sqrt()
        q = q / (q.sum(2, keepdim=True) + 1e-6)
        turned = q - torch.cat(((q[:, 0] + known * (last_q - q[:, 0]))[:, None], q[:, :-1]), 1)
        spread = (
            bands,
            torch.matmul(x, self.dct),
            groups.amax(3) - groups.amin(3),
            (share * self.numbers).sum(2, keepdim=True),
            (total * (gain + 1e-9)).log(),
        )
        by_frame = torch.cat(spread, 2)
        entropy = -(q * (q + 1e-6).log()).sum(2, keepdim=True)
        plain = (
            rise, moved * moved, (share + 1e-9).log().mean(2, keepdim=True),
            (power.mean(2, keepdim=True) < 0.3).to(x), mel.mean(2, keepdim=True),
        )  # fmt: skip
        tones = (q, q.amax(2, keepdim=True), turned.abs().sum(2, keepdim=True), self._chords(q))
        centre, centre_q = by_frame.mean(1), entropy.mean(1)
        means = torch.cat(
            (centre, centre_q, torch.cat(plain, 2).mean(1), torch.cat(tones, 2).mean(1)), 1
        )
        squares = torch.cat(
            (
                ((by_frame - centre[:, None]) ** 2).mean(1),
                ((entropy - centre_q[:, None]) ** 2).mean(1),
            ),
            1,
        )
        onset = step.relu().reshape(-1, self.frames, _ONSETS, 20).mean(3)
        return means, squares, onset, x[:, -1], q[:, -1]

    def _chords(self, q: Tensor) -> Tensor:
        """How strongly each interval and triad sounds, whatever its root: ``[..., 12]``."""
        p = 12 * q
        pairs = p[..., None, :] * p[..., self.second]
        triads = pairs[..., 6:, :] * p[..., self.third]
        return torch.cat((pairs[..., :6, :].mean(-1), triads.mean(-1)), -1)

    def _means(self, sums: Tensor) -> Tensor:
        return sums[..., :-1] / sums[..., -1:].clamp(min=1e-3)

    def shape_of(self, sums: Tensor) -> Tensor:
        """Spectral shape and rises of a memory, without its level: what a change is seen in."""
        m = self._means(sums)
        bands = m[:, :_BANDS]
        bands = bands - bands.mean(1, keepdim=True)
        return torch.cat((bands, m[:, self.n_spread : self.n_spread + _BANDS]), 1)

    def _distance(self, near: Tensor, far: Tensor) -> Tensor:
        apart = (self.shape_of(near) - self.shape_of(far)) / self.change_sd
        distance = (apart * apart).mean(1, keepdim=True).sqrt()
        return distance * (far[:, -1:] > 0.9).to(distance)

    def _read(self, sums: Tensor, squares: Tensor) -> Tensor:
        """Features of the memory; the level of the whole is taken out here."""
        m = self._means(sums)
        sd = (squares / sums[:, -1:].clamp(min=1e-3)).clamp(min=1e-4).sqrt()
        spread, plain = m.split((self.n_spread, self.n_means - self.n_spread), 1)
        bands, cepstra, contrast, centre, loud, entropy = spread.split(
            (_BANDS, _CEPSTRA, _GROUPS, 1, 1, 1), 1
        )
        rise, moved, flat, quiet, mean_power, q, *rest = plain.split(
            (_BANDS, _CEPSTRA, 1, 1, 1, 12, 1, 1, 12), 1
        )
        level = (mean_power + 1e-9).log()
        at = _BANDS + _CEPSTRA
        shape = (centre, sd[:, at + _GROUPS : at + _GROUPS + 2], loud - level, flat, quiet)
        return torch.cat(
            (
                bands - level, sd[:, :_BANDS], rise,
                cepstra, sd[:, _BANDS:at], moved.clamp(min=1e-6).sqrt(),
                contrast, sd[:, at : at + _GROUPS], *shape,
                *self._harmony(q, entropy, sd[:, -1:], *rest),
            ),
            1,
        )  # fmt: skip

    def _harmony(
        self,
        q: Tensor,
        entropy: Tensor,
        spread: Tensor,
        peak: Tensor,
        moved: Tensor,
        chords: Tensor,
    ) -> tuple[Tensor, ...]:
        q = q / (q.sum(1, keepdim=True) + 1e-6)
        centred = q - q.mean(1, keepdim=True)
        size = (centred * centred).sum(1, keepdim=True).sqrt()
        fit = torch.matmul(centred, self.keys) / (size + 1e-4)
        major, minor = fit[:, :12].amax(1, keepdim=True), fit[:, 12:].amax(1, keepdim=True)
        tonic = fit.argmax(1) % 12
        turned = torch.gather(q, 1, self.turn[tonic])
        ordered = q.topk(7, dim=1).values
        total = -(q * (q + 1e-6).log()).sum(1, keepdim=True)
        return (
            major, minor, major - minor, entropy, spread, total, peak, moved,
            ordered, turned, chords, self._chords(q),
        )  # fmt: skip

    def _rhythm(self, onsets: Tensor, age: Tensor) -> Tensor:
        """Power of the onset envelopes over rates of 0.5 to 25 Hz, since the last change."""
        inside = (self.ages <= age).to(onsets)[:, None]
        n = age.clamp(min=1.0)[..., None]  # whole frames: as many as are inside
        mean = (onsets * inside).sum(2, keepdim=True) / n
        waves = torch.matmul((onsets - mean) * inside, self.waves)
        return (torch.matmul(waves * waves, self.pick) / n + 1e-6).log().flatten(1)
