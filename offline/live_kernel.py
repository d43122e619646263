"""Fit the live model's kernel member: closed form, a minute on one core.

It learns from what a listener would have heard at several moments: early, halfway and late in a
clip, from a fresh start, right after another clip, and through a poor loudspeaker. DEAM's curves
teach valence and arousal; 4Q's quadrants and the MIREX-like clusters, which have no numbers, take
those of a first fit on DEAM alone, moved to the side that their label names; sounds that are no
music are nowhere in particular.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.kernel import KernelMember, StatisticsConfig
from offline.augment import Augment, mel_centres
from offline.live_data import MEL, LiveData

__all__ = ["KernelPlan", "fit_kernel", "statistics_of"]

STEPS = 20
# Signs of valence and arousal that the five MIREX-like clusters name: rousing, cheerful, wistful,
# humorous, aggressive; 0 where the cluster does not say.
CLUSTER_SIGNS = np.array([(1, 1), (1, 0), (-1, -1), (0, 0), (-1, 1)], np.float32)


@dataclass(frozen=True)
class KernelPlan:
    """How the kernel member is fitted.

    Parameters
    ----------
    landmarks : int
    gamma, alpha : float
        Width of the kernel (over the number of features) and weight of the ridge.
    moments : tuple of int
        Steps after which a clip is judged.
    quadrant_weight, cluster_weight, sound_weight : float
        Weight of examples without curves, against 1 for DEAM's.
    pull : float
        How far an example without numbers is moved to the side that its label names.
    augment : Augment
        What the changed copies of all clips went through.
    """

    landmarks: int = 1500
    gamma: float = 0.6
    alpha: float = 5.0
    moments: tuple[int, ...] = (4, 9, 19)
    quadrant_weight: float = 1.0
    cluster_weight: float = 0.3
    sound_weight: float = 1.0
    pull: float = 0.05
    augment: Augment = Augment(shift=0.0)  # noqa: RUF009  frozen
    seed: int = 0


@dataclass(frozen=True)
class _Examples:
    """Statistics x [n, features] with the clip and step they belong to."""

    x: np.ndarray
    clip: np.ndarray
    step: np.ndarray


def statistics_of(
    data: LiveData, clips: list[int], member: KernelMember, plan: KernelPlan
) -> tuple[_Examples, _Examples]:
    """Return the statistics of clips at the plan's moments: as they are, and changed copies.

    The clean ones are heard from a fresh start and once more after another clip; the changed ones
    after another clip.
    """
    rng = np.random.default_rng(plan.seed)
    torch_rng = torch.Generator().manual_seed(plan.seed)
    centres = mel_centres(torch.as_tensor(np.array(MEL.filters())), MEL.sr)
    clean: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    changed: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    starts = [(i, at) for i in clips for at in _starts(len(data.mel[i]))]
    order = rng.permutation(len(starts))
    for begin in range(0, len(starts), 128):
        rows = [starts[k] for k in order[begin : begin + 128]]
        mel, chroma, lengths = _cut(data, rows)
        before = member.statistics(mel, chroma, *member.zero_state(len(rows)))
        turn = torch.roll(torch.arange(len(rows)), 1)
        held = [s[turn] for s in before[1:]]
        after = member.statistics(mel, chroma, *held)[0]
        poor_mel, poor_chroma = plan.augment(mel, chroma, torch_rng, centres)
        poor = member.statistics(poor_mel, poor_chroma, *held)[0]
        for moment in plan.moments:
            there = lengths > moment
            ids = np.array([i for i, _ in rows])[there]
            steps = np.array([at + moment for _, at in rows])[there]
            for x in (before[0], after):
                clean.append((x[:, moment].numpy()[there], ids, steps))
            changed.append((poor[:, moment].numpy()[there], ids, steps))
    return tuple(  # type: ignore[return-value]
        _Examples(*(np.concatenate([part[k] for part in parts]) for k in range(3)))
        for parts in (clean, changed)
    )


@torch.no_grad()
def fit_kernel(
    data: LiveData, folds: tuple[int, ...], plan: KernelPlan | None = None
) -> KernelMember:
    """Fit a kernel member on the clips of some folds.

    Parameters
    ----------
    data : LiveData
    folds : tuple of int
        Those that teach; made-up sounds (fold -1) always do.
    plan : KernelPlan, optional

    Returns
    -------
    KernelMember
        Ready to be stepped; its sigma line is fitted on examples left out of a second fit.
    """
    plan = plan or KernelPlan()
    rng = np.random.default_rng(plan.seed)
    member = KernelMember(StatisticsConfig(), plan.landmarks, plan.gamma)
    kinds = {kind: data.where(kind, (*folds, -1)) for kind in _KINDS}
    clips = sorted({i for of in kinds.values() for i in of})
    both = statistics_of(data, clips, member, plan)
    x = np.concatenate([e.x for e in both])
    clip = np.concatenate([e.clip for e in both])
    step = np.concatenate([e.step for e in both])
    centre, spread = both[0].x.mean(0), both[0].x.std(0) + 1e-6
    z = np.clip((x - centre) / spread, -4, 4).astype(np.float32)
    mood, mood_w = _curves(data, clip, step)
    half, half_w = _halves(data, clip)
    marks = _landmarks(z, mood_w + half_w, plan, rng)
    k = _similar(z, marks, plan.gamma)
    kk = _similar(marks, marks, plan.gamma)
    weights, mean = _solve(k, kk, mood, mood_w, plan.alpha)
    taught, taught_w = _taught(data, clip, k @ weights + mean, mood, mood_w, plan)
    weights, mean = _solve(k, kk, taught, taught_w, plan.alpha)
    half_weights, half_mean = _solve(k, kk, half, half_w, plan.alpha)
    r = member.regression
    for name, value in (
        ("centre", centre),
        ("spread", spread),
        ("landmarks", marks),
        ("weights", np.concatenate((weights, half_weights), 1)),
        ("mean", np.concatenate((mean, half_mean))),
    ):
        getattr(r, name).copy_(torch.as_tensor(value, dtype=torch.float32))
    _fit_spread(member, k, kk, clip, taught, taught_w, mood_w, half, half_w, plan)
    return member.eval()


_KINDS = ("curve", "quadrant", "cluster", "sound")


def _starts(steps: int) -> list[int]:
    """Where windows of `STEPS` steps begin: one from the start, one that ends with the clip."""
    return [0] if steps < STEPS + STEPS // 2 else [0, steps - STEPS]


def _cut(data: LiveData, rows: list[tuple[int, int]]) -> tuple[Tensor, Tensor, np.ndarray]:
    """Windows of `STEPS` steps; short clips are repeated to fill them."""
    mel, chroma, lengths = [], [], []
    for i, at in rows:
        m, c = data.mel[i][at : at + STEPS], data.chroma[i][at : at + STEPS]
        lengths.append(len(m))
        again = -(-STEPS // len(m))
        mel.append(m.repeat(again, 1, 1)[:STEPS].flatten(0, 1))
        chroma.append(c.repeat(again, 1, 1)[:STEPS].flatten(0, 1))
    return torch.stack(mel).float(), torch.stack(chroma).float(), np.array(lengths)


def _curves(data: LiveData, clip: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = np.zeros((len(clip), 2), np.float32)
    w = np.zeros(len(clip), np.float32)
    for n, (i, s) in enumerate(zip(clip, step, strict=True)):
        labels = data.clips[i].labels[s]
        if np.isfinite(labels).all():
            y[n], w[n] = labels, 1.0
    return y, w


def _halves(data: LiveData, clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-1 or 1 for the halves of the plane a clip belongs to; 0 for sounds that are no music."""
    y = np.zeros((len(clip), 2), np.float32)
    w = np.zeros(len(clip), np.float32)
    for n, i in enumerate(clip):
        of = data.clips[i]
        if of.quadrant is not None:
            y[n], w[n] = 2 * np.asarray(of.quadrant) - 1, 1.0
        elif not of.music:
            w[n] = 1.0
    return y, w


