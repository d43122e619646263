"""The tables of a run: every key with its type, range, default and help.

The file of `streammer run`, the options of the command line and its example are made of these.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from streammer.config.plugs import Plugs
from streammer.config.stream import (
    DEFAULT_ENDPOINT,
    GAIN_DB,
    SILENCE_DBFS,
    SMOOTHING_S,
    Pace,
    StreamConfig,
)
from streammer.errors import UsageError

__all__ = [
    "MAX_FEEDS",
    "BusOptions",
    "Device",
    "FeedOptions",
    "JsonlOptions",
    "ModelOptions",
    "Plugged",
    "RunConfig",
    "Table",
    "help_of",
]

Device = Literal["cpu", "cuda"]

MAX_FEEDS = 1024
"""Feeds of one process: each has a thread, and no more than these were ever tried."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class BusOptions(Table, frozen=True, kw_only=True):
    """Where the moods are published."""

    bind: Annotated[
        str | None,
        Meta(
            description="Endpoint to publish on: tcp://HOST:PORT or ipc://PATH.",
            examples=[DEFAULT_ENDPOINT],
        ),
    ] = None
    connect: Annotated[
        str | None,
        Meta(
            description="Hub to publish through, at its port for publishers; it need not be there "
            "yet.",
            examples=["tcp://hub:5581"],
        ),
    ] = None
    publish: Annotated[bool, Meta(description="Publish on the bus.")] = True
    insecure: Annotated[
        bool,
        Meta(
            description="Allow a bind beyond this machine: anyone who can reach the port can "
            "subscribe."
        ),
    ] = False

    def __post_init__(self) -> None:
        if self.connect is not None and not self.publish:
            raise UsageError(
                f"connect {self.connect} and publish = false contradict each other: give one of "
                "them"
            )

    @property
    def explicit(self) -> bool:
        """Whether somebody has said where to publish."""
        return self.bind is not None or self.connect is not None

    @property
    def endpoint(self) -> str | None:
        """Where subscribers of this process connect; None if there is only a hub."""
        return self.bind if self.explicit else DEFAULT_ENDPOINT


