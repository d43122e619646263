"""`streammer listen`: estimate the mood of a source and publish it."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from streammer.cli.messages import complain, inform, undash
from streammer.cli.outputs import Outputs
from streammer.cli.starting import Stop, bound
from streammer.config import DEFAULT_ENDPOINT, Pace, StreamConfig, parse_select
from streammer.errors import OutputError, UsageError
from streammer.estimate import MoodEstimate
from streammer.system.signals import ending, stopping

if TYPE_CHECKING:
    from streammer.bus import Publisher
    from streammer.engine.engine import Engine
    from streammer.engine.summary import Summary

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
    wait: Annotated[bool, Parameter(negative=())] = False,
    format: str | None = None,
    rate: int | None = None,
    channels: int | None = None,
    device: str = "cpu",
) -> int:
    """Estimate the mood of a source twice a second: here, and on the bus.

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
        Allow a bind beyond this machine: anyone who can reach the port can subscribe.
    wait
        At the start, wait for a device, URL or port that is not there yet: a line a minute.
    format
        Raw PCM only: f32le (default), s16le, s24le or s32le.
    rate
        Raw PCM only: samples a second; default 44100.
    channels
        Raw PCM only; default 2.
    device
        Where the model runs: cpu or cuda.
    """
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
    feed = open_feed(
        undash(source), pace=pace, wait=wait, format=format, rate=rate, channels=channels
    )
    publishes = publish and (feed.pace == "live" or bind is not None)
    # A signal ends this there and then: kernels that are being compiled would swallow it.
    with ending("ended by a signal before there was any sound", 0):
        models = load_models(config.models, device=device)
    stop = Stop()
    awaited = None if feed.pace == "live" else lambda: not stop.asked
    with ExitStack() as stack:
        outputs = stack.enter_context(Outputs(stop.stop, waiting=awaited, others=int(publishes)))
        if jsonl is not None:
            outputs.add_log(jsonl)
        publisher = None
        if publishes:
            endpoint = bind or DEFAULT_ENDPOINT
            publisher = stack.enter_context(
                bound(endpoint, insecure=insecure, wait=wait, stop=stop)
            )
        engine = Engine(feed.source, config, models, pace=feed.pace, publisher=publisher)
        return _run(engine, config, outputs, publisher, stop)


def _run(
    engine: "Engine",
    config: StreamConfig,
    outputs: Outputs,
    publisher: "Publisher | None",
    stop: Stop,
) -> int:
    """Run to the end, and return the exit code."""
    engine.dropped_lines = lambda: outputs.dropped_lines
    stop.reaches(engine)
    sinks = [outputs.put]
    if sys.stdout.isatty():
        from streammer.cli.view import view_for

        where = "not published" if publisher is None else f"published on {publisher.endpoint}"
        outputs.add_picture(view_for(where))
    else:
        outputs.add_lines()
        if publisher is not None:
            sinks.append(_Once(f"publishing {config.name} on {publisher.endpoint}").put)
    with stopping(stop):
        summary = engine.run(sinks)
        outputs.close()
        inform(_in_words(summary, outputs.dropped_lines))
        if summary.detail:
            complain(summary.detail)
    return OutputError.exit_code if outputs.failed else 0


class _Once:
    """A line on stderr with the first estimate: a source that does not open has a line alone."""

    def __init__(self, line: str) -> None:
        self._line = line

    def put(self, estimate: MoodEstimate) -> None:
        """Say the line, once."""
        if self._line:
            inform(self._line)
            self._line = ""


def _in_words(summary: "Summary", dropped_lines: int) -> str:
    states = ", ".join(f"{s:.1f} s {name}" for name, s in summary.seconds_by_state.items())
    means = ", ".join(f"{axis} {x:+.2f}" for axis, x in summary.mean.items())
    skipped = f", {summary.skipped_ticks} ticks skipped" if summary.skipped_ticks else ""
    return (
        f"{summary.t_audio_s:.1f} s of sound, {summary.estimates} estimates"
        f"{states and f' ({states})'}; "
        f"mean {means or 'none'}; lag p50 {summary.lag_ms_p50:.1f} ms, "
        f"max {summary.lag_ms_max:.1f} ms; {summary.lost_samples} samples lost, "
        f"{summary.reopened} times re-opened, {dropped_lines} lines dropped{skipped}"
    )
