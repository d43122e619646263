"""What goes into shaping and what comes out of it."""

from dataclasses import dataclass

from streammer.estimate import MoodEstimate, Quadrant

__all__ = ["Frame", "Received"]


@dataclass(frozen=True)
class Received:
    """An estimate with the time at which it came; None says that the stream has ended."""

    at: float
    mood: MoodEstimate | None


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What a bridge sends at one moment.

    Attributes
    ----------
    t : float
        When it is shown [s], on the clock of the runner.
    valence, arousal, p_positive, p_energetic, sigma_valence, sigma_arousal : float or None
        As on the wire, between two estimates; None where the stream has none.
    valence01, arousal01 : float
        Valence and arousal in the range of the room, from 0 to 1.
    x, y : float
        Where the mood is in the plane of colours, from 0 to 1: how positive and how energetic, by
        what decides the quadrant (both probabilities where the stream has them, else valence and
        arousal), in the range of the room.
    intensity : float
        From ``floor`` to 1 with arousal01 while there is music; of the resting scene; 0 for black.
    active : float
        1 while there is music, 0 at rest; between them while it fades.
    quadrant : str or None
        Of the stream, held for ``dwell``; None at rest.
    state : str
        As on the wire, or stale.
    fired : tuple of str
        The rules that fire in this frame.
    """

    t: float
    valence: float | None
    arousal: float | None
    valence01: float
    arousal01: float
    x: float
    y: float
    p_positive: float | None
    p_energetic: float | None
    sigma_valence: float | None
    sigma_arousal: float | None
    intensity: float
    active: float
    quadrant: Quadrant | None
    state: str
    fired: tuple[str, ...] = ()
