"""What a run names, found where its file means it: sources, models, logs; nothing is opened."""

from pathlib import Path
from typing import TYPE_CHECKING

from streammer.cli.messages import undash
from streammer.config.run import FeedOptions, JsonlOptions, ModelOptions, RunConfig

if TYPE_CHECKING:
    from streammer.sources.open import Feed

__all__ = ["logs_of", "model_names", "opening_of", "resolved"]


def opening_of(feed: FeedOptions, folder: Path) -> "Feed":
    """Return the source of a feed, not yet open.

    Raises
    ------
    UsageError
        If the source, or an option of it, is malformed.
    InputError
        If a file is missing.
    """
    from streammer.sources.open import open_feed

    return open_feed(
        resolved(undash(feed.source), folder),
        pace=feed.pace,
        wait=feed.wait,
        format=feed.format,
        rate=feed.rate,
        channels=feed.channels,
    )


def model_names(model: ModelOptions, folder: Path) -> tuple[str, ...]:
    """Return the models of a run: names of the zoo, or paths."""
    return tuple(
        str(folder / name) if name.endswith(".onnx") or "/" in name else name
        for name in model.names
    )


def logs_of(config: RunConfig) -> list[tuple[Path, str | None]]:
    """Return the files that estimates are appended to, each with the feed that goes there."""
    return [
        (config.folder / output.options.path, output.options.feed)
        for output in config.outputs
        if isinstance(output.options, JsonlOptions)
    ]


def resolved(source: str, folder: Path) -> str:
    """Return a source whose path starts where it is meant to."""
    from streammer.sources.open import kind_of

    if folder == Path():
        return source
    if source.startswith("pcm:"):
        return f"pcm:{folder / Path(source.removeprefix('pcm:')).expanduser()}"
    if kind_of(source) == "file" and not source.startswith(("file:", "~")):
        return str(folder / source)
    return source
