"""A source played by the clock: files at live pace, URLs, a pipe that is held back."""

from collections import deque
from dataclasses import replace

from streammer.audio.block import Block, Source, SourceEnd, SourceInfo
from streammer.clock import Clock
from streammer.sources.latch import Latch

__all__ = ["PIECE_S", "PacedSource"]

PIECE_S = 0.02
"""Longest block that is handed over at once [s]: the decoder's block would come in jerks."""

MAX_LATE_S = 1.0
"""When playing falls behind by more (a machine that slept), time moves on instead of the sound
being poured out to catch up [s]."""


class PacedSource:
    """Hand over what another source gives when it is due, its last sample captured just then.

    Parameters
    ----------
    source : Source
        Not yet open.
    clock : Clock
    buffer_s : float
        Sound that is gathered before playing begins, and again when it has run dry [s].

    Notes
    -----
    When the other source runs dry, playing stops and goes on where it stood: nothing is lost, and
    all later times move by the length of the stall. Its end comes when all before it was played.
    """

    def __init__(self, source: Source, clock: Clock, *, buffer_s: float = 0.0) -> None:
        self._source = source
        self._clock = clock
        self._buffer_s = buffer_s
        self._closed = Latch(clock)
        self._queue: deque[Block] = deque()
        self._queued = 0
        self._end: SourceEnd | None = None
        self._playing_from: float | None = None  # when the sample `_played` = 0 was due
        self._played = 0

    @property
    def info(self) -> SourceInfo:
        """What the other source delivers."""
        return replace(self._source.info, paced=True)

    @property
    def reopened(self) -> int:
        """How often the other source was opened again."""
        return self._source.reopened

    @property
    def detail(self) -> str:
        """Why nothing comes from the other source."""
        return self._source.detail

    def open(self) -> SourceInfo:
        """Open the other source; its clock starts with the first sound."""
        self._queue.clear()
        self._queued = 0
        self._end = None
        self._playing_from = None
        self._source.open()
        return self.info

    def read(self, timeout_s: float) -> Block | SourceEnd | None:
        """Return the next block once it is due, the end, or None if `timeout_s` passes before."""
        until = self._clock.monotonic() + max(0.0, timeout_s)
        while True:
            if self._closed.is_set():
                return SourceEnd("closed")
            if self._playing_from is None and not self._gather(until):
                return SourceEnd("closed") if self._closed.is_set() else None
            if not self._queue:
                if self._end is not None:
                    return self._end
                self._fetch(min(until, self._due_at(0)))
                if self._queue or self._end is not None:
                    continue
                if self._clock.monotonic() >= self._due_at(0):
                    self._playing_from = None  # it has run dry
                if self._clock.monotonic() >= until:
                    return None
                continue
            return self._play(until)

    def close(self) -> None:
        """End; the other source is closed."""
        self._closed.set()
        self._source.close()

    def _due_at(self, ahead: int) -> float:
        """Return when the sample `ahead` of what was played is due [s]."""
        assert self._playing_from is not None
        return self._playing_from + (self._played + ahead) / self.info.sr

    def _gather(self, until: float) -> bool:
        """Fill the buffer, then start the clock; return whether it runs."""
        while self._end is None and (
            not self._queue or self._queued < self._buffer_s * self.info.sr
        ):
            if self._closed.is_set():
                return False
            if not self._fetch(until) and self._clock.monotonic() >= until:
                return False
        self._playing_from = self._clock.monotonic()
        self._played = 0
        return True

    def _fetch(self, until: float) -> bool:
        """Take one item from the other source; return whether there was one."""
        item = self._source.read(max(0.0, until - self._clock.monotonic()))
        if isinstance(item, SourceEnd):
            self._end = item
        elif item is not None:
            self._queue.append(item)
            self._queued += len(item.samples)
        return item is not None

    def _play(self, until: float) -> Block | SourceEnd | None:
        block = self._queue[0]
        n = min(len(block.samples), max(1, round(PIECE_S * self.info.sr)))
        due = self._due_at(n)
        if due > until:
            return SourceEnd("closed") if self._closed.wait_until(until) else None
        if self._closed.wait_until(due):
            return SourceEnd("closed")
        self._queue.popleft()
        if n < len(block.samples):
            rest = replace(
                block,
                samples=block.samples[n:],
                position=block.position + n,
                lost=0,
                discontinuity=False,
            )
            self._queue.appendleft(rest)
        self._queued -= n
        self._played += n
        now = self._clock.monotonic()
        if now - due > MAX_LATE_S:
            self._playing_from = now
            self._played = 0
            due = now
        return replace(
            block,
            samples=block.samples[:n],
            t_capture=self._clock.unix() + due - now,
            t_arrival=due,
        )
