"""One source for several feeds: a device opens once, however many channels of it are streams."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from streammer.audio.block import Block, Source, SourceEnd, SourceInfo
from streammer.audio.ring import RING_S
from streammer.clock import Clock
from streammer.errors import StreammerError

__all__ = ["SharedSources"]

_POLL_S = 0.1


class SharedSources:
    """The sources that several feeds may hear, by what they are called.

    Parameters
    ----------
    clock : Clock
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._shared: dict[object, _Shared] = {}

    def source(self, key: object, make: Callable[[], Source]) -> Source:
        """Return a source of its own for one feed; `make` is called where none is shared yet."""
        with self._lock:
            shared = self._shared.get(key)
            if shared is None or not shared.join():
                shared = self._shared[key] = _Shared(make(), self._clock)
                shared.join()
        return _Tap(shared)


class _Shared:
    """A source that one thread reads for all its taps; closed with the last of them."""

    def __init__(self, source: Source, clock: Clock) -> None:
        self.source = source
        self.clock = clock
        self._opening = threading.Lock()
        self._changed = threading.Lock()
        self._users = 0
        self._over = False
        self._taps: list[_Tap] = []
        self._info: SourceInfo | None = None
        self._failure: StreammerError | None = None
        self._thread: threading.Thread | None = None

    def join(self) -> bool:
        """Count one more user; return whether there still is something to use."""
        with self._changed:
            if self._over:
                return False
            self._users += 1
            return True

    def open(self, tap: "_Tap") -> SourceInfo:
        """Open the source if it is not yet, and let a tap have what comes from now on."""
        with self._opening:
            if self._failure is not None:
                raise self._failure
            if self._info is None:
                try:
                    self._info = self.source.open()
                except StreammerError as error:
                    self._failure = error  # of all who wait for it too
                    raise
                self._thread = threading.Thread(
                    target=self._run, name="streammer-shared", daemon=True
                )
                self._thread.start()
            with self._changed:
                if not tap.closed:
                    self._taps.append(tap)
            return self._info

    def leave(self, tap: "_Tap") -> None:
        """Let a tap go; the last one closes the source."""
        with self._changed:
            self._users -= 1
            self._taps = [other for other in self._taps if other is not tap]
            self._over = last = self._users == 0
        if last:  # also what still opens: nobody else waits for it
            self.source.close()

    def _run(self) -> None:
        item: Block | SourceEnd | BaseException | None = None
        while not (self._over or isinstance(item, SourceEnd | BaseException)):
            try:
                item = self.source.read(_POLL_S)
            except BaseException as error:  # raised again by each tap
                item = error
            if item is not None:
                info = self.source.info
                with self._changed:
                    self._over |= not isinstance(item, Block)
                    for tap in self._taps:
                        tap.put(item, info)


class _Tap:
    """What one feed has of a shared source: all its blocks, `RING_S` of them at most."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._items: deque[tuple[Block | SourceEnd | BaseException, SourceInfo]] = deque()
        self._new = threading.Condition()
        self._waiting = 0.0
        self._lost = 0
        self.closed = False
        self._info: SourceInfo | None = None

    @property
    def info(self) -> SourceInfo:
        """What is delivered."""
        if self._info is None:
            raise RuntimeError("info before open")
        return self._info

    @property
    def reopened(self) -> int:
        """How often the source was opened again."""
        return self._shared.source.reopened

    @property
    def detail(self) -> str:
        """Why nothing comes at the moment."""
        return self._shared.source.detail

    def open(self) -> SourceInfo:
        """Open the source, or join those who have; raises what it raises."""
        self._info = self._shared.open(self)
        return self._info

    def read(self, timeout_s: float) -> Block | SourceEnd | None:
        """Return the next block, the end, or None if nothing came within `timeout_s`."""
        with self._new:
            self._new.wait_for(lambda: self._items or self.closed, max(0.0, timeout_s))
            if self.closed:
                return SourceEnd("closed")
            if not self._items:
                return None
            item, self._info = self._items.popleft()
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, Block):
                self._waiting -= len(item.samples) / self._info.sr
                item, self._lost = _after_loss(item, self._lost), 0
            return item

    def close(self) -> None:
        """End; the source is closed with its last feed."""
        with self._new:
            if self.closed:
                return
            self.closed = True
            self._new.notify_all()
        self._shared.leave(self)

    def put(self, item: Block | SourceEnd | BaseException, info: SourceInfo) -> None:
        """Take an item in; a feed that does not keep up loses its oldest sound, as in a ring."""
        with self._new:
            self._items.append((item, info))
            if isinstance(item, Block):
                self._waiting += len(item.samples) / info.sr
            while self._waiting > RING_S and isinstance(self._items[0][0], Block):
                oldest, its = self._items.popleft()
                assert isinstance(oldest, Block)
                self._waiting -= len(oldest.samples) / its.sr
                self._lost += oldest.lost + len(oldest.samples)
            self._new.notify_all()


def _after_loss(block: Block, lost: int) -> Block:
    return replace(block, lost=block.lost + lost) if lost else block
