"""Opening again what was lost: the same stream goes on when its source comes back."""

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from streammer.audio.block import Block, Source, SourceEnd, SourceInfo
from streammer.clock import Clock
from streammer.errors import DeviceError, NetworkError, StreammerError
from streammer.sources.latch import Latch
from streammer.system.retry import tried_again

__all__ = ["BACKOFF_FIRST_S", "BACKOFF_MAX_S", "LOG_EVERY_S", "STILL_AWAY_S", "Supervisor"]

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 10.0
JITTER = 0.2
"""Each wait is shorter by up to this share, so that many do not knock at once."""

LOG_EVERY_S = 10.0
"""Least time between two lines about losses [s]: a source may come and go many times a minute."""

STILL_AWAY_S = 60.0
"""Least time between two lines about one and the same loss [s]."""

_log = logging.getLogger("streammer.sources")


class Supervisor:
    """A source that outlives the sources it is made of.

    Parameters
    ----------
    factory : callable
        Makes a new source, not yet open.
    clock : Clock
    rng : random.Random, optional
        For the jitter of the back-off.
    backoff_max_s : float
        Longest wait between two attempts [s].
    wait : bool, optional
        Whether the first open, too, is tried again until it works.

    Attributes
    ----------
    state : str
        'new', 'playing', 'waiting' (between attempts), 'closed', 'ended'.
    reopened : int
        How often the source came back.
    lost : int
        Samples lost up to now, the time away of a clocked source included.
    detail : str
        Why the source is away; empty while it plays.

    Notes
    -----
    The first open fails at once: a wrong name is the user's to mend. What worked once is tried for
    ever: after 0.5 s, then after waits that double up to `backoff_max_s`, all up to 20 % shorter.
    They begin anew at 0.5 s once a source has delivered sound. An end that is not 'lost' ends the
    supervisor too. A loss is one line of the log, and its end, the first sound, another.

    The thread that opens and reads owns the sources: whichever it has opened when the supervisor
    turns out to be closed, it closes. `close`, from any thread, ends what that thread waits for.
    """

    def __init__(
        self,
        factory: Callable[[], Source],
        clock: Clock,
        rng: random.Random | None = None,
        *,
        backoff_max_s: float = BACKOFF_MAX_S,
        wait: bool = False,
    ) -> None:
        self._factory = factory
        self._clock = clock
        self._rng = rng or random.Random()
        self._wait = wait
        self._closed = Latch(clock)
        self._source: Source | None = None
        self._info: SourceInfo | None = None
        self._backoff_max_s = backoff_max_s
        self._backoff_s = BACKOFF_FIRST_S
        self._try_at = 0.0
        self._log_at: float | None = None  # when a loss was last logged
        self._away_since: float | None = None
        self._away_logged = False
        self._captured_until: float | None = None  # monotonic capture time of the last sample
        self._position = 0
        self.state: Literal["new", "playing", "waiting", "closed", "ended"] = "new"
        self.reopened = 0
        self.lost = 0
        self.detail = ""

    @property
    def info(self) -> SourceInfo:
        """What the source in use delivers; of the last one while none is open."""
        if self._info is None:
            raise RuntimeError("info before open")
        return self._info

    def open(self) -> SourceInfo:
        """Open the source for the first time; what fails now is raised, or waited for."""
        if self._wait:
            self._info = tried_again(
                self._open,
                (DeviceError, NetworkError),
                clock=self._clock,
                rest=self._closed.wait_until,
                say=_log.warning,
            )
        else:
            self._info = self._open()
        self._captured_until = self._clock.monotonic()
        self.state = "playing"
        return self._info

    def read(self, timeout_s: float) -> Block | SourceEnd | None:
        """Return the next block, the end, or None if nothing came within `timeout_s`."""
        until = self._clock.monotonic() + max(0.0, timeout_s)
        while not self._closed.is_set():
            if self._source is None:
                if self._try_at > until:
                    self._closed.wait_until(until)
                    return SourceEnd("closed") if self._closed.is_set() else None
                if self._closed.wait_until(self._try_at):
                    break
                if not self._reopen():
                    continue
            assert self._source is not None
            item = self._source.read(max(0.0, until - self._clock.monotonic()))
            if isinstance(item, Block):
                return self._pass_on(item)
            if isinstance(item, SourceEnd):
                if item.reason != "lost":
                    self.state = "closed" if item.reason == "closed" else "ended"
                    return item
                self._lose(item.detail)
                continue
            return None
        self.state = "closed"
        return SourceEnd("closed")

    def close(self) -> None:
        """End; no further attempt is made."""
        self._closed.set()
        source = self._source
        if source is not None:
            source.close()

    def _open(self) -> SourceInfo:
        source = self._factory()
        self._source = source  # so that `close` of another thread reaches a pending open
        if self._closed.is_set():
            source.close()
        info = source.open()
        if self._closed.is_set():  # by a `close` that found nothing open yet
            source.close()
        return info

    def _reopen(self) -> bool:
        try:
            self._info = self._open()
        except StreammerError as error:
            self._lose(str(error))
            return False
        if self._closed.is_set():
            return False
        self.reopened += 1
        self.state = "playing"
        self.detail = ""
        return True

    def _lose(self, detail: str) -> None:
        if self._source is not None:
            self._source.close()
        self._source = None
        if self._closed.is_set():
            return
        self.state = "waiting"
        self.detail = detail
        now = self._clock.monotonic()
        self._try_at = now + self._backoff_s * (1.0 - JITTER * self._rng.random())
        self._backoff_s = min(self._backoff_max_s, 2.0 * self._backoff_s)
        if self._away_since is None:
            self._away_since = now
            self._away_logged = False
        every = STILL_AWAY_S if self._away_logged else LOG_EVERY_S
        if self._log_at is None or now - self._log_at >= every:
            self._log_at = now
            self._away_logged = True
            _log.warning("%s; trying again", detail)

    def _return(self) -> None:
        """Take note of the first sound after an absence."""
        if self._away_logged and self._away_since is not None:
            away_s = self._clock.monotonic() - self._away_since
            _log.warning("%s is back after %.1f s", self.info.name, away_s)
        self._away_since = None
        self._away_logged = False
        self._backoff_s = BACKOFF_FIRST_S

    def _pass_on(self, block: Block) -> Block:
        lost = block.lost
        away = self._away_since is not None
        t_last = block.t_capture - (self._clock.unix() - self._clock.monotonic())
        if away:
            self._return()
            if self.info.clocked and self._captured_until is not None:
                t_first = t_last - len(block.samples) / self.info.sr
                lost = max(lost, round((t_first - self._captured_until) * self.info.sr))
        self._captured_until = t_last
        self._position += lost
        self.lost += lost
        passed = replace(
            block, position=self._position, lost=lost, discontinuity=away or block.discontinuity
        )
        self._position += len(block.samples)
        return passed
