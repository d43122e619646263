"""`streammer watch`: follow a stream of the bus from another terminal or program."""

import sys
from contextlib import ExitStack
from typing import Annotated

from cyclopts import Parameter

from streammer.bus import Subscriber
from streammer.bus.streams import Streams
from streammer.cli.messages import inform
from streammer.cli.outputs import Outputs
from streammer.cli.watch_all import AllWatcher
from streammer.cli.watching import POLL_S, Watching
from streammer.clock import Clock
from streammer.config import DEFAULT_ENDPOINT
from streammer.errors import UsageError
from streammer.estimate import MoodEstimate
from streammer.system.signals import stopping

__all__ = ["watch"]


def watch(
    *,
    connect: str = DEFAULT_ENDPOINT,
    stream: str | None = None,
    all: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
    count: int | None = None,
) -> int:
    """Follow a stream of the bus: a live view in a terminal, lines of JSON anywhere else.

    Parameters
    ----------
    connect
        Endpoint of the publisher. It need not be there yet, and it may come back.
    stream
        Name of the stream; default main.
    all
        Follow every stream, each in a tile of its own.
    json
        Lines of JSON, also in a terminal.
    count
        End after so many estimates; default never.
    """
    if count is not None and count < 1:
        raise UsageError(f"--count is {count}; expected 1 or more, such as --count 10")
    if all and stream is not None:
        raise UsageError(f"--all and --stream {stream} contradict each other: give one of them")
    with ExitStack() as stack:
        watcher: AllWatcher | Watcher
        if all:
            streams = stack.enter_context(Streams(connect))
            watcher, what = AllWatcher(streams), f"all streams at {streams.endpoint}"
        else:
            moods = stack.enter_context(Subscriber(connect, stream or "main"))
            watcher, what = Watcher(moods), f"{moods.stream} at {moods.endpoint}"
        stack.enter_context(stopping(watcher))
        outputs = stack.enter_context(Outputs(watcher.stop))
        shown = sys.stdout.isatty() and not json
        if shown:
            from streammer.cli.view import view_for

            outputs.add_picture(view_for(what, many=all))
        else:
            outputs.add_lines()

        def show(mood: MoodEstimate) -> None:
            if shown or mood.state != "ended":  # no line and no file carries it
                outputs.put(mood)

        def note(text: str) -> None:
            outputs.note(text)
            if not shown or (text and not watcher.count):
                # A picture may be gone before anybody looks.
                inform(text or f"{'every stream' if all else f'stream {moods.stream}'} is received")

        watcher.run(show, note, count)
        outputs.close()
        inform(f"{watcher.summary()}; {outputs.dropped_lines} lines dropped")
    return 0


class Watcher(Watching):
    """Follow a subscriber and say what it receives, and when nothing comes.

    Parameters
    ----------
    moods : Subscriber
    clock : Clock, optional
        Times the summary.
    """

    def __init__(self, moods: Subscriber, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._moods = moods
        self._last: MoodEstimate | None = None

    def received(self) -> list[MoodEstimate]:
        """Return the newest estimate, if one came soon."""
        mood = self._moods.read(POLL_S)
        if mood is None:
            return []
        self._last = mood
        return [mood]

    def summary(self) -> str:
        """Return one line: what was received."""
        moods = self._moods
        state = "nothing received" if self._last is None else f"last state {self._last.state}"
        if moods.ended:
            state = "the stream has ended"
        return (
            f"{self.count} estimates of {moods.stream} in "
            f"{self.seconds:.1f} s, {moods.skipped} skipped, "
            f"{moods.malformed} malformed messages; {state}"
        )

    def silence(self) -> str:
        """Return why nothing comes, in words that stay the same while it lasts."""
        moods = self._moods
        if moods.ended:
            return f"stream {moods.stream} has ended; waiting for it to begin again"
        if not moods.stale:
            return ""
        if self._last is not None:
            return f"stream {moods.stream} is stale: no estimate for 2 s; waiting"
        dropped = f" ({moods.malformed} malformed messages)" if moods.malformed else ""
        return (
            f"nothing of {moods.stream} at {moods.endpoint} yet{dropped}; "
            "waiting for a `streammer listen` there"
        )
