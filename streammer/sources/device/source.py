"""Sound devices: what a process of their own captures goes into the ring."""

from collections.abc import Callable

import numpy as np

from streammer.audio.block import BLOCK, Block, SourceEnd, SourceInfo
from streammer.audio.ring import RING_S, Ring
from streammer.clock import Clock
from streammer.errors import DeviceError
from streammer.sources.device.dropouts import HoleFinder
from streammer.sources.device.inputs import WantedInput
from streammer.sources.device.process import CaptureProcess, DeviceProcess, Opened, Receiver
from streammer.sources.device.records import Record

__all__ = ["DeviceSource"]

STALLED_S = 0.8
"""A device whose callback is silent for so long is gone [s]."""

START_S = 3.0
"""How long a device may take until its first callback [s]: Bluetooth wakes slowly."""

MAX_DELAY_S = 1.0
"""A time from capture to callback beyond this is not believed: some drivers make it up [s]."""

SETTLED_S = 2.0
"""Before a device has run for so long its capture times are not believed: those of PulseAudio begin
half a second early. The times of arrival stand in for them [s]."""


class DeviceSource:
    """An input of the sound card, or of the sound server.

    Parameters
    ----------
    wanted : WantedInput
        What to open; takes the name of what was opened.
    clock : Clock
    start : callable, optional
        Starts the process that captures.

    Notes
    -----
    The source owns its process from `open` to `close`, whichever of the two comes first: a process
    that was started is ended by `close`, or by `open` where that finds the source closed.
    Lost samples are found by the driver's reports, by the count of samples that left the driver,
    and by the clock (`HoleFinder`).
    """

    reopened = 0
    detail = ""

    def __init__(
        self,
        wanted: WantedInput,
        clock: Clock,
        *,
        start: Callable[[WantedInput, Receiver], CaptureProcess] = DeviceProcess,
    ) -> None:
        self._wanted = wanted
        self._clock = clock
        self._start = start
        self._process: CaptureProcess | None = None
        self._ring: Ring | None = None
        self._info: SourceInfo | None = None
        self._closed = False
        self._finished = False
        self._alive_until = 0.0
        self._settled_at: float | None = None
        self._holes: HoleFinder | None = None
        self._expected = 0

    @property
    def info(self) -> SourceInfo:
        """Rate and channels of the device; known from `open` on."""
        if self._info is None:
            raise RuntimeError("info before open")
        return self._info

    def open(self) -> SourceInfo:
        """Find the device and start it.

        Raises
        ------
        DeviceError
            If PortAudio is missing, or there is no such device, or it does not open, or the sound
            system does not answer.
        """
        again = bool(self._wanted.name)
        process = self._start(self._wanted, self)
        self._process = process
        try:
            process.answer(self._clock, lambda: self._closed, say=not again)
            if self._closed:
                raise DeviceError("the sound device was closed while it was being opened")
        except BaseException:
            process.close()
            raise
        self._wanted.name = self.info.name
        return self.info

    def read(self, timeout_s: float) -> Block | SourceEnd | None:
        """Return the next block, the end, or None if nothing came within `timeout_s`."""
        ring = self._ring
        if self._closed or ring is None:
            return SourceEnd("closed")
        gone = self._finished
        left = self._alive_until - self._clock.monotonic()
        got = ring.read(BLOCK, 0.0 if gone else max(0.0, min(timeout_s, left)))
        if got is not None:
            return Block(
                got.samples,
                got.position,
                got.t_capture,
                got.lost,
                t_arrival=got.t_arrival_mono,
            )
        if self._closed:
            return SourceEnd("closed")
        if gone or self._clock.monotonic() >= self._alive_until:
            return SourceEnd("lost", f"{self.info.name} delivers no sound any more")
        return None

    def close(self) -> None:
        """Stop the device."""
        self._closed = True
        if self._ring is not None:
            self._ring.wake()
        if self._process is not None:
            self._process.close()

    def begin(self, opened: Opened) -> None:
        """Make room for what the process captures."""
        self._ring = Ring(int(RING_S * opened.sr), opened.channels, sr=opened.sr, clock=self._clock)
        self._info = SourceInfo(opened.sr, opened.channels, opened.name, True, "device")
        self._holes = HoleFinder(opened.sr)
        self._alive_until = self._clock.monotonic() + START_S

    def receive(self, record: Record) -> None:
        """Put a block into the ring, with its times and what was lost before it."""
        ring, info, holes = self._ring, self._info, self._holes
        if ring is None or info is None or holes is None:
            return
        now = record.now
        length = record.samples / info.sr
        arrived = now - length
        if self._settled_at is None:
            self._settled_at = now + SETTLED_S
        believed = 0.0 < record.delay < MAX_DELAY_S and now >= self._settled_at
        captured = now - record.delay if believed else None
        skipped = record.position - self._expected
        self._expected = record.position + record.samples
        overflow = record.overflow or skipped > 0
        lost = max(skipped, holes.lost(arrived, record.samples, captured, overflow))
        here = self._clock.monotonic()
        age = here - (arrived if captured is None else captured) - length
        self._alive_until = here + STALLED_S
        samples = np.frombuffer(record.data, np.float32).reshape(record.samples, info.channels)
        ring.write(samples, self._clock.unix() - age, now, lost)

    def finish(self) -> None:
        """Take note that the device, or its process, has ended."""
        self._finished = True
        if self._ring is not None:
            self._ring.wake()
