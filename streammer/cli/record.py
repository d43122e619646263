"""`streammer record`: what comes over the bus, in a file."""

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streammer.bus.streams import Streams
from streammer.cli.messages import complain, inform
from streammer.cli.watch_all import AllWatcher
from streammer.config import DEFAULT_ENDPOINT, check_stream_name
from streammer.errors import OutputError, UsageError
from streammer.recording.files import Bounds
from streammer.recording.names import Names
from streammer.recording.recorder import Recorder
from streammer.system.signals import stopping

__all__ = ["record"]


def record(
    *,
    out: Path,
    connect: str = DEFAULT_ENDPOINT,
    stream: Annotated[list[str] | None, Parameter(negative=())] = None,
    file_mb: float | None = None,
    file_hours: float | None = None,
    keep: int | None = None,
    duration: float | None = None,
) -> int:
    """Record every stream of the bus, until a signal.

    Parameters
    ----------
    out
        File to record to: .parquet, .csv or .jsonl. A file that is there is kept: the recording has
        the next number then, such as session.2.parquet.
    connect
        Endpoint of the publisher. It need not be there yet, and it may come back.
    stream
        Name of a stream; give it several times to record several. Default all.
    file_mb
        A file of more megabytes begins another; of Parquet its journal counts.
    file_hours
        So does a file that was begun more hours ago.
    keep
        Of more files of this name than these, the oldest are removed.
    duration
        End after so many seconds; default never.
    """
    if duration is not None and not 0.0 < duration <= threading.TIMEOUT_MAX:
        raise UsageError(f"--duration is {duration:g}; expected seconds, such as --duration 60")
    wanted = [check_stream_name(name) for name in stream or ()]
    bounds = Bounds(file_mb, file_hours, keep)
    names = Names(out)
    failures: list[OutputError] = []
    with ExitStack() as stack:
        streams = stack.enter_context(Streams(connect))
        watcher = AllWatcher(streams)

        def lose(error: OutputError) -> None:
            failures.append(error)
            watcher.stop()

        stack.enter_context(stopping(watcher))
        recorder = Recorder(names, bounds, wanted, lose, complain)
        inform(f"recording what comes over {streams.endpoint} to {out}")
        if duration is not None:
            timer = threading.Timer(duration, watcher.stop)
            timer.daemon = True
            timer.start()
            stack.callback(timer.cancel)
        try:
            watcher.run(
                recorder.put,
                lambda text: inform(text or "every stream is received"),
            )
        finally:
            recorder.close()
        if failures:
            raise failures[0]
        inform(f"{watcher.summary()}; recorded: {recorder.summary()}")
    return 0
