"""When samples were captured and came here, by their position in the stream."""

from collections import deque
from typing import NamedTuple

__all__ = ["Stamp", "Stamps"]


class Stamp(NamedTuple):
    """Times of one sample: Unix time of its capture, monotonic time of its arrival [s]."""

    t_capture: float
    t_arrival: float


class Stamps:
    """The times of the blocks that the steps still to come are made of.

    A step may be complete long before it can be computed: its last samples wait in a resampler
    until more sound comes, which may take as long as an outage. Its times are those of the block
    in which its last sample came, not those of the block that let it out.

    Parameters
    ----------
    sr : int
        Rate by which times within a block are interpolated [Hz].
    """

    def __init__(self, sr: int) -> None:
        self._sr = sr
        self._blocks: deque[tuple[int, Stamp]] = deque()

    def add(self, end: int, t_capture: float, t_arrival: float) -> None:
        """Note the times of the sample just before position `end`."""
        self._blocks.append((end, Stamp(t_capture, t_arrival)))

    def before(self, position: int) -> Stamp:
        """Return the times of the sample just before `position`; later calls must not go back."""
        blocks = self._blocks
        while len(blocks) > 1 and blocks[0][0] < position:
            blocks.popleft()
        end, stamp = blocks[0]
        return Stamp(stamp.t_capture - (end - position) / self._sr, stamp.t_arrival)
