"""How far a recording at a URL was decoded, so that its next connection goes on there."""

from dataclasses import dataclass

__all__ = ["Progress"]


@dataclass
class Progress:
    """How far a recording was decoded, over all lives of its source.

    Attributes
    ----------
    decoded_s : float
        Sound that was delivered [s]; 0 for a station.
    size : int
        Bytes of the whole, as the server named them.
    tries : int
        Lives up to now that delivered nothing, counted from the last that did.
    """

    decoded_s: float = 0.0
    size: int = 0
    tries: int = 0
