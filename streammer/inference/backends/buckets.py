"""In which batch sizes a model is run: few, so that little is set up and memory stays.

ONNX Runtime and a GPU plan a batch size when they first meet it. A batch between two sizes is
filled up where that wastes little, and divided where it would waste much.
"""

from collections.abc import Iterator, Sequence

__all__ = ["BUCKETS", "divided"]

BUCKETS = (1, 2, 4, 8, 16, 32, 64)
"""Batch sizes of a run."""

_FILLED = 3
"""Rows of nothing that cost about as much as another call."""


def divided(count: int, buckets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Divide a batch into buckets.

    Parameters
    ----------
    count : int > 0
    buckets : sequence of int
        Ascending.

    Yields
    ------
    rows, bucket : int, int
        Rows that are taken next, and the size that they are filled up to.

    Examples
    --------
    >>> list(divided(1, BUCKETS)), list(divided(7, BUCKETS)), list(divided(21, BUCKETS))
    ([(1, 1)], [(7, 8)], [(16, 16), (5, 8)])
    >>> list(divided(10, (4,)))
    [(4, 4), (4, 4), (2, 4)]
    """
    while count > 0:
        above = next((size for size in buckets if size >= count), buckets[-1])
        below = next((size for size in reversed(buckets) if size <= count), above)
        size = above if above - count <= _FILLED else below
        rows = min(count, size)
        yield rows, size
        count -= rows
