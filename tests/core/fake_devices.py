"""Stand-ins for sound devices: a sounddevice module, a sound server's list, a capturing process."""

import time
from types import SimpleNamespace

import numpy as np

from streammer.errors import DeviceError
from streammer.sources.device.process import Opened
from streammer.sources.device.records import Record

SR = 1000


class PortAudioError(Exception):
    pass


def device(name, channels=2, api=0, sr=SR):
    return {
        "name": name,
        "max_input_channels": channels,
        "hostapi": api,
        "default_samplerate": float(sr),
    }


class FakeSoundDevice:
    """What of the sounddevice module is used."""

    PortAudioError = PortAudioError

    def __init__(self, devices, default=0):
        self.devices, self.default = devices, default
        self.streams = []
        self.refuses = ()  # counts of channels

    def query_hostapis(self):
        return [{"name": "ALSA"}, {"name": "JACK"}]

    def query_devices(self, kind=None):
        if kind is None:
            return self.devices
        if not 0 <= self.default < len(self.devices):
            raise PortAudioError("no default")
        return {"index": self.default}

    def get_portaudio_version(self):
        return 0, "PortAudio V19, revision unknown"

    def RawInputStream(self, **options):
        if options["channels"] in self.refuses:
            raise PortAudioError("Invalid number of channels")
        self.streams.append(FakeStream(**options))
        return self.streams[-1]


class FakeStream:
    def __init__(self, *, device, samplerate, channels, dtype, callback, finished_callback):
        assert dtype == "float32"
        self.device, self.sr, self.channels = device, samplerate, channels
        self.callback, self.finished = callback, finished_callback
        self.started = False

    def start(self):
        self.started = True

    def deliver(self, samples, *, delay=0.01, overflow=False):
        x = np.ascontiguousarray(samples, np.float32)
        buffer = bytearray(x.tobytes())
        now = time.monotonic()
        self.callback(
            buffer,
            len(x),
            SimpleNamespace(inputBufferAdcTime=now - delay, currentTime=now),
            SimpleNamespace(input_overflow=overflow),
        )
        buffer[:] = bytes(len(buffer))  # PortAudio uses its buffer again


class FakeProcess:
    """A process that captures, on a fake clock; its blocks count upwards from 0."""

    def __init__(self, clock, wanted, receiver, *, name="USB Mic", channels=1, error=""):
        self.clock, self.receiver = clock, receiver
        self.asked = (wanted.text, wanted.name)
        self.opened = Opened(name, SR, channels)
        self.error = error
        self.hangs = False
        self.latency = 0.03
        self.closed = 0
        self.while_opening = lambda: None
        self._position = 0  # of the driver's count
        self._n = 0  # and of what was there to hear

    def answer(self, clock, given_up, *, say):
        self.said = say
        self.while_opening()
        assert given_up() or not self.hangs, "it waits for ever"
        if given_up():
            raise DeviceError("given up")
        if self.error:
            raise DeviceError(self.error)
        self.receiver.begin(self.opened)
        return {}

    def close(self):
        self.closed += 1

    def deliver(self, n=100, *, missing=0, skipped=0, overflow=False, delay=None):
        """Let n samples pass on the fake clock, after `missing` that the driver dropped.

        `skipped` are samples that the driver gave and that did not come through the pipe.
        """
        self.clock.advance((n + missing + skipped) / SR)
        self._position += skipped
        self._n += missing + skipped
        x = np.arange(self._n, self._n + n, dtype=np.float32)[:, None]
        data = np.ascontiguousarray(x * np.ones(self.opened.channels), np.float32).tobytes()
        now = self.clock.monotonic()
        given = self.latency + n / SR if delay is None else delay
        self.receiver.receive(Record(self._position, now, given, n, overflow, data))
        self._position += n
        self._n += n
