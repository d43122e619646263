"""The recorder as a table ``[[outputs]]`` of a run, with ``kind = "record"``."""

import logging
import re
import threading
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from streammer.bus.streams import Streams
from streammer.config.plugs import OUTPUTS, Where
from streammer.config.run import Table
from streammer.errors import OutputError, StreammerError, UsageError
from streammer.estimate import MoodEstimate
from streammer.recording.files import Bounds
from streammer.recording.names import Names
from streammer.recording.recorder import Recorder

__all__ = ["RecordOptions", "RunningRecorder"]

_LOOK_S = 0.25
_CLOSE_S = 2.0
"""How long Parquet is waited for at the end [s]; the next start makes it of its journal."""

_log = logging.getLogger("streammer.recording")


class RecordOptions(Table, frozen=True, kw_only=True):
    """Estimates in a recording, for replay, plot and export."""

    path: Annotated[
        str,
        Meta(
            description="File to record to: .parquet, .csv or .jsonl. One that is there is kept; "
            "the recording has the next number then.",
            examples=["session.parquet"],
        ),
    ]
    feed: Annotated[
        str | None, Meta(description="The feed that is recorded; default all.", examples=["stage"])
    ] = None
    file_mb: Annotated[
        Annotated[float, Meta(ge=0.001, le=1e6)] | None,
        Meta(description="A file of more megabytes begins another.", examples=[500.0]),
    ] = None
    file_hours: Annotated[
        Annotated[float, Meta(gt=0, le=1e5)] | None,
        Meta(description="So does one that was begun more hours ago.", examples=[24.0]),
    ] = None
    keep: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Of more files, the oldest are removed.", examples=[30]),
    ] = None

    def __post_init__(self) -> None:
        """Check what belongs together; a message names keys here, not options."""
        try:
            Bounds(self.file_mb, self.file_hours, self.keep)
        except UsageError as error:
            text = re.sub(r"--file-(mb|hours)", r"file_\1", str(error))
            raise UsageError(text.replace("--", "")) from None
        Names(Path(self.path))


class RunningRecorder:
    """A recorder that follows the bus of a run in a thread of its own.

    Parameters
    ----------
    options : RecordOptions
    where : Where
    """

    def __init__(self, options: RecordOptions, where: Where) -> None:
        names = Names(where.folder / options.path)
        bounds = Bounds(options.file_mb, options.file_hours, options.keep)
        wanted = where.streams if options.feed is not None else ()
        self._streams = Streams(where.endpoint)
        self._closing = threading.Event()
        try:
            self._recorder = Recorder(names, bounds, wanted, self._lose, _log.info)
        except StreammerError:
            self._streams.close()
            raise
        self._thread = threading.Thread(target=self._run, name="streammer-recorder", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, and say what was recorded."""
        self._closing.set()
        self._thread.join()
        try:
            self._recorder.close(_CLOSE_S)
        except OutputError:
            return  # it has been said
        _log.info("%s", self._recorder.summary())

    def _run(self) -> None:
        try:
            with self._streams as streams:
                while not self._closing.is_set():
                    for message in streams.read(_LOOK_S):
                        if isinstance(message, MoodEstimate):
                            self._recorder.put(message)
                for message in streams.read(0.0):
                    if isinstance(message, MoodEstimate):
                        self._recorder.put(message)
        except StreammerError as error:
            _log.warning("record: %s; the run goes on without it", error)

    def _lose(self, error: OutputError) -> None:
        _log.warning("record: %s; the run goes on without it", error)


OUTPUTS.register("record", RecordOptions, RunningRecorder)
