"""Nested selection: what is chosen is chosen on inner folds, what is published is read on outer.

For an outer fold k the four others are the inner ones. Epochs, options of a recipe, smoothing, the
scale of sigma, thresholds and calibration are chosen on them, each validated while the other three
train; then one model is fitted on all four with what was chosen, and fold k is read once.
"""

from dataclasses import dataclass
from typing import NamedTuple

from offline.datasets.folds import N_FOLDS
from streammer.errors import UsageError

__all__ = ["Folds", "Inner"]


class Inner(NamedTuple):
    """One inner split of an outer fold.

    Attributes
    ----------
    train, validation : tuple of int
        Fold numbers; the outer fold is in neither.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]


@dataclass(frozen=True)
class Folds:
    """The folds as one outer fold sees them.

    Parameters
    ----------
    outer : int or None
        Fold that is held out; None for what ships, which trains on all.
    n : int
        How many folds there are.

    Examples
    --------
    >>> Folds(outer=2).train
    (0, 1, 3, 4)
    >>> Folds(outer=2).inner(3)
    Inner(train=(0, 1, 4), validation=(3,))
    """

    outer: int | None
    n: int = N_FOLDS

    def __post_init__(self) -> None:
        if self.n < 2 or (self.outer is not None and not 0 <= self.outer < self.n):
            raise UsageError(f"fold {self.outer} of {self.n}; expected 0 .. {self.n - 1}")

    @property
    def train(self) -> tuple[int, ...]:
        """Folds that train; for selection, the inner folds."""
        return tuple(f for f in range(self.n) if f != self.outer)

    @property
    def test(self) -> tuple[int, ...]:
        """Return the outer fold; nothing for what ships."""
        return () if self.outer is None else (self.outer,)

    def inner(self, validation: int) -> Inner:
        """Split the inner folds: one validates, the others train.

        Raises
        ------
        UsageError
            `validation` is the outer fold or none at all, or there is no third fold to train on.
        """
        if validation not in self.train:
            raise UsageError(
                f"inner fold {validation} of outer fold {self.outer}: expected one of "
                f"{', '.join(map(str, self.train))}; the outer fold chooses nothing"
            )
        rest = tuple(f for f in self.train if f != validation)
        if not rest:
            raise UsageError(f"{self.n} folds leave none to train on; nested selection takes 3")
        return Inner(rest, (validation,))

    def inners(self) -> tuple[Inner, ...]:
        """All inner splits, in the order of their validation folds."""
        return tuple(self.inner(f) for f in self.train)
