"""An estimate in words, for terminals."""

from streammer.estimate import MoodEstimate, Quadrant, State

__all__ = ["clock_time", "in_one_line", "mood_words", "state_words"]

_QUADRANTS: dict[Quadrant, str] = {
    "Q1": "Q1 happy, excited",
    "Q2": "Q2 tense, angry",
    "Q3": "Q3 sad, gloomy",
    "Q4": "Q4 calm, content",
}
_STATES: dict[State, str] = {
    "ended": "has ended",
    "degraded": "no sound arrives",
    "silent": "silence",
    "warming": "listening in",
    "clipping": "too loud, clipping",
    "live": "hearing music",
}


def mood_words(m: MoodEstimate) -> str:
    """Return the quadrant with its name."""
    return "unknown" if m.quadrant is None else _QUADRANTS[m.quadrant]


def state_words(m: MoodEstimate) -> str:
    """Return what the state means."""
    return _STATES[m.state]


def in_one_line(m: MoodEstimate) -> str:
    """Return the mood as a line of plain ASCII, its parts separated by commas."""
    parts = [clock_time(m.t_audio_s)]
    for name, value, sigma in (
        ("valence", m.valence, m.sigma_valence),
        ("arousal", m.arousal, m.sigma_arousal),
    ):
        if value is not None:
            spread = "" if sigma is None else f" +- {sigma:.2f}"
            parts.append(f"{name} {value:+.2f}{spread}")
    parts.append(mood_words(m).replace(", ", " and "))
    parts.append(f"{m.state} at {m.level_dbfs:.0f} dBFS")
    return ", ".join(parts)


def clock_time(seconds: float) -> str:
    """Return h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
