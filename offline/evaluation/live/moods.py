"""What is published of a clip against half-plane labels and mood clusters, from arrays alone.

Columns of moods are those of an artefact's outputs in their order: valence, arousal, their sigmas,
p_positive, p_energetic; NaN where a model has no such output.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from offline.datasets.mirex import NORMS
from streammer.estimate import Quadrant, quadrant_of
from streammer.inference.artefact import OUTPUTS

__all__ = [
    "QUADRANTS", "auc_scores", "cluster_scores",
    "published_quadrants", "quadrant_labels", "quadrant_scores", "quadrant_steps", "sign_agreement",
]  # fmt: skip

QUADRANTS: tuple[Quadrant, ...] = ("Q1", "Q2", "Q3", "Q4")

CLEAR = 0.2
"""How far p_positive is from 1/2 where it is clear: there valence has its sign."""


def _auc(truth: np.ndarray, score: np.ndarray) -> float | None:
    if len(set(truth.tolist())) < 2 or not np.isfinite(score).all():
        return None
    return float(roc_auc_score(truth, score))


def auc_scores(half: np.ndarray, mood: np.ndarray) -> dict[str, float]:
    """Areas under the curve of four outputs, over all clips and inside each half.

    Valence and p_positive rank positive above negative clips, also inside the calm half (Q3, Q4)
    and the energetic half (Q1, Q2); arousal and p_energetic rank energetic above calm clips, also
    inside the negative half (Q2, Q3) and the positive half (Q1, Q4). Left out: an area whose
    clips have one label, and an output that the model has not.

    Parameters
    ----------
    half : np.ndarray [shape=(clips, 2)]
        Labels (positive, energetic), each 0 or 1.
    mood : np.ndarray [shape=(clips, 6)]
        Mean outputs of each clip.
    """
    positive, energetic = half[:, 0] > 0.5, half[:, 1] > 0.5
    every = np.ones(len(half), bool)
    of_positive = (("", every), ("_calm_half", ~energetic), ("_energetic_half", energetic))
    of_energetic = (("", every), ("_negative_half", ~positive), ("_positive_half", positive))
    out = {}
    for name, column, truth, parts in (
        ("valence", 0, positive, of_positive),
        ("positive", 4, positive, of_positive),
        ("arousal", 1, energetic, of_energetic),
        ("energetic", 5, energetic, of_energetic),
    ):
        for suffix, rows in parts:
            area = _auc(truth[rows], mood[rows, column])
            if area is not None:
                out[f"auc_{name}{suffix}"] = area
    return out


def quadrant_labels(half: np.ndarray) -> list[Quadrant]:
    """Quadrants of half-plane labels (positive, energetic)."""
    names: dict[tuple[bool, bool], Quadrant] = {
        (True, True): "Q1", (False, True): "Q2", (False, False): "Q3", (True, False): "Q4",
    }  # fmt: skip
    return [names[bool(p > 0.5), bool(e > 0.5)] for p, e in half]


def quadrant_steps(clip: np.ndarray) -> list[Quadrant | None]:
    """Quadrant of every step of a clip, by the function that the engine publishes it by.

    Parameters
    ----------
    clip : np.ndarray [shape=(steps, 6)]
        From the first step of a fresh start.

    Returns
    -------
    list of str or None [steps]
        None where the model gives neither both probabilities nor both axes.
    """
    previous: Quadrant | None = None
    out: list[Quadrant | None] = []
    for step in clip:
        known = {
            name: None if np.isnan(x) else float(x) for name, x in zip(OUTPUTS, step, strict=True)
        }
        # The engine decides before it rounds.
        previous = quadrant_of(
            known["valence"], known["arousal"], previous,
            p_positive=known["p_positive"], p_energetic=known["p_energetic"],
        )  # fmt: skip
        out.append(previous)
    return out


def published_quadrants(moods: np.ndarray, start: int = 0) -> list[Quadrant | None]:
    """Most frequent published quadrant of each clip.

    Parameters
    ----------
    moods : np.ndarray [shape=(clips, steps, 6)]
    start : int
        First step that counts; those before set the side that hysteresis keeps.

    Returns
    -------
    list of str or None [clips]
        Of two that are equally frequent the one that came first.
    """
    out: list[Quadrant | None] = []
    for clip in moods:
        counted = Counter(q for q in quadrant_steps(clip)[start:] if q is not None)
        out.append(counted.most_common(1)[0][0] if counted else None)
    return out


def quadrant_scores(
    truth: Sequence[Quadrant], published: Sequence[Quadrant | None]
) -> dict[str, float]:
    """Accuracy and confusion of published quadrants.

    Returns
    -------
    dict
        ``quadrant_accuracy``; ``quadrant_majority``, that of always the most frequent label;
        ``q2_as_q1``, the share of Q2's clips (tense, angry) that are
        published as Q1 (happy, excited); ``confusion_Qi_Qj``, how many clips of Qi are published
        as Qj.
    """
    pairs = Counter(zip(truth, published, strict=True))
    out = {f"confusion_{a}_{b}": float(pairs[a, b]) for a in QUADRANTS for b in QUADRANTS}
    out["quadrant_majority"] = max(truth.count(q) for q in QUADRANTS) / len(truth)
    out["quadrant_accuracy"] = sum(pairs[q, q] for q in QUADRANTS) / len(truth)
    tense = sum(q == "Q2" for q in truth)
    if tense:
        out["q2_as_q1"] = pairs["Q2", "Q1"] / tense
    return out


def sign_agreement(moods: np.ndarray) -> dict[str, float]:
    """Share of steps in which valence has the sign of p_positive, where that is clear.

    Returns
    -------
    dict
        ``sign_agreement``, over steps with |p_positive - 1/2| > .2, and ``sign_clear``, their
        share; empty where the model has not both or no step is clear.
    """
    valence, p = moods[..., 0].ravel(), moods[..., 4].ravel()
    if not (np.isfinite(valence).all() and np.isfinite(p).all()):
        return {}
    clear = np.abs(p - 0.5) > CLEAR
    if not clear.any():
        return {}
    same = (valence[clear] > 0) == (p[clear] > 0.5)
    return {"sign_agreement": float(same.mean()), "sign_clear": float(clear.mean())}


def cluster_scores(cluster: np.ndarray, mood: np.ndarray) -> dict[str, float]:
    """Rank correlation of valence and arousal with mood clusters, ordered by their words' norms.

    Parameters
    ----------
    cluster : np.ndarray [shape=(clips,)], int
        0 to 4, one less than the published numbers (`offline.datasets.mirex.NORMS`).
    mood : np.ndarray [shape=(clips, 6)]
        Mean outputs of each clip.
    """
    out = {}
    norms = np.array([NORMS[int(c) + 1] for c in cluster])
    for k, axis in enumerate(("valence", "arousal")):
        rank, value = norms[:, k], mood[:, k]
        if np.ptp(rank) > 0 and np.ptp(value) > 0:  # NaN: the model has no such output
            out[f"mirex_{axis}"] = float(spearmanr(rank, value)[0])
    return out
