"""What the tests of the engine share: scripted sources on a fake clock, a bus that listens."""

from collections import deque
from dataclasses import replace

import msgspec

from streammer.audio.block import Block, SourceEnd, SourceInfo
from streammer.clock import FakeClock
from streammer.config import StreamConfig
from streammer.engine.capture import DirectCapture
from streammer.engine.engine import Engine
from tests.sounds import SR

VOLATILE = ("epoch", "t_capture", "t_publish", "lag_ms")


class Scripted:
    """A source that plays a script on a fake clock: blocks, waits, ends, clock jumps.

    A block may come with fields that differ, such as discontinuity=True.
    """

    reopened = 0
    detail = ""

    def __init__(self, script, clock, *, sr=SR, channels=2, clocked=False, kind="array"):
        self.info = SourceInfo(
            sr=sr, channels=channels, name="scripted", clocked=clocked, kind=kind
        )
        self._script = deque(script)
        self._clock = clock
        self._position = 0
        self.closed = 0

    def open(self):
        return self.info

    def read(self, timeout_s):
        kind, *rest = self._script[0] if self._script else ("end", "eof", "")
        if kind == "wait":
            left = rest[0]
            if left > timeout_s:
                self._clock.advance(timeout_s)
                self._script[0] = ("wait", left - timeout_s)
            else:
                self._clock.advance(left)
                self._script.popleft()
            return None
        if self._script:
            self._script.popleft()
        if kind == "end":
            return SourceEnd(*rest)
        if kind == "jump":  # the process does not run
            self._clock.advance(rest[0])
            return None
        if kind == "rate":
            self.info = rest[0]
            return None
        samples, lost, *fields = rest
        self._position += lost
        self._clock.advance(len(samples) / self.info.sr)
        block = Block(
            samples=samples,
            position=self._position,
            t_capture=self._clock.unix(),
            lost=lost,
            t_arrival=self._clock.monotonic(),
        )
        for changes in fields:
            block = replace(block, **changes)
        self._position += len(samples)
        return block

    def close(self):
        self.closed += 1


def blocks(x, size=4410, lost=0):
    parts = [x[i : i + size] for i in range(0, len(x), size)]
    return [("block", part, lost if i == 0 else 0) for i, part in enumerate(parts)]


def after_a_break(x, size=4410):
    """Return blocks of sound that does not go on from what came before."""
    (_, first, lost), *rest = blocks(x, size)
    return [("block", first, lost, {"discontinuity": True}), *rest]


def run(script, models, *, pace="live", config=None, clock=None, publisher=None, **source):
    clock = clock or FakeClock()
    src = Scripted(script, clock, **source)
    engine = Engine(
        src,
        config or StreamConfig(),
        models,
        pace=pace,
        publisher=publisher,
        clock=clock,
        capture=DirectCapture,
    )
    estimates = list(engine.estimates())
    assert src.closed == 1
    return estimates, engine.summary()


def same(estimates):
    return [
        {k: v for k, v in msgspec.structs.asdict(e).items() if k not in VOLATILE} for e in estimates
    ]


class Bus:
    """What a publisher is told."""

    def __init__(self, *, wanted=False):
        self.said = []
        self.status = None
        self.features = []
        self.wanted = wanted

    def publish(self, estimate):
        self.said.append(estimate)

    def publish_status(self, status):
        self.status = status

    def wants_features(self, stream):
        return self.wanted

    def publish_features(self, features):
        self.features.append(features)


def on_bus(script, models, *, config=None, **source):
    clock = FakeClock()
    bus = Bus()
    engine = Engine(
        Scripted(script, clock, **source),
        config or StreamConfig(),
        models,
        pace="live",
        publisher=bus,
        clock=clock,
        capture=DirectCapture,
    )
    return engine, bus
