"""The losses of the live network, each by its name; a recipe gives their weights.

A term takes the heads of a network, a batch and what was fitted on the training labels, and returns
a mean over all that it knows labels for; masks leave out the rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from offline.batches.example import Batch
from offline.recipes.mood import WeightPart
from offline.training.losses import binary, detached_nll, entropy, ranking, smooth, squared

__all__ = ["TERMS", "Fitted", "Heads", "distil"]

Heads = Mapping[str, Tensor]

STEEP = 6.0
"""Logits of a sign per unit of valence or arousal: .5 off the centre is a probability of .95."""


@dataclass(frozen=True)
class Fitted:
    """What losses know of the training labels.

    Attributes
    ----------
    centre, spread : Tensor [shape=(2,)]
        Mean and standard deviation of valence and arousal.
    weights : WeightPart
    """

    centre: Tensor
    spread: Tensor
    weights: WeightPart

    def to(self, device: torch.device | str) -> "Fitted":
        """Return it on a device."""
        return Fitted(self.centre.to(device), self.spread.to(device), self.weights)


Term = Callable[[Heads, Batch, Fitted], Tensor]


def _counted(batch: Batch, name: str) -> Tensor:
    """Weights of labels, less at starts and cuts ``[rows, steps, 1 or n]``."""
    weight, early = batch.masks[name], batch.masks["early"]
    weight = weight[..., None] if weight.ndim == 2 else weight
    return weight * early[..., None]


def _music(batch: Batch) -> Tensor:
    return 1 - batch.masks["sound"][..., None]


def mood(heads: Heads, batch: Batch, fitted: Fitted) -> Tensor:
    """Squared error of valence and arousal; what is no music is drawn gently to the middle."""
    weight = _counted(batch, "mood") + fitted.weights.sound_mean * _counted(batch, "sound")
    return squared(heads["mood"], batch.targets["mood"], weight)


def sigma(heads: Heads, batch: Batch, fitted: Fitted) -> Tensor:
    """Likelihood of the sigmas; of no music every label is as likely as in training."""
    sound = batch.masks["sound"][..., None]
    return detached_nll(
        heads["mood"], heads["ln_sigma"], batch.targets["mood"],
        _counted(batch, "mood") + _counted(batch, "sound"), sound * fitted.spread**2,
    )  # fmt: skip


def half_planes(heads: Heads, batch: Batch, fitted: Fitted) -> Tensor:
    """Cross entropy of positive and energetic; one half for what is no music."""
    return binary(
        heads["half_planes"], batch.targets["half_planes"], _counted(batch, "half_planes")
    )


def _sign(axis: int) -> Term:
    def term(heads: Heads, batch: Batch, fitted: Fitted) -> Tensor:
        turn = fitted.weights.sign_at * fitted.centre[axis]
        logit = STEEP * (heads["mood"][..., axis] - turn)
        weight = _counted(batch, "half_planes") * _music(batch)
        return binary(logit, batch.targets["half_planes"][..., axis], weight[..., 0])

    return term


def _inside_halves(score: Tensor, batch: Batch) -> Tensor:
    """Rank positive clips over the others of their half, energetic or calm."""
    positive, energetic = batch.targets["half_planes"].unbind(-1)
    weight = (_counted(batch, "half_planes") * _music(batch))[..., 0]
    return ranking(score, positive, weight, energetic)


def rank_valence(heads: Heads, batch: Batch, fitted: Fitted) -> Tensor:
    """Pairs inside each half, in valence."""
    return _inside_halves(STEEP * heads["mood"][..., 0], batch)


def rank_positive(heads: Heads, batch: Batch, fitted: Fitted) -> Tensor:
    """Pairs inside each half, in the logit of positive."""
    return _inside_halves(heads["half_planes"][..., 0], batch)


def rank_cluster(heads: Heads, batch: Batch, fitted: Fitted) -> Tensor:
    """Pairs of clusters that have an order, in valence and in arousal."""
    weight = _counted(batch, "cluster")[..., 0]
    score, rank = STEEP * heads["mood"], batch.targets["ranks"]
    parts = [ranking(score[..., k], rank[..., k], weight) for k in (0, 1)]
    return torch.stack(parts).mean()


def deezer(heads: Heads, batch: Batch, fitted: Fitted) -> Tensor:
    """Squared error against the Deezer set's valence and arousal."""
    return squared(heads["mood"], batch.targets["deezer"], _counted(batch, "deezer"))


def words(heads: Heads, batch: Batch, fitted: Fitted) -> Tensor:
    """Squared error of a head of its own against mood words, which span half of [-1, 1]."""
    return squared(heads["words"], 2 * batch.targets["words"], _counted(batch, "words"))


def genre(heads: Heads, batch: Batch, fitted: Fitted) -> Tensor:
    """Cross entropy of genres, of which a song may have several."""
    return binary(heads["genre"], batch.targets["genre"], _counted(batch, "genre"))


def cluster(heads: Heads, batch: Batch, fitted: Fitted) -> Tensor:
    """Cross entropy of clusters."""
    weight = _counted(batch, "cluster")[..., 0]
    return entropy(heads["cluster"], batch.targets["cluster"], weight)


def teacher(heads: Heads, batch: Batch, fitted: Fitted) -> Tensor:
    """Distance to the tagger's features and tags; nothing where there is no tagger."""
    if "teacher" not in batch.targets:
        return heads["mood"].new_zeros(())
    return smooth(heads["teacher"], batch.targets["teacher"], _counted(batch, "teacher"))


def consistency(heads: Heads, batch: Batch, fitted: Fitted) -> Tensor:
    """Squared difference of twins in mood and logits, wherever both are of the same crop."""
    n = len(batch) - len(batch.rows)
    if n <= 0:
        return heads["mood"].new_zeros(())
    source, early = batch.targets["source"], batch.masks["early"][..., None]
    same = (source[:n] == source[-n:]) * torch.minimum(early[:n], early[-n:])
    both = torch.cat((heads["mood"], heads["half_planes"] / STEEP), -1)
    return squared(both[:n], both[-n:], same)


def distil(heads: Heads, wanted: Heads, batch: Batch) -> Tensor:
    """Distance to what several networks give for the batch on average: mood, logits, ln sigma."""
    scales = {"mood": 1.0, "half_planes": STEEP, "ln_sigma": STEEP}
    apart = [(heads[k] - wanted[k]) / scale for k, scale in scales.items()]
    every = torch.cat(apart, -1)
    return squared(every, torch.zeros_like(every), batch.masks["early"][..., None])


TERMS: dict[str, Term] = {
    "mood": mood,
    "sigma": sigma,
    "half_planes": half_planes,
    "sign_valence": _sign(0),
    "sign_arousal": _sign(1),
    "rank_valence": rank_valence,
    "rank_positive": rank_positive,
    "rank_cluster": rank_cluster,
    "deezer": deezer,
    "words": words,
    "genre": genre,
    "cluster": cluster,
    "teacher": teacher,
    "consistency": consistency,
}
"""By name; ``distil`` is one more, of a network that several others come before."""
