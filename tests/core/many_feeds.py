"""Feeds for the tests of the loop: good ones, and every fault that a source can have."""

import threading
import time
from dataclasses import replace

import numpy as np

from streammer.audio.block import Block, SourceEnd, SourceInfo
from streammer.clock import SystemClock
from streammer.config import StreamConfig
from streammer.engine.feed import Feed
from streammer.engine.intake import Pooled
from streammer.engine.loop import Loop
from streammer.errors import DeviceError, InputError
from tests.core.engine_parts import Bus
from tests.sounds import make_song

SR = 8000
BLOCK = 800


class Played:
    """A source that plays samples by the clock, `speed` times as fast."""

    reopened = 0
    detail = ""

    def __init__(self, y, *, speed=4.0, clocked=False, kind="pcm", end=None):
        self.info = SourceInfo(SR, y.shape[1], "hall", clocked, kind)
        self._y, self._speed = y, speed
        self._end = end or SourceEnd("eof")
        self._at = 0
        self.closed = threading.Event()
        self.opened = threading.Event()

    def open(self):
        self._began = time.monotonic()
        self.opened.set()
        return self.info

    def read(self, timeout_s):
        if self.closed.is_set():
            return SourceEnd("closed")
        if self._at >= len(self._y):
            return self._end
        due = self._began + (self._at + BLOCK) / SR / self._speed
        left = due - time.monotonic()
        if left > timeout_s:
            self.closed.wait(timeout_s)
            return None
        if left > 0:
            self.closed.wait(left)
        return self.block()

    def block(self):
        samples = self._y[self._at : self._at + BLOCK]
        block = Block(samples, self._at, time.time(), t_arrival=time.monotonic())
        self._at += len(samples)
        return block

    def close(self):
        self.closed.set()


class Refusing(Played):
    """It does not open."""

    def open(self):
        raise DeviceError("no such card")


class Hanging(Played):
    """Its open hangs until it is closed."""

    def open(self):
        self.closed.wait(60.0)
        raise InputError("closed while it was opened")


class Raising(Played):
    """It raises on the way what nobody expects."""

    def block(self):
        if self._at >= 2 * SR:
            raise RuntimeError("the driver went mad")
        return super().block()


class Stalling(Played):
    """It gives nothing more after a second, and never ends."""

    def read(self, timeout_s):
        if self._at < SR:
            return super().read(timeout_s)
        return SourceEnd("closed") if self.closed.wait(timeout_s) else None


class Blocked(Played):
    """Its read ignores the time it is given."""

    def read(self, timeout_s):
        if self._at < SR:
            return super().read(timeout_s)
        self.closed.wait(60.0)
        return SourceEnd("closed")


class SlowToClose(Played):
    """Its close takes its time."""

    def close(self):
        time.sleep(1.0)
        super().close()


class Flooding(Played):
    """It gives sound without end, as fast as it is read."""

    def read(self, timeout_s):
        if self.closed.is_set():
            return SourceEnd("closed")
        self._at %= len(self._y) - BLOCK
        return self.block()


class Trickling(Played):
    """A tenth of the sound that time brings."""

    def __init__(self, y, **options):
        super().__init__(y, speed=0.1, **options)


class Changed(Played):
    """Every block is changed."""

    def __init__(self, y, change, **options):
        super().__init__(y, **options)
        self._change = change

    def block(self):
        return self._change(super().block(), self)


def _filled(value):
    return lambda block, _: replace(block, samples=np.full_like(block.samples, value))


def _holes(block, source):
    return replace(block, lost=3 * SR if block.position % (10 * BLOCK) == 0 else 0)


def _rates(block, source):
    source.info = replace(source.info, sr=8000 if block.position % (20 * BLOCK) else 11025)
    return block


def _fewer_channels(block, source):
    if block.position >= SR:
        source.info = replace(source.info, channels=1)
        return replace(block, samples=block.samples[:, :1])
    return block


def _wrong_shape(block, source):
    return replace(block, samples=np.zeros((10, 5), np.float32))


def faulty(y):
    """Return sources by the name of their fault."""

    def broken(b, s):
        return replace(b, discontinuity=True)

    return {
        "refuses": Refusing(y),
        "missing": Refusing(y, kind="file"),
        "hangs-in-open": Hanging(y),
        "raises": Raising(y),
        "stalls": Stalling(y),
        "blocks": Blocked(y),
        "slow-to-close": SlowToClose(y[:SR]),
        "floods": Flooding(y),
        "floods-too": Flooding(y),
        "trickles": Trickling(y),
        "nan": Changed(y, _filled(np.nan)),
        "huge": Changed(y, _filled(3e38)),
        "clipping": Changed(y, _filled(1.0)),
        "silent": Changed(y, _filled(0.0)),
        "holes": Changed(y, _holes, clocked=True),
        "rates": Changed(y, _rates),
        "channels": Changed(y, _fewer_channels),
        "wrong-shape": Changed(y, _wrong_shape),
        "breaks": Changed(y, broken),
        "fails": Played(y[:SR], end=SourceEnd("error", "hall cannot be read: broken")),
        "lost": Played(y[:SR], end=SourceEnd("lost", "hall is gone"), kind="device"),
        "short": Played(y[:100]),
        "empty": Played(y[:0]),
    }


class Hall:
    """A loop with its bus, run in a thread; what was said, by stream."""

    def __init__(self, models):
        self.clock = SystemClock()
        self.models = models
        self.bus = Bus()
        self.ended = {}
        self.loop = Loop(
            Pooled(self.clock),
            live=True,
            publisher=self.bus,
            clock=self.clock,
            ended=lambda feed: self.ended.__setitem__(feed.name, feed),
        )
        self._thread = threading.Thread(target=self._run)
        self.failure = None

    def feed(self, name, source, **config):
        config = StreamConfig(name=name, **config)
        return Feed(source, config, self.models, live=True, clock=self.clock)

    def begin(self):
        self._thread.start()

    def _run(self):
        try:
            for _ in self.loop.estimates():
                pass
        except BaseException as error:
            self.failure = error

    def wait(self, timeout_s=120.0):
        self._thread.join(timeout_s)
        assert not self._thread.is_alive()
        if self.failure is not None:
            raise self.failure

    def end(self):
        self.loop.stop()
        self.wait()

    def said(self, name):
        return [e for e in self.bus.said if e.stream == name]


def song(seed, seconds=6.0, channels=2):
    return make_song(seconds, sr=SR, channels=channels, seed=seed)
