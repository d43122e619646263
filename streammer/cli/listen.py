"""`streammer listen`: estimate the mood of a source and publish it: a run of one feed."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streammer.cli.options import option
from streammer.cli.running import run_config
from streammer.config import Pace, parse_select
from streammer.config.run import (
    BusOptions,
    Device,
    FeedOptions,
    JsonlOptions,
    ModelOptions,
    Plugged,
    RunConfig,
)
from streammer.errors import UsageError

__all__ = ["listen"]


def listen(
    source: str,
    /,
    *,
    pace: Annotated[Pace | None, option(FeedOptions, "pace")] = None,
    select: Annotated[str | None, option(FeedOptions, "select")] = None,
    gain: Annotated[float, option(FeedOptions, "gain_db")] = 0.0,
    silence: Annotated[float, option(FeedOptions, "silence_dbfs")] = -70.0,
    model: Annotated[list[str] | None, option(ModelOptions, "name", "MODEL", flag=True)] = None,
    name: Annotated[str, option(FeedOptions, "name")] = "main",
    bind: Annotated[str | None, option(BusOptions, "bind")] = None,
    connect: Annotated[str | None, option(BusOptions, "connect")] = None,
    jsonl: Path | None = None,
    smoothing: Annotated[float, option(ModelOptions, "smoothing_s")] = 0.0,
    publish: Annotated[bool, option(BusOptions, "publish", negative="--no-publish")] = True,
    insecure: Annotated[bool, option(BusOptions, "insecure", flag=True)] = False,
    wait: Annotated[bool, Parameter(negative=())] = False,
    format: Annotated[str | None, option(FeedOptions, "format")] = None,
    rate: Annotated[int | None, option(FeedOptions, "rate")] = None,
    channels: Annotated[int | None, option(FeedOptions, "channels")] = None,
    device: Annotated[Device, option(ModelOptions, "device")] = "cpu",
) -> int:
    """Estimate the mood of a source twice a second: here, and on the bus.

    Parameters
    ----------
    source
        mic, device:NAME, a file, a URL, pcm:PATH for raw PCM from a named pipe, or - for raw PCM
        on stdin.
    jsonl
        Append every estimate to this file as a line of JSON.
    wait
        At the start, wait for a device, URL or port that is not there yet: a line a minute.
    """
    if not publish:
        for given, flag in ((bind, "--bind"), (connect, "--connect")):
            if given not in (None, os.environ.get(f"STREAMMER_{flag[2:].upper()}")):
                raise UsageError(f"{flag} and --no-publish contradict each other: give one of them")
        bind = connect = None  # the command line is stronger than the environment
    feed = FeedOptions(
        source=source,
        name=name,
        select=None if select is None else parse_select(select),
        gain_db=gain,
        silence_dbfs=silence,
        wait=wait,
        pace=pace,
        format=format,
        rate=rate,
        channels=channels,
    )
    models = ModelOptions(name=tuple(model or ["default"]), device=device, smoothing_s=smoothing)
    log = () if jsonl is None else (Plugged(None, "jsonl", JsonlOptions(path=str(jsonl))),)
    bus = BusOptions(bind=bind, connect=connect, publish=publish, insecure=insecure)
    config = RunConfig((feed,), bus, models, outputs=log)
    config.stream(feed)  # refuses what is malformed, before anything is opened
    return run_config(config, wait=wait)