class ModelOptions(Table, frozen=True, kw_only=True):
    """What judges the sound, the same for all feeds."""

    name: Annotated[
        str | tuple[str, ...],
        Meta(
            description="Name or path; of several, each output comes from the first that has it.",
            examples=["default"],
        ),
    ] = "default"
    device: Annotated[Device, Meta(description="Where the model runs: cpu or cuda.")] = "cpu"
    smoothing_s: Annotated[
        float,
        Meta(
            ge=SMOOTHING_S[0],
            le=SMOOTHING_S[1],
            description="Time constant of output smoothing [s]; 0 means none.",
        ),
    ] = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The models, in the order in which outputs are taken from them."""
        return (self.name,) if isinstance(self.name, str) else self.name


class FeedOptions(Table, frozen=True, kw_only=True):
    """One feed, and the stream that is made of it."""

    source: Annotated[
        str,
        Meta(
            description="mic, device:NAME, a file, a URL, pcm:PATH for raw PCM from a named pipe, "
            "or - for raw PCM on stdin.",
            examples=["device:Scarlett"],
        ),
    ]
    name: Annotated[str, Meta(description="Name of the stream on the bus.")] = "main"
    select: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...] | None,
        Meta(description="Channels to average, from 1; default all.", examples=[[3, 4]]),
    ] = None
    gain_db: Annotated[
        float,
        Meta(
            ge=GAIN_DB[0], le=GAIN_DB[1], description="Amplify the sound before it is heard [dB]."
        ),
    ] = 0.0
    silence_dbfs: Annotated[
        float,
        Meta(
            ge=SILENCE_DBFS[0],
            le=SILENCE_DBFS[1],
            description="Sound under this level is silence [dBFS].",
        ),
    ] = -70.0
    wait: Annotated[
        bool,
        Meta(
            description="At the start, wait for a device or URL that is not there yet: a line a "
            "minute."
        ),
    ] = False
    pace: Annotated[
        Pace | None,
        Meta(
            description="live: files are played by the clock (default). fast: as fast as possible, "
            "for all feeds or for none. A pipe is taken as it comes unless this says otherwise.",
            examples=["live"],
        ),
    ] = None
    format: Annotated[
        str | None,
        Meta(
            description="Raw PCM only: f32le (default), s16le, s24le or s32le.", examples=["s16le"]
        ),
    ] = None
    rate: Annotated[
        int | None,
        Meta(description="Raw PCM only: samples a second; default 44100.", examples=[48000]),
    ] = None
    channels: Annotated[int | None, Meta(description="Raw PCM only; default 2.", examples=[1])] = (
        None
    )

    def sounds_like(self, other: "FeedOptions") -> bool:
        """Return whether the same source is opened in the same way."""
        keys = ("source", "pace", "format", "rate", "channels")
        return all(getattr(self, key) == getattr(other, key) for key in keys)


class JsonlOptions(Table, frozen=True, kw_only=True):
    """Estimates as lines of JSON, appended to a file."""

    path: Annotated[str, Meta(description="File to append to.", examples=["moods.jsonl"])]
    feed: Annotated[
        str | None, Meta(description="The feed that is written; default all.", examples=["stage"])
    ] = None


class Plugged(NamedTuple):
    """A table of a kind: its registry (None for what the run does itself), and its options."""

    plugs: Plugs | None
    kind: str
    options: Any

    @property
    def feed(self) -> str | None:
        """The feed that it names; None means all."""
        name: str | None = getattr(self.options, "feed", None)
        return name


@dataclass(frozen=True)
class RunConfig:
    """A whole run, validated.

    Attributes
    ----------
    feeds : tuple of FeedOptions
    bus : BusOptions
    model : ModelOptions
    outputs, bridges : tuple of Plugged
        An output of no registry is a `JsonlOptions`.
    folder : Path
        What relative paths start at.
    shares : bool
        Whether feeds that name one device or URL hear one and the same source.
    place : callable
        Says where a feed stands in the file, by its number from 0.
    """

    feeds: tuple[FeedOptions, ...]
    bus: BusOptions = field(default_factory=BusOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    outputs: tuple[Plugged, ...] = ()
    bridges: tuple[Plugged, ...] = ()
    folder: Path = Path()
    shares: bool = False
    place: Callable[[int], str] = field(default=lambda k: f"feed {k + 1}", compare=False)

    def __post_init__(self) -> None:
        if len({feed.pace == "fast" for feed in self.feeds}) > 1:
            raise UsageError(
                "some feeds have pace fast and some have not: what lives by the clock cannot wait "
                "for what does not; give all of them one pace"
            )

    @property
    def live(self) -> bool:
        """Whether ticks keep coming whatever the sources do."""
        return all(feed.pace != "fast" for feed in self.feeds)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the feeds."""
        return tuple(feed.name for feed in self.feeds)

    def feed(self, name: str) -> FeedOptions:
        """Return the feed of that name."""
        return next(feed for feed in self.feeds if feed.name == name)

    def stream(self, feed: FeedOptions) -> StreamConfig:
        """Return what the stream of a feed is asked to do."""
        return StreamConfig(
            name=feed.name,
            models=self.model.names,
            select=feed.select,
            silence_dbfs=feed.silence_dbfs,
            smoothing_s=self.model.smoothing_s,
            gain_db=feed.gain_db,
        )


def help_of(table: type[Table], key: str) -> str:
    """Return what a key means, for the help of an option."""
    (field,) = (f for f in msgspec.structs.fields(table) if f.name == key)
    (meta,) = (m for m in field.type.__metadata__ if isinstance(m, Meta))
    assert meta.description is not None
    return meta.description