def _taught(
    data: LiveData,
    clip: np.ndarray,
    guess: np.ndarray,
    mood: np.ndarray,
    mood_w: np.ndarray,
    plan: KernelPlan,
) -> tuple[np.ndarray, np.ndarray]:
    y, w = mood.copy(), mood_w.copy()
    for n, i in enumerate(clip):
        of = data.clips[i]
        if w[n]:
            continue
        if not of.music:
            w[n] = plan.sound_weight
            continue
        if of.quadrant is not None:
            side, w[n] = 2 * np.asarray(of.quadrant) - 1, plan.quadrant_weight
        elif of.cluster is not None:
            side, w[n] = CLUSTER_SIGNS[of.cluster], plan.cluster_weight
        else:
            continue
        moved = np.where(side > 0, np.maximum(guess[n], 0), np.minimum(guess[n], 0))
        y[n] = np.where(side == 0, guess[n], moved + plan.pull * side)
    return y, w


def _landmarks(
    z: np.ndarray, w: np.ndarray, plan: KernelPlan, rng: np.random.Generator
) -> np.ndarray:
    known = np.flatnonzero(w > 0)
    return z[rng.choice(known, min(plan.landmarks, len(known)), replace=False)]


def _similar(a: np.ndarray, b: np.ndarray, gamma: float) -> np.ndarray:
    far = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
    return np.exp(-gamma / a.shape[1] * np.maximum(far, 0)).astype(np.float32)


