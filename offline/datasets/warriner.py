"""Norms of 13,915 English words (Warriner et al. 2013): valence, arousal, dominance."""

from pathlib import Path

import numpy as np

from offline.datasets.tables import number, read_rows
from streammer.errors import InputError

__all__ = ["WARRINER", "read_warriner"]

WARRINER = "Ratings_Warriner_et_al.csv"
_COLUMNS = ("V.Mean.Sum", "A.Mean.Sum", "D.Mean.Sum")


def read_warriner(path: Path) -> dict[str, np.ndarray]:
    """Read the norms, from 1..9 to [-1, 1].

    Returns
    -------
    dict
        Word, in lower case -> valence, arousal, dominance: np.ndarray [shape=(3,)], float64; the
        mean of rows that differ in case alone. 'null' and 'nan' are words like others.

    Raises
    ------
    InputError
        The table is missing or damaged, or a norm is outside of 1..9.
    """
    found: dict[str, list[np.ndarray]] = {}
    for row in read_rows(path, ["Word", *_COLUMNS]):
        word = row["Word"].casefold()
        values = np.array([number(row.get(c), path, f"{word}, {c}") for c in _COLUMNS])
        if not np.isfinite(values).all() or values.min() < 1 or values.max() > 9:
            raise InputError(f"{path}: {word}: {values.tolist()}; expected three norms in 1..9")
        found.setdefault(word, []).append((values - 5) / 4)
    return {word: np.mean(own, axis=0) for word, own in found.items()}
