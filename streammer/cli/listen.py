"""`streammer listen`: hear a source and publish its mood."""

import errno
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from streammer.cli import complain, on_signals, undash
from streammer.config import DEFAULT_ENDPOINT, Pace, StreamConfig, parse_select
from streammer.errors import OutputError, UsageError
from streammer.estimate import MoodEstimate
from streammer.outputs.jsonl import Lines

if TYPE_CHECKING:
    from streammer.cli.view import LiveView

__all__ = ["listen"]


def listen(
    source: str,
    /,
    *,
    pace: Pace | None = None,
    select: str | None = None,
    silence: float = -70.0,
    model: Annotated[list[str] | None, Parameter(negative=())] = None,
    name: str = "main",
    bind: str | None = None,
    jsonl: Path | None = None,
    smoothing: float = 0.0,
    publish: Annotated[bool, Parameter(negative="--no-publish")] = True,
    insecure: Annotated[bool, Parameter(negative=())] = False,
    format: str = "f32le",
    rate: int = 44100,
    channels: int = 2,
    device: str = "cpu",
) -> int:
    """Hear a source and say, twice a second, how it feels: here, and on the bus.

    Parameters
    ----------
    source
        mic, device:NAME, a file, a URL, or - for raw PCM from a pipe.
    pace
        live: files are played by the clock (default). fast: as fast as possible; publishes only
        with an explicit --bind. A pipe is taken as it comes unless --pace says otherwise.
    select
        Channels to average, from 1, such as 3,4; default all.
    silence
        Sound under this level is silence [dBFS].
    model
        Name or path; give it twice to combine two: each output comes from the first that has it.
    name
        Name of the stream on the bus.
    bind
        Endpoint to publish on; default tcp://127.0.0.1:5580.
    jsonl
        Append every estimate to this file as a line of JSON.
    smoothing
        Time constant of output smoothing [s].
    publish
        Publish on the bus.
    insecure
        Allow a bind beyond this machine: anyone who can reach the port can listen.
    format
        Raw PCM only: f32le, s16le, s24le or s32le.
    rate
        Raw PCM only: samples a second.
    channels
        Raw PCM only.
    device
        Where the model runs: cpu or cuda.
    """
    from streammer.bus import Publisher
    from streammer.engine.engine import Engine
    from streammer.inference.loading import load_models
    from streammer.sources.open import open_feed

    config = StreamConfig(
        name=name,
        models=tuple(model or ["default"]),
        select=None if select is None else parse_select(select),
        silence_dbfs=silence,
        smoothing_s=smoothing,
    )
    if bind is not None and not publish:
        raise UsageError("--bind and --no-publish contradict each other: give one of them")
    feed = open_feed(undash(source), pace=pace, format=format, rate=rate, channels=channels)
    with ExitStack() as stack:
        log = None if jsonl is None else stack.enter_context(_Log(jsonl))
        publisher = None
        if publish and (feed.pace == "live" or bind is not None):
            publisher = Publisher(bind or DEFAULT_ENDPOINT, insecure=insecure)
            stack.callback(publisher.close)
        models = load_models(config.models, device=device)
        engine = Engine(feed.source, config, models, pace=feed.pace, publisher=publisher)
        stack.enter_context(on_signals(engine))
        sinks: list[Callable[[MoodEstimate], None]] = []
        if log is not None:
            sinks.append(log.write)
        if sys.stdout.isatty():
            from streammer.cli.view import LiveView

            where = "not published" if publisher is None else f"published on {publisher.endpoint}"
            sinks.append(_View(LiveView(where), stack).update)
        else:
            if publisher is not None:
                sinks.append(_Once(f"publishing {name} on {publisher.endpoint}").write)
            sinks.append(Lines(sys.stdout, engine.stop).write)
        summary = engine.run(sinks)
    _say(summary)
    return OutputError.exit_code if log is not None and log.failed else 0


class _Once:
    """A line on stderr with the first estimate: a source that does not open has a line alone."""

    def __init__(self, line: str) -> None:
        self._line = line

    def write(self, _estimate: MoodEstimate) -> None:
        """Say the line, once."""
        if self._line:
            complain(self._line)
            self._line = ""


class _View:
    """A live view that begins with the first estimate: what fails before is one plain line."""

    def __init__(self, view: "LiveView", stack: ExitStack) -> None:
        self._view = view
        self._stack = stack
        self._shown = False

    def update(self, estimate: MoodEstimate) -> None:
        """Show an estimate."""
        if not self._shown:
            self._shown = True
            self._stack.enter_context(self._view)
        self._view.update(estimate)


class _Log:
    """A file of JSON lines, appended to and flushed every tick.

    When it cannot be written any more (disk full), that is said once and the mood goes on.
    """

    def __init__(self, path: Path) -> None:
        self.failed = False
        self._path = path
        if undash(str(path)) == "-":
            raise UsageError(
                "--jsonl - names no file: estimates go to stdout by themselves where that is not "
                "a terminal; name a file, such as --jsonl mood.jsonl"
            )
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise OutputError(
                f"{path} cannot be written ({error.strerror}): choose another place"
            ) from error

    def __enter__(self) -> "_Log":
        return self

    def __exit__(self, *_exc: object) -> None:
        self._file.close()

    def write(self, estimate: MoodEstimate) -> None:
        """Append one line."""
        if self.failed:
            return
        line = msgspec.json.encode(estimate) + b"\n"
        size = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.failed = True
            with suppress(OSError):
                self._file.truncate(size)  # no half line stays behind
            complain(
                f"{self._path} cannot be written any more ({error.strerror}): "
                "the mood goes on without it; make room and start again"
            )


def _say(summary: object) -> None:
    from streammer.engine.summary import Summary

    assert isinstance(summary, Summary)
    states = ", ".join(f"{s:.1f} s {name}" for name, s in summary.seconds_by_state.items())
    means = ", ".join(f"{axis} {x:+.2f}" for axis, x in summary.mean.items())
    print(
        f"{summary.t_audio_s:.1f} s of sound, {summary.estimates} estimates ({states}); "
        f"mean {means or 'none'}; lag p50 {summary.lag_ms_p50:.1f} ms, "
        f"max {summary.lag_ms_max:.1f} ms; {summary.lost_samples} samples lost, "
        f"{summary.reopened} times re-opened",
        file=sys.stderr,
    )
    if summary.detail:
        complain(summary.detail)
