"""Fitting the kernel machine: statistics of every clip, then linear algebra.

Rows are clips at several lengths of context, clips after another clip (as in a stream), changed
copies (`offline.augment`) and sounds that are no music. A held-out fold gives no row, no centre
and no scale. Sigma is learned from errors on folds that the inner fits have not heard.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from models.mood import KernelMood
from models.texture import Texture
from offline.augment import Augment, mel_centres
from offline.live_data import MEL, LiveData
from streammer.filters import mel_filters

__all__ = ["KernelPart", "Rows", "fit_change", "fit_kernel", "make_rows", "textures"]

_GROUPS = (
    ("bands", 40), ("spread", 40), ("rise", 40), ("cepstra", 57), ("contrast", 20), ("shape", 6),
    ("key", 8), ("ordered", 7), ("turned", 12), ("chords", 12), ("mean_chords", 12), ("rhythm", 36),
)  # fmt: skip


@dataclass(frozen=True)
class KernelPart:
    """Settings of the kernel machine.

    Parameters
    ----------
    memory_s, threshold : float
        Of `models.texture.Texture`.
    gamma, ridge, ridge_half, ridge_sigma : float
        Width of the kernels; strength of the ridge for mood, halves and sigma.
    songs, clips : int
        Centres: songs with curves, clips with quadrants.
    weights : dict
        Of feature groups; 1 where not named.
    copies : float
        Weight of changed copies beside their originals; 0 for none.
    sounds : float
        Weight of a sound that is no music beside a song.
    """

    memory_s: float = 8.0
    threshold: float = 1.35
    gamma: float = 0.3
    ridge: float = 0.3
    ridge_half: float = 0.3
    ridge_sigma: float = 3.0
    songs: int = 600
    clips: int = 400
    limit: float = 5.0
    copies: float = 0.5
    sounds: float = 1.0
    weights: dict[str, float] = field(default_factory=lambda: {"key": 2.0, "chords": 1.3})

    def group_weights(self) -> np.ndarray:
        """Weight of every feature [shape=(n_features,)]."""
        return np.concatenate([np.full(n, self.weights.get(name, 1.0)) for name, n in _GROUPS])


@dataclass
class Rows:
    """Features of steps with what is known of them.

    Attributes
    ----------
    x : np.ndarray [shape=(n, features)]
    y : np.ndarray [shape=(n, 2)]
        Valence and arousal, or positive and energetic (-1 or 1); 0 for no music.
    fold : np.ndarray [shape=(n,)]
        -1 for what always trains.
    weight : np.ndarray [shape=(n,)]
        Of the row; those of one song add up to about 1.
    centre : np.ndarray [shape=(n,)], bool
        Whether the row may be a centre.
    """

    x: np.ndarray
    y: np.ndarray
    fold: np.ndarray
    weight: np.ndarray
    centre: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """All rows of several."""
        return cls(*(np.concatenate([getattr(p, k) for p in parts]) for k in cls.__annotations__))


Change = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@torch.no_grad()
def textures(texture: Texture, mel: Tensor, chroma: Tensor) -> np.ndarray:
    """Features of whole clips ``[b, steps, ...]``, each from a fresh start: ``[b, steps, n]``."""
    state, out = texture.zero_state(len(mel)), []
    for t in range(mel.shape[1]):
        features, _, *state = texture(mel[:, t], chroma[:, t], *state)
        out.append(features)
    return torch.stack(out, 1).numpy()


@torch.no_grad()
def fit_change(texture: Texture, data: LiveData, clips: Sequence[int]) -> None:
    """Set the spread by which a change is judged: that of recent against past inside songs."""
    free = Texture(threshold=float("inf"), recent=texture.recent)
    state, seen = free.zero_state(len(clips)), []
    mel, chroma = _stack(data, clips, 20)
    for t in range(20):
        _, _, *state = free(mel[:, t], chroma[:, t], *state)
        if t >= 8:
            seen.append(free.shape_of(state[5].sum(1)) - free.shape_of(state[3]))
    texture.change_sd.copy_(torch.stack(seen).square().mean((0, 1)).sqrt())


def make_rows(
    data: LiveData, texture: Texture, part: KernelPart, augment: Augment, seed: int = 0
) -> tuple[Rows, Rows]:
    """Rows with curves and rows with quadrants, over all folds but the 58 songs.

    Which clip comes before which in the spliced rows stays inside a fold, so that no fold is
    heard through another.
    """
    rng = np.random.default_rng(seed)
    torch_rng = torch.Generator().manual_seed(seed)
    filters = mel_filters(
        sr=MEL.sr, n_fft=MEL.n_fft, n_bins=MEL.n_bins, fmin=MEL.fmin, fmax=11000.0, htk=False,
        norm="slaney",
    )  # fmt: skip
    centres = mel_centres(torch.as_tensor(filters), MEL.sr)

    def changed(mel: Tensor, chroma: Tensor) -> tuple[Tensor, Tensor]:
        a, b = augment(mel.flatten(1, 2), chroma.flatten(1, 2), torch_rng, centres)
        return a.view_as(mel), b.view_as(chroma)

    folds = tuple(sorted({c.fold for c in data.clips if c.fold >= 0}))  # TEST58 is below 0
    curve = [i for i in data.where("curve", folds) if len(data.mel[i]) >= 20]
    counts: dict[str, int] = {}
    for i in curve:
        counts[data.clips[i].song] = counts.get(data.clips[i].song, 0) + 1
    half = [i for i in data.where("quadrant", folds) if len(data.mel[i]) >= 20]
    sound = data.where("sound", (-1,))
    moods = [_curve_rows(data, texture, curve, (5, 8, 12, 19), 0.6, counts, centre=True)]
    moods += [_spliced(data, texture, curve, folds, rng, counts)]
    halves = [_half_rows(data, texture, half, (9, 19, 29, 39), 1.0, centre=True)]
    if part.copies:
        moods.append(_curve_rows(data, texture, curve, (8, 19), part.copies, counts, changed))
        halves.append(_half_rows(data, texture, half, (14, 39), part.copies, changed))
    if sound:
        x = textures(texture, *_stack(data, sound, 20))[:, [2, 6, 12, 19]]
        n = x.shape[0] * x.shape[1]
        quiet = Rows(
            x.reshape(n, -1), np.zeros((n, 2)), np.full(n, -1),
            np.full(n, part.sounds / x.shape[1]), np.zeros(n, bool),
        )  # fmt: skip
        moods.append(quiet)
        halves.append(quiet)
    return Rows.joined(moods), Rows.joined(halves)


def fit_kernel(
    moods: Rows,
    halves: Rows,
    texture: Texture,
    part: KernelPart,
    held_out: int | None,
    prior_sd: np.ndarray,
    seed: int = 0,
) -> KernelMood:
    """Fit on all folds but one.

    Parameters
    ----------
    moods, halves : Rows
    held_out : int or None
        Fold that gives nothing.
    prior_sd : np.ndarray [shape=(2,)]
        Spread of the training labels: sigma where nothing is known.
    """
    rng = np.random.default_rng(seed)
    a, b = (_without(rows, held_out) for rows in (moods, halves))
    known = a.centre
    shift, sd = a.x[known].mean(0), a.x[known].std(0) + 1e-6
    weights = part.group_weights()
    scale = weights / np.sqrt((weights**2).sum()) / sd
    limit = part.limit * weights / np.sqrt((weights**2).sum())
    z_of = lambda x: np.clip((x - shift) * scale, -limit, limit)  # noqa: E731
    c = np.concatenate(
        [
            _drawn(z_of(rows.x[rows.centre]), n, rng)
            for rows, n in ((a, part.songs), (b, part.clips))
        ]
    )
    inner = _kernel(c, c, part.gamma)
    k_mood, k_half = (_kernel(z_of(rows.x), c, part.gamma) for rows in (a, b))
    mean = np.average(a.y[a.fold >= 0], axis=0, weights=a.weight[a.fold >= 0])
    target = np.where(a.fold[:, None] >= 0, a.y - mean, -mean)
    mood, outside = _ridge(k_mood, target, a, inner, part.ridge)
    half, outside_half = _ridge(k_half, b.y, b, inner, part.ridge_half)
    steep = _logit_scale(outside_half[b.fold >= 0], b.y[b.fold >= 0] > 0)
    # E ln|e| of a Gaussian is ln sigma - .635; a floor keeps lucky rows from counting too much.
    music = a.fold >= 0
    error = np.log(np.sqrt((outside - target) ** 2 + 0.03**2)) + 0.55
    error = np.where(music[:, None], error - np.log(prior_sd), 0.0)
    # Sounds that are no music are few: for sigma, which they alone tell the prior, they count more.
    doubtful = Rows(a.x, a.y, a.fold, np.where(music, a.weight, 4 * a.weight), a.centre)
    doubt, expected = _ridge(k_mood, error, doubtful, inner, part.ridge_sigma)
    sigma = np.exp(expected[music]) * prior_sd
    stretch = np.quantile(np.abs(outside - target)[music] / sigma, 0.683, axis=0)
    doubt = doubt + _constant(inner, k_mood[music], np.log(stretch), part)
    music_head = _music(np.concatenate((k_mood, k_half)), Rows.joined([a, b]), inner, part.ridge)
    heads = np.concatenate((mood, doubt, half * steep, music_head), 1)
    offset = np.concatenate((mean, np.log(prior_sd), np.zeros(3)))
    to = lambda x: torch.from_numpy(np.ascontiguousarray(x)).float()  # noqa: E731
    return KernelMood(
        texture, to(c), to(shift), to(scale), to(limit), part.gamma, to(heads), to(offset)
    ).eval()


def _music(k: np.ndarray, rows: Rows, inner: np.ndarray, ridge: float) -> np.ndarray:
    """Head that is 1 for music and 0 for made-up sounds; these count half as much in all."""
    music = rows.fold >= 0
    share = rows.weight[music].sum() / (2 * rows.weight[~music].sum()) if (~music).any() else 1.0
    weight = np.where(music, rows.weight, rows.weight * share)
    balanced = Rows(rows.x, rows.y, rows.fold, weight, rows.centre)
    return _ridge(k, music[:, None].astype(float), balanced, inner, ridge)[0]


def _constant(inner: np.ndarray, k: np.ndarray, value: np.ndarray, part: KernelPart) -> np.ndarray:
    """Head weights that give about `value` where songs are, and nothing far from them."""
    gram = k.T @ k / len(k) + 0.01 * part.ridge * inner / 100 + 1e-6 * np.eye(len(inner))
    return np.linalg.solve(gram, k.mean(0)[:, None] * value[None])


def _ridge(
    k: np.ndarray, y: np.ndarray, rows: Rows, inner: np.ndarray, ridge: float
) -> tuple[np.ndarray, np.ndarray]:
    """Head weights on all rows, and predictions of each fold by heads that have not heard it."""
    size = ridge * inner + 1e-6 * np.eye(len(inner))
    folds = sorted(set(rows.fold.tolist()))
    grams, sums = {}, {}
    for f in folds:
        on = rows.fold == f
        weighted = k[on].T * rows.weight[on]
        grams[f], sums[f] = weighted @ k[on], weighted @ y[on]
    gram, total = sum(grams.values()), sum(sums.values())
    outside = np.zeros_like(y, dtype=float)
    for f in folds:
        if f >= 0:
            heads = np.linalg.solve(gram - grams[f] + size, total - sums[f])
            outside[rows.fold == f] = k[rows.fold == f] @ heads
    return np.linalg.solve(gram + size, total), outside


def _logit_scale(score: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Factor of each score that makes it a logit: one-dimensional likelihood, by search."""
    tried = np.geomspace(0.5, 12, 60)
    sign = np.where(label, 1.0, -1.0)
    loss = [[np.log1p(np.exp(-t * sign[:, j] * score[:, j])).mean() for t in tried] for j in (0, 1)]
    return tried[np.argmin(loss, axis=1)]


