"""`streammer replay`: a recording, on the bus again."""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streammer.bus import Publisher
from streammer.cli.messages import complain, inform
from streammer.config import DEFAULT_ENDPOINT
from streammer.errors import InputError, UsageError
from streammer.estimate import MoodEstimate
from streammer.recording.read import read_estimates
from streammer.recording.replay import Replay, parse_speed
from streammer.system.signals import stopping

__all__ = ["replay"]


def replay(
    recordings: list[Path],
    /,
    *,
    speed: str = "1",
    loop: Annotated[bool, Parameter(negative=())] = False,
    skip: float = 0.0,
    idle: float | None = None,
    lead: float = 1.0,
    bind: str = DEFAULT_ENDPOINT,
    insecure: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Publish a recording again: the same estimates, in the time in which they came.

    Parameters
    ----------
    recordings
        One file, or the files of a series in their order: .parquet, .csv or .jsonl.
    speed
        How many times as fast as recorded, 0.1 to 1000, or max.
    loop
        Begin again at the end, until a signal.
    skip
        Leave out so many seconds from the start.
    idle
        Gaps in the recording that are longer become as long as this, in seconds.
    lead
        Seconds between the opening of the port and the first estimate, so that who waits for it
        has joined.
    bind
        Endpoint to publish on: tcp://HOST:PORT or ipc://PATH.
    insecure
        Allow a bind beyond this machine: anyone who can reach the port can subscribe.
    """
    times = parse_speed(speed)
    for name, value in (("skip", skip), ("idle", idle or 0.0), ("lead", lead)):
        if not 0.0 <= value < math.inf:
            raise UsageError(f"--{name} is {value:g}; expected seconds from 0 on")
    first = next(_moods(recordings, skip), None)
    if first is None:
        after = f" after {skip:g} s" if skip else ""
        raise InputError(f"{recordings[0]} holds no estimate{after}: there is nothing to replay")
    with ExitStack() as stack:
        publisher = stack.enter_context(Publisher(bind, insecure=insecure, streams=1024))
        player = Replay(
            publisher,
            ", ".join(path.name for path in recordings),
            speed=times,
            idle_s=math.inf if idle is None else idle,
        )
        stack.enter_context(stopping(player))
        inform(f"replaying {recordings[0]} on {publisher.endpoint}, speed {speed}")
        player.rest(lead)
        while not player.stopped:
            player.run(_moods(recordings, skip))
            if not loop:
                break
    cut = " (stopped)" if player.stopped else ""
    inform(f"{player.count} estimates of {player.streams} streams replayed{cut}")
    return 0


def _moods(recordings: list[Path], skip: float) -> Iterator[MoodEstimate]:
    """Yield what is to be played, of all files in their order."""
    begin: float | None = None
    for path in recordings:
        for mood in read_estimates(path, complain):
            moment = max(mood.t_publish, mood.t_capture)
            begin = moment if begin is None else begin
            if moment - begin >= skip:
                yield mood
