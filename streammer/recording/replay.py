"""Play a recording back: the same estimates on the bus, in the time in which they came or faster.

Everything of an estimate is as it was recorded but its epoch, which is one of its own, and its two
Unix times. The status is that of the replay, and says so (`replay`).
"""

import math
import threading
from collections.abc import Iterable
from typing import Protocol

import msgspec

from streammer import __version__
from streammer.clock import Clock, SystemClock
from streammer.errors import UsageError
from streammer.estimate import MoodEstimate, StreamStatus, new_epoch, rounded

__all__ = ["Bus", "Replay", "parse_speed"]

STATUS_S = 5.0
"""A status is sent on every change of state, and this often [s]."""

_BURST = 20
_BREATH_S = 0.01
"""At `max`, so many estimates, then so long a pause [s]: subscribers keep up with 2000 a second."""

_LATE_S = 1.0
"""What a process that did not run for longer has missed is not made up for in a burst [s]."""


class Bus(Protocol):
    """What a replay publishes on."""

    sent: int

    def publish(self, estimate: MoodEstimate) -> None:
        """Publish an estimate."""
        ...

    def publish_status(self, status: StreamStatus) -> None:
        """Publish a status."""
        ...


def parse_speed(text: str) -> float:
    """Return how many times as fast as recorded; infinite for ``max``.

    Raises
    ------
    UsageError
        If it is neither ``max`` nor a number of 0.1 to 1000.
    """
    if text == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0.1 <= speed <= 1000.0:
        raise UsageError(f"--speed is {text!r}; expected 0.1 to 1000, or max")
    return speed


class Replay:
    """Publish recorded estimates.

    Parameters
    ----------
    bus : Bus
    source : str
        Name of the recording, for the status.
    speed : float
        Times as fast as recorded; infinite: as fast as subscribers can follow.
    idle_s : float
        Longer gaps in the recording become as long as this [s].
    clock : Clock, optional

    Attributes
    ----------
    count : int
        Estimates published.
    """

    def __init__(
        self,
        bus: Bus,
        source: str,
        *,
        speed: float = 1.0,
        idle_s: float = math.inf,
        clock: Clock | None = None,
    ) -> None:
        self.count = 0
        self._bus = bus
        self._source = source
        self._speed = speed
        self._idle_s = idle_s
        self._clock = clock or SystemClock()
        self._stopped = threading.Event()
        self._voices: dict[str, _Voice] = {}

    def stop(self) -> None:
        """End soon; from any thread or signal handler."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether it was asked to end."""
        return self._stopped.is_set()

    @property
    def streams(self) -> int:
        """How many streams have been played."""
        return len(self._voices)

    def rest(self, seconds: float) -> None:
        """Wait, unless it is stopped."""
        self._clock.wait(self._stopped, seconds)

    def run(self, moods: Iterable[MoodEstimate]) -> None:
        """Play estimates from first to last, and end their streams; may be called again."""
        due, last = self._clock.monotonic(), None
        try:
            for mood in moods:
                moment = max(mood.t_publish, mood.t_capture)  # made fast, it was not yet played
                gap_s = 0.0 if last is None else min(max(0.0, moment - last), self._idle_s)
                last = moment
                due += gap_s / self._speed
                self._wait_for(due)
                if self.stopped:
                    return
                due = max(due, self._clock.monotonic() - _LATE_S)
                self._play(mood)
        finally:
            for voice in self._voices.values():
                self._end(voice)

    def _wait_for(self, due: float) -> None:
        if math.isfinite(self._speed):
            self._clock.wait(self._stopped, due - self._clock.monotonic())
        elif self.count % _BURST == 0:
            self._clock.wait(self._stopped, _BREATH_S)

    def _play(self, mood: MoodEstimate) -> None:
        voice = self._voices.get(mood.stream)
        if voice is None or voice.recorded != mood.epoch or voice.ended:
            if voice is not None:
                self._end(voice)
            voice = _Voice(mood, new_epoch(self._clock), self._clock.monotonic())
            self._voices[mood.stream] = voice
        changed = voice.take(mood)
        now = self._clock.unix()
        times = {"t_capture": now - mood.t_publish + mood.t_capture, "t_publish": now}
        voice.last = msgspec.structs.replace(mood, epoch=voice.epoch, **rounded(times))
        self._bus.publish(voice.last)
        self.count += 1
        if changed or self._clock.monotonic() >= voice.status_at:
            self._say_status(voice, mood.state)

    def _say_status(self, voice: "_Voice", state: str) -> None:
        now = self._clock.monotonic()
        voice.status_at = now + STATUS_S
        self._bus.publish_status(voice.status(self._source, state, now))

    def _end(self, voice: "_Voice") -> None:
        if voice.ended:
            return
        voice.ended = True
        now = rounded({"t_publish": self._clock.unix()})
        last = voice.last
        self._bus.publish(msgspec.structs.replace(last, seq=last.seq + 1, state="ended", **now))
        self._say_status(voice, "ended")


class _Voice:
    """One recorded epoch of a stream, and the epoch under which it is played."""

    def __init__(self, first: MoodEstimate, epoch: str, now: float) -> None:
        self.recorded = first.epoch
        self.epoch = epoch
        self.last = first
        self.ended = False
        self.status_at = now
        self._since = now
        self._state = ""
        self._steps = self._degraded = 0
        # Every tick of an epoch moves it on by a step, but for those that were skipped.
        self._step_s = first.t_audio_s / (first.seq + 1)

    def take(self, mood: MoodEstimate) -> bool:
        """Count an estimate; return whether its state is another than that before."""
        self._degraded += mood.state == "degraded"
        self._steps += mood.state != "degraded"
        if mood.seq == self.last.seq + 1 and mood.t_audio_s > self.last.t_audio_s:
            self._step_s = mood.t_audio_s - self.last.t_audio_s
        before, self._state = self._state, mood.state
        return before != mood.state

    def status(self, source: str, state: str, now: float) -> StreamStatus:
        values = rounded(
            {"step_s": min(self._step_s, 10.0), "latency_s": 0.0, "uptime_s": now - self._since}
        )
        return msgspec.convert(
            {
                "stream": self.last.stream,
                "epoch": self.epoch,
                "state": state,
                "source": source,
                "source_kind": "file",
                "models": self.last.model.split("+"),
                "sr": 0,
                "channels": 0,
                "rates": [],
                "steps": self._steps,
                "degraded_ticks": self._degraded,
                "lost_samples": self.last.lost_samples,
                "reopened": 0,
                "nonfinite_samples": 0,
                "clipped_samples": 0,
                "version": __version__,
                "replay": True,
                **values,
            },
            StreamStatus,
        )
