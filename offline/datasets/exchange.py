"""The exchanged static columns of DEAM: found by measurement, corrected, logged.

In DEAM's static file the columns called valence and arousal are exchanged for the songs up to
1000. Nothing in the file says so, hence nothing here assumes it: in every block of ids the
static means are correlated with the means of the dynamic labels, and a block whose columns
agree better with the other axis is exchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["BLOCKS", "BlockTest", "block_of", "test_blocks"]

BLOCKS: tuple[tuple[str, int, int], ...] = (
    ("<= 1000", 1, 1000),
    ("1001-2000", 1001, 2000),
    ("> 2000", 2001, 10**9),
)
"""Blocks of ids that were annotated and published together: name, first, last id."""

MIN_SONGS = 6
"""Fewer songs than this decide nothing: correlations of five points reach .8 by chance."""


def block_of(song_id: str) -> str:
    """Name of the block that an id belongs to."""
    return next(name for name, first, last in BLOCKS if first <= int(song_id) <= last)


@dataclass(frozen=True)
class BlockTest:
    """Correlations of one block's static columns with the dynamic means.

    Attributes
    ----------
    block : str
    n : int
        Songs with both kinds of labels.
    vv, va, av, aa : float
        Correlation of the file's (static) valence or arousal (first letter) with the dynamic
        valence or arousal (second letter).
    """

    block: str
    n: int
    vv: float
    va: float
    av: float
    aa: float

    @property
    def decided(self) -> bool:
        """Whether there are enough songs to decide."""
        return self.n >= MIN_SONGS and bool(np.isfinite([self.vv, self.va, self.av, self.aa]).all())

    @property
    def exchanged(self) -> bool:
        """Whether the columns agree better with the other axis."""
        return self.decided and self.va + self.av > self.vv + self.aa

    def line(self) -> str:
        """One line for the log."""
        head = (
            f"static labels, ids {self.block}: {self.n} songs, static 'valence' ~ dynamic V / A "
            f"{self.vv:.3f} / {self.va:.3f}, static 'arousal' ~ A / V {self.aa:.3f} / {self.av:.3f}"
        )
        if not self.decided:
            return head + f": NOT TESTED (needs {MIN_SONGS} songs with both), left as in the file"
        return head + (": EXCHANGED in the file, corrected" if self.exchanged else ": right")


def _corr(x: np.ndarray, y: np.ndarray) -> float:
    if len(x) < 2 or x.std() == 0 or y.std() == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def test_blocks(
    static: Mapping[str, tuple[float, float]], dynamic: Mapping[str, tuple[float, float]]
) -> dict[str, BlockTest]:
    """Correlate static with dynamic song means per block.

    Parameters
    ----------
    static, dynamic : mapping
        Song id -> (valence, arousal); static as the file names them.
    """
    tests = {}
    for name, first, last in BLOCKS:
        ids = [s for s in static if s in dynamic and first <= int(s) <= last]
        ids = [s for s in ids if np.isfinite([*static[s], *dynamic[s]]).all()]
        if not any(first <= int(s) <= last for s in static):
            continue
        sv, sa = np.array([static[s] for s in ids], float).reshape(-1, 2).T
        dv, da = np.array([dynamic[s] for s in ids], float).reshape(-1, 2).T
        tests[name] = BlockTest(
            name, len(ids), _corr(sv, dv), _corr(sv, da), _corr(sa, dv), _corr(sa, da)
        )
    return tests


test_blocks.__test__ = False  # type: ignore[attr-defined]  # not a pytest case
