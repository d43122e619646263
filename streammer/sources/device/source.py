"""Sound devices through PortAudio: a callback copies into the ring and returns."""

from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from streammer.audio.block import BLOCK, Block, SourceEnd, SourceInfo
from streammer.audio.ring import RING_S, Ring
from streammer.clock import Clock
from streammer.errors import DeviceError
from streammer.sources.device import portaudio
from streammer.sources.device.dropouts import HoleFinder
from streammer.system.stderr import quiet

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
    wanted : str or None
        Part of a name, '#' and an index, or None for the default input.
    clock : Clock

    Notes
    -----
    Lost samples are found by the driver's reports and by the clock (`HoleFinder`).
    While the device is open, what C libraries write to descriptor 2 is discarded (`quiet`).
    """

    reopened = 0
    detail = ""

    def __init__(self, wanted: str | None, clock: Clock) -> None:
        self._wanted = wanted
        self._clock = clock
        self._open = ExitStack()
        self._ring: Ring | None = None
        self._info: SourceInfo | None = None
        self._closed = False
        self._finished = False
        self._alive_until = 0.0
        self._settled_at: float | None = None
        self._holes: HoleFinder | None = None

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
            If PortAudio is missing, or there is no such device, or it does not open.
        """
        with ExitStack() as stack:
            portaudio.hold()
            stack.callback(portaudio.release)
            device = portaudio.find_input(self._wanted)
            stack.enter_context(quiet())
            stream = self._start(device)
            stack.callback(_stop, stream)
            self._open = stack.pop_all()
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
        self._open.close()

    def _start(self, device: portaudio.InputDevice) -> Any:
        sd = portaudio.load()
        refusal: Exception | None = None
        for channels in dict.fromkeys((device.channels, min(2, device.channels), 1)):
            self._ring = Ring(int(RING_S * device.sr), channels, sr=device.sr, clock=self._clock)
            self._info = SourceInfo(device.sr, channels, device.name, True, "device")
            self._holes = HoleFinder(device.sr)
            self._settled_at = None
            self._alive_until = self._clock.monotonic() + START_S
            stream = None
            try:
                stream = sd.InputStream(
                    device=device.index,
                    samplerate=device.sr,
                    channels=channels,
                    dtype="float32",
                    callback=self._callback,
                    finished_callback=self._finish,
                )
                stream.start()
                return stream
            except sd.PortAudioError as error:
                refusal = error
                if stream is not None:
                    _stop(stream)
        text = " ".join(str(refusal).split())
        raise DeviceError(f"{device.name} does not open ({text}): see streammer devices")

    def _callback(
        self, indata: npt.NDArray[np.float32], frames: int, time: Any, status: Any
    ) -> None:
        # In PortAudio's thread: nothing here waits, writes, or fails.
        ring, info, holes = self._ring, self._info, self._holes
        if ring is None or info is None or holes is None:
            return
        now = self._clock.monotonic()
        length = frames / info.sr
        arrived = now - length
        delay = time.currentTime - time.inputBufferAdcTime
        if self._settled_at is None:
            self._settled_at = now + SETTLED_S
        believed = 0.0 < delay < MAX_DELAY_S and now >= self._settled_at
        captured = now - delay if believed else None
        lost = holes.lost(arrived, frames, captured, status.input_overflow)
        age = now - (arrived if captured is None else captured) - length
        self._alive_until = now + STALLED_S
        ring.write(indata, self._clock.unix() - age, now, lost)

    def _finish(self) -> None:
        self._finished = True
        if self._ring is not None:
            self._ring.wake()


def _stop(stream: Any) -> None:
    # A device that is gone may refuse to be stopped, too.
    with suppress(Exception):
        stream.abort(ignore_errors=True)
    with suppress(Exception):
        stream.close(ignore_errors=True)