def _kernel(a: np.ndarray, b: np.ndarray, gamma: float) -> np.ndarray:
    apart = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    return np.exp(-gamma * np.maximum(apart, 0))


def _drawn(z: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return z[rng.permutation(len(z))[:n]]


def _without(rows: Rows, fold: int | None) -> Rows:
    keep = rows.fold != fold if fold is not None else np.ones(len(rows.fold), bool)
    return Rows(*(getattr(rows, k)[keep] for k in Rows.__annotations__))


def _stack(data: LiveData, clips: Sequence[int], steps: int) -> tuple[Tensor, Tensor]:
    return (
        torch.stack([data.mel[i][:steps] for i in clips]),
        torch.stack([data.chroma[i][:steps] for i in clips]),
    )


def _features(
    data: LiveData, texture: Texture, clips: Sequence[int], steps: int, change: Change | None
) -> np.ndarray:
    out = []
    for k in range(0, len(clips), 128):
        mel, chroma = _stack(data, clips[k : k + 128], steps)
        if change is not None:
            mel, chroma = change(mel, chroma)
        out.append(textures(texture, mel, chroma))
    return np.concatenate(out)


def _curve_rows(
    data: LiveData,
    texture: Texture,
    clips: Sequence[int],
    at: tuple[int, ...],
    weight: float,
    counts: dict[str, int],
    change: Change | None = None,
    *,
    centre: bool = False,
) -> Rows:
    x = _features(data, texture, clips, 20, change)
    return _labelled(data, clips, x, at, weight, counts, centre=centre)


def _labelled(
    data: LiveData,
    clips: Sequence[int],
    x: np.ndarray,
    at: tuple[int, ...],
    weight: float,
    counts: dict[str, int],
    *,
    centre: bool,
) -> Rows:
    y = np.stack([data.clips[i].labels[list(at)] for i in clips]).reshape(-1, 2)
    fold = np.repeat([data.clips[i].fold for i in clips], len(at))
    share = np.repeat([weight / counts[data.clips[i].song] / len(at) for i in clips], len(at))
    may = np.tile([centre and s == at[-1] for s in at], len(clips))
    keep = np.isfinite(y).all(1)
    rows = x[:, list(at)].reshape(len(y), -1)
    return Rows(rows[keep], y[keep].astype(float), fold[keep], share[keep], may[keep])


def _spliced(
    data: LiveData,
    texture: Texture,
    clips: Sequence[int],
    folds: tuple[int, ...],
    rng: np.random.Generator,
    counts: dict[str, int],
) -> Rows:
    """Clips heard after another of their fold."""
    parts = []
    for fold in folds:
        own = rng.permutation([i for i in clips if data.clips[i].fold == fold]).tolist()
        if not own:
            continue
        before = own[-1:] + own[:-1]
        x = []
        for k in range(0, len(own), 128):
            first, then = (_stack(data, c[k : k + 128], 20) for c in (before, own))
            joined = (torch.cat(pair, 1) for pair in zip(first, then, strict=True))
            x.append(textures(texture, *joined)[:, 20:])
        parts.append(_labelled(data, own, np.concatenate(x), (5, 9, 14), 0.4, counts, centre=False))
    return Rows.joined(parts)


def _half_rows(
    data: LiveData,
    texture: Texture,
    clips: Sequence[int],
    at: tuple[int, ...],
    weight: float,
    change: Change | None = None,
    *,
    centre: bool = False,
) -> Rows:
    parts = []
    for steps in sorted({len(data.mel[i]) for i in clips}):
        own = [i for i in clips if len(data.mel[i]) == steps]
        taken = [s for s in at if s < steps]
        x = _features(data, texture, own, steps, change)[:, taken]
        y = np.repeat([2 * np.array(data.clips[i].quadrant) - 1 for i in own], len(taken), 0)
        parts.append(
            Rows(
                x.reshape(len(y), -1), y, np.repeat([data.clips[i].fold for i in own], len(taken)),
                np.full(len(y), weight / len(taken)),
                np.tile([centre and s == taken[-1] for s in taken], len(own)),
            )
        )  # fmt: skip
    return Rows.joined(parts)
