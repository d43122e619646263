"""The mood of a song, as fast as it goes, with the spectrogram that its model got."""

from collections.abc import Sequence
from pathlib import Path

from streammer.bus.features import Features
from streammer.config import StreamConfig
from streammer.engine.engine import Engine
from streammer.estimate import MoodEstimate, StreamStatus
from streammer.inference.loading import load_models
from streammer.sources.open import open_feed

__all__ = ["Song", "hear"]


class Song:
    """What a bus would carry of a song, kept.

    Attributes
    ----------
    moods : list of MoodEstimate
    features : list of Features
        The spectrogram of each step.
    """

    def __init__(self) -> None:
        self.moods: list[MoodEstimate] = []
        self.features: list[Features] = []

    def publish(self, estimate: MoodEstimate) -> None:
        """Keep an estimate."""
        if estimate.state != "ended":
            self.moods.append(estimate)

    def publish_status(self, status: StreamStatus) -> None:
        """Pass over it."""

    def wants_features(self, stream: str) -> bool:
        """Ask for them."""
        return True

    def publish_features(self, features: Features) -> None:
        """Keep the spectrogram of a step."""
        self.features.append(features)


def hear(path: Path, models: Sequence[str]) -> Song:
    """Estimate the mood of a file.

    Raises
    ------
    InputError, ModelError
        If it cannot be used, or a model is unknown.
    """
    feed = open_feed(str(path), pace="fast")
    song = Song()
    engine = Engine(
        feed.source,
        StreamConfig(models=tuple(models)),
        load_models(models),
        pace="fast",
        publisher=song,
    )
    engine.run()
    return song
