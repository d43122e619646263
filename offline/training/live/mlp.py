"""Fitting the MLPs: rows with labels, changed copies, and what else is known of songs.

Songs without valence and arousal teach in two ways. Genres, clusters and mood words are heads on
the side. And a first model of the same folds, fitted without the held-out one, predicts
them, drawn a little to the quadrant that is known: labels for a second round (self-
training).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from models.live.mlp import HEADS, Mlp, MlpEnsemble, scaled
from models.live.texture import Texture
from offline.batches.live.data import LiveData
from offline.batches.live.statistics import Rows, changes_of, stack, textures
from offline.recipes.live import CLUSTERS, GENRES, AugmentPart, MlpPart

__all__ = ["Pairs", "fit_mlps", "make_pairs"]

_AT = (9, 19)
"""Steps of a clip that pairs are taken from: after 5 s and 10 s."""
_AUXILIARY = 2 + CLUSTERS + len(GENRES)
_LIMIT = 4.0
_QUADRANT = 0.25
"""How far from 0 the valence and arousal of a clip with a known quadrant is drawn, and how much."""


@dataclass(frozen=True)
class Pairs:
    """Every clip as it is and as it may arrive, with what is known of it but its curve.

    Attributes
    ----------
    clean : np.ndarray [shape=(n, features)]
    changed : tuple of np.ndarray [shape=(n, features)]
        The same rows after one kind of change each.
    fold : np.ndarray [shape=(n,)]
    curve : np.ndarray [shape=(n,)], bool
        Whether valence and arousal are known.
    quadrant, words : np.ndarray [shape=(n, 2)]
        NaN where not known.
    cluster : np.ndarray [shape=(n,)]
        -1 where not known.
    genres : np.ndarray [shape=(n, genres)]
        NaN where not known.
    """

    clean: np.ndarray
    changed: tuple[np.ndarray, ...]
    fold: np.ndarray
    curve: np.ndarray
    quadrant: np.ndarray
    words: np.ndarray
    cluster: np.ndarray
    genres: np.ndarray

    def without(self, fold: int | None) -> "Pairs":
        """Return the rows of all folds but one."""
        keep = self.fold != fold if fold is not None else np.ones(len(self.fold), bool)
        return Pairs(
            self.clean[keep], tuple(x[keep] for x in self.changed), self.fold[keep],
            self.curve[keep], self.quadrant[keep], self.words[keep], self.cluster[keep],
            self.genres[keep],
        )  # fmt: skip


def make_pairs(data: LiveData, texture: Texture, augment: AugmentPart, seed: int = 0) -> Pairs:
    """Hear every clip of 10 s or more as it is, through poor equipment, and in a noisy room."""
    clips = [i for i, c in enumerate(data.clips) if c.music and c.fold >= 0
             and len(data.mel[i]) > _AT[-1]]  # fmt: skip
    equipment = replace(augment, band=0.9, noise=0.1, reverb=0.2, shift=0.1)
    room = replace(augment, band=0.1, noise=0.6, reverb=0.5, shift=0.1)
    kinds = [None, *(changes_of(a, 100 + 2 * seed + k) for k, a in enumerate((equipment, room)))]
    inputs: list[list[np.ndarray]] = [[] for _ in kinds]
    for k in range(0, len(clips), 128):
        mel, chroma = stack(data, clips[k : k + 128], _AT[-1] + 1)
        for out, change in zip(inputs, kinds, strict=True):
            given = (mel, chroma) if change is None else change(mel, chroma)
            out.append(textures(texture, *given)[:, list(_AT)].astype(np.float32))
    x = [np.concatenate(out).reshape(len(clips) * len(_AT), -1) for out in inputs]
    known = [data.clips[i] for i in clips]
    nothing = (np.nan, np.nan)
    each = lambda values: np.repeat(np.asarray(values), len(_AT), axis=0)  # noqa: E731
    return Pairs(
        x[0],
        tuple(x[1:]),
        each([c.fold for c in known]),
        each([c.has_curve for c in known]),
        each([nothing if c.quadrant is None else c.quadrant for c in known]).astype(np.float32),
        each([nothing if c.words is None else c.words for c in known]).astype(np.float32),
        each([-1 if c.cluster is None else c.cluster for c in known]),
        each([np.full(len(GENRES), np.nan) if c.genres is None else c.genres for c in known])
        .astype(np.float32),
    )  # fmt: skip


Teacher = Callable[[np.ndarray], np.ndarray]


def fit_mlps(
    moods: Rows,
    half_planes: Rows,
    pairs: Pairs,
    part: MlpPart,
    held_out: int | None,
    seed: int,
    teacher: Teacher,
) -> MlpEnsemble:
    """Fit on all folds but one: first without guesses, then with the guesses of a first round.

    Parameters
    ----------
    held_out : int or None
        Fold that gives nothing, to the teacher neither.
    teacher : callable
        Valence, arousal and the logits of positive and energetic ``[n, 4]`` of statistics: a
        kernel ridge fitted without the fold.
    """
    a, b, pairs = moods.without(held_out), half_planes.without(held_out), pairs.without(held_out)
    known = a.x[a.landmark]
    shift = torch.from_numpy(known.mean(0)).float()
    scale = torch.from_numpy(1 / (known.std(0) + 1e-6)).float()
    mean = np.average(a.y[a.fold >= 0], axis=0, weights=a.weight[a.fold >= 0])
    # Scores of half-planes are fitted to -1 and 1; this is about the slope of their logits.
    factor = torch.tensor([1.0, 1.0, 3.0, 3.0])
    offset = torch.tensor([*mean, 0.0, 0.0], dtype=torch.float32)
    rescaled = lambda x: scaled(torch.from_numpy(x).float(), shift, scale, _LIMIT)  # noqa: E731
    rows = _Rows(rescaled(a.x), rescaled(b.x), *(_rows_of(a, mean)), *(_rows_of(b, np.zeros(2))))
    predicted = teacher(pairs.clean)[:, :2]
    if part.pseudo_label:
        first = replace(part, members=2, pseudo_label=0.0)
        members = _train(
            rows, _Known.of(pairs, rescaled, predicted - mean), first, 1000 * seed + 500
        )
        bag = MlpEnsemble(members, shift, scale, offset, factor, _LIMIT)
        with torch.no_grad():
            predicted = (predicted + bag(torch.from_numpy(pairs.clean)).numpy()[:, :2]) / 2
    drawn = (1 - _QUADRANT) * predicted + _QUADRANT * np.where(pairs.quadrant > 0.5, 0.25, -0.25)
    pseudo_label = np.where(np.isfinite(pairs.quadrant), drawn, predicted) - mean
    members = _train(rows, _Known.of(pairs, rescaled, pseudo_label), part, 1000 * seed)
    return MlpEnsemble(members, shift, scale, offset, factor, _LIMIT)


@dataclass(frozen=True)
class _Rows:
    """Scaled statistics, labels and weights of both kinds of rows."""

    moods: Tensor
    half_planes: Tensor
    mood: Tensor
    mood_weight: Tensor
    half: Tensor
    half_weight: Tensor


def _rows_of(rows: Rows, mean: np.ndarray) -> Iterator[Tensor]:
    yield torch.from_numpy(np.where(rows.fold[:, None] >= 0, rows.y - mean, -mean)).float()
    yield torch.from_numpy(rows.weight / rows.weight.mean()).float()


@dataclass(frozen=True)
class _Known:
    """Pairs as tensors; guesses count only where no curve is known."""

    clean: Tensor
    changed: tuple[Tensor, ...]
    pseudo_label: Tensor
    pseudo_labelled: Tensor
    words: Tensor
    cluster: Tensor
    genres: Tensor

    @classmethod
    def of(
        cls, pairs: Pairs, rescaled: Callable[[np.ndarray], Tensor], pseudo_label: np.ndarray
    ) -> "_Known":
        return cls(
            rescaled(pairs.clean), tuple(rescaled(x) for x in pairs.changed),
            torch.from_numpy(pseudo_label).float(), torch.from_numpy(~pairs.curve).float(),
            torch.from_numpy(pairs.words), torch.from_numpy(pairs.cluster).long(),
            torch.from_numpy(pairs.genres),
        )  # fmt: skip


def _train(rows: _Rows, known: _Known, part: MlpPart, seed: int) -> list[Mlp]:
    members = []
    for k in range(part.members):
        torch.manual_seed(seed + k)
        net = Mlp(rows.moods.shape[1], part.hidden, _AUXILIARY, part.dropout)
        steps = max(1, len(rows.moods) // part.batch)
        optimiser = torch.optim.AdamW(net.parameters(), part.lr, weight_decay=part.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, part.lr, total_steps=part.epochs * steps + 1, pct_start=0.2
        )
        for _ in range(part.epochs):
            order = torch.randperm(len(rows.moods))
            for i in range(steps):
                loss = _loss(net, rows, order[i * part.batch : (i + 1) * part.batch], known, part)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
        members.append(net.eval())
    return members


def _loss(net: Mlp, rows: _Rows, chosen: Tensor, known: _Known, part: MlpPart) -> Tensor:
    n, m = len(chosen), part.batch // 2
    half_planes, pair = (
        torch.randint(len(rows.half_planes), (m,)),
        torch.randint(len(known.clean), (m,)),
    )
    changed = known.changed[int(torch.randint(len(known.changed), ()))]
    z = torch.cat(
        (rows.moods[chosen], rows.half_planes[half_planes], known.clean[pair], changed[pair])
    )
    out = net(z + part.noise * torch.randn(z.shape))
    mood, half, *both = out.split((n, m, m, m))
    apart = ((mood[:, :2] - rows.mood[chosen]) ** 2 * rows.mood_weight[chosen, None]).mean()
    wrong = (half[:, 2:4] - rows.half[half_planes]) ** 2 * rows.half_weight[half_planes, None]
    loss = 10 * apart + part.half * wrong.mean()
    differ = (both[0] - both[1])[:, :HEADS] ** 2
    loss = loss + part.consistency * (10 * differ[:, :2].mean() + part.half * differ[:, 2:].mean())
    return loss + sum(_side(inputs, known, pair, part) for inputs in both)


def _side(out: Tensor, known: _Known, pair: Tensor, part: MlpPart) -> Tensor:
    """Guesses, mood words, clusters and genres: what a clip without a curve can teach."""
    pseudo_label = (out[:, :2] - known.pseudo_label[pair]) ** 2 * known.pseudo_labelled[pair, None]
    loss = 5 * part.pseudo_label * pseudo_label.mean()
    words, cluster, genres = out[:, HEADS:].split((2, CLUSTERS, len(GENRES)), 1)
    told = known.words[pair]
    if (has := torch.isfinite(told[:, 0])).any():
        loss = loss + part.words * ((words[has] - 2 * told[has]) ** 2).mean()
    if (has := known.cluster[pair] >= 0).any():
        right = known.cluster[pair][has]
        loss = loss + part.cluster * nn.functional.cross_entropy(cluster[has], right)
    told = known.genres[pair]
    if (has := torch.isfinite(told[:, 0])).any():
        wrong = nn.functional.binary_cross_entropy_with_logits(genres[has], told[has])
        loss = loss + part.genre * wrong
    return loss
