"""What the tests of the bridges share: estimates that are made up, and frames of them."""

from hypothesis import settings

from streammer.bridges.frame import Received
from streammer.bridges.shaping import init_shape, shape
from streammer.estimate import MoodEstimate, quadrant_of

STEADY = settings(deadline=None, derandomize=True, max_examples=80)
"""Of every drawn test: the same draws each time, however busy the machine is."""


def mood(valence=0.0, arousal=0.0, *, state="live", seq=0, sigma=0.2, p=None, **changes):
    """Return an estimate; `p` is the pair of probabilities."""
    positive, energetic = p or (None, None)
    values = dict(
        stream="main", epoch="019c2f0a6b1c9d3e", seq=seq, t_audio_s=0.5 * seq, t_capture=1.7e9,
        t_publish=1.7e9, valence=valence, arousal=arousal, sigma_valence=sigma,
        sigma_arousal=sigma, p_positive=positive, p_energetic=energetic,
        quadrant=quadrant_of(valence, arousal, p_positive=positive, p_energetic=energetic),
        state=state, level_dbfs=-20.0, lag_ms=1.0, model="default", lost_samples=0,
    )  # fmt: skip
    return MoodEstimate(**(values | changes))


def played(options, received, *, until, start=0.0, rate=None):
    """Return the frames of what was received, from `start` on."""
    rate = rate or options.rate
    left, frames, state, k = list(received), [], init_shape(options), 0
    while (now := start + k / rate) <= until:
        came = [r for r in left if r.at <= now]
        left = left[len(came) :]
        state, frame = shape(options, state, came, now)
        frames.append(frame)
        k += 1
    return frames


def at_half_seconds(moods, start=0.0):
    return [Received(start + 0.5 * k, mood) for k, mood in enumerate(moods)]
