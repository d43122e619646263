"""What goes to the bus: estimates, a status now and then, features if somebody wants them."""

from typing import Protocol

from streammer.bus.features import Features
from streammer.engine.features import step_features
from streammer.engine.feed import Feed
from streammer.engine.stream import Due
from streammer.estimate import MoodEstimate, StreamStatus

__all__ = ["Bus", "Outlet"]


class Bus(Protocol):
    """Where a loop publishes: a `Publisher`, or what keeps the same in this process."""

    def publish(self, estimate: MoodEstimate) -> None:
        """Publish an estimate."""
        ...

    def publish_status(self, status: StreamStatus) -> None:
        """Publish a status."""
        ...

    def wants_features(self, stream: str) -> bool:
        """Return whether somebody wants the features of a stream."""
        ...

    def publish_features(self, features: Features) -> None:
        """Publish the features of a step."""
        ...


class Outlet:
    """The way from the loop to the bus.

    Parameters
    ----------
    publisher : Bus or None
        None where nothing is published.
    """

    def __init__(self, publisher: Bus | None) -> None:
        self._publisher = publisher

    def publish(self, feed: Feed, estimate: MoodEstimate) -> None:
        """Publish an estimate, and the status of its stream if that is due."""
        if self._publisher is None:
            return
        self._publisher.publish(estimate)
        if feed.opened.status_is_due():
            self._publisher.publish_status(feed.status())

    def publish_features(self, due: Due, estimate: MoodEstimate) -> None:
        """Publish the features that an estimate was made of, while somebody subscribes to them."""
        if self._publisher is None or not self._publisher.wants_features(estimate.stream):
            return
        features = step_features(due.step, estimate)
        if features is not None:
            self._publisher.publish_features(features)