def _solve(
    k: np.ndarray, kk: np.ndarray, y: np.ndarray, w: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted ridge regression in the landmarks' space."""
    on = w > 0
    k, y, w = k[on], y[on], w[on]
    mean = (y * w[:, None]).sum(0) / w.sum()
    kw = k * w[:, None]
    left = (k.T @ kw + alpha * kk).astype(np.float64) + 1e-3 * np.eye(len(kk))
    return np.linalg.solve(left, (kw.T @ (y - mean)).astype(np.float64)).astype(np.float32), mean


def _fit_spread(
    member: KernelMember,
    k: np.ndarray,
    kk: np.ndarray,
    clip: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    mood_w: np.ndarray,
    half: np.ndarray,
    half_w: np.ndarray,
    plan: KernelPlan,
) -> None:
    """Sigma from the error on clips left out of a second fit, logits likewise."""
    out = clip % 4 == 0
    weights, mean = _solve(k[~out], kk, y[~out], w[~out], plan.alpha)
    there = out & (mood_w > 0)
    error = np.abs(k[there] @ weights + mean - y[there])
    # The landmarks hold the left-out examples too: nearness is taken among the other landmarks.
    near = np.sort(k[there], 1)[:, -2:-1]
    design = np.concatenate((np.ones_like(near), near), 1)
    # E[ln |e|] = ln sigma - 0.635 for a normal error.
    line, *_ = np.linalg.lstsq(design, np.log(error + 1e-3) + 0.635, rcond=None)
    level = np.log(np.sqrt((error**2).mean(0))) - (design @ line).mean(0)
    line[0] += level
    line[1] = np.minimum(line[1], 0.0)
    member.sigma_line.copy_(torch.as_tensor(line, dtype=torch.float32))
    weights, mean = _solve(k[~out], kk, half[~out], half_w[~out], plan.alpha)
    there = out & (half_w > 0) & (np.abs(half).sum(1) > 0)
    guess = k[there] @ weights + mean
    for axis in range(2):
        member.logit_scale[axis] = _logit_scale(guess[:, axis], half[there, axis] > 0)


def _logit_scale(guess: np.ndarray, truth: np.ndarray) -> float:
    """The factor that makes ``sigmoid(factor * guess)`` most likely (one-dimensional search)."""
    factors = np.geomspace(0.3, 20, 60)
    signed = np.where(truth, guess, -guess)
    return float(factors[np.argmin([np.logaddexp(0, -f * signed).mean() for f in factors])])
