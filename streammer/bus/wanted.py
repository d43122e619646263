"""Which features are subscribed to: they are made and sent only for somebody."""

from streammer.bus.features import features_topic

__all__ = ["WantedFeatures"]

_FEATURES = features_topic("")
_MAX_WANTED = 1024
"""Subscriptions to features that are kept: a peer that invents topics fills no memory."""


class WantedFeatures:
    """Keep the subscriptions that bring features, until the last subscriber of each leaves.

    One thread notes them, any may ask.

    Attributes
    ----------
    topics : frozenset of bytes
        What is subscribed to: topics of features, or beginnings of them.
    """

    def __init__(self) -> None:
        # Replaced as a whole: the thread of the socket writes it, any other reads it.
        self.topics: frozenset[bytes] = frozenset()

    def note(self, frame: bytes) -> bool:
        """Take a subscription or its end, as an XPUB socket gives it; return whether it is news."""
        topic, before = frame[1:], self.topics
        if not (topic.startswith(_FEATURES) or _FEATURES.startswith(topic)):
            return False
        if frame[:1] == b"\x00":
            self.topics -= {topic}
        elif frame[:1] == b"\x01" and len(self.topics) < _MAX_WANTED:
            self.topics |= {topic}
        return self.topics != before

    def wants(self, stream: str) -> bool:
        """Return whether somebody has subscribed to the features of a stream."""
        return any(features_topic(stream).startswith(topic) for topic in self.topics)
