"""The process that lists inputs or captures from one: everything in it may wait or break.

It is started by `process`, with one request as its argument, and answers on stdout with a line of
JSON: ``{"inputs": [...], "version": ...}``, ``{"opened": ...}`` or ``{"error": ...}``. While it
captures, `records` follow. It ends when its stdin is closed, which happens at the latest when the
process that started it has ended.
"""

import json
import os
import signal
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from typing import IO, Any

from streammer.errors import DeviceError
from streammer.sources.device import portaudio
from streammer.sources.device.inputs import WantedInput, choose
from streammer.sources.device.records import Record, pack

__all__ = ["Outbox", "capture", "listing", "main"]

_KEPT_S = 2.0
"""Sound that waits for a reader who has stopped (Ctrl-Z); what is older is discarded [s]."""

_CLOSING_S = 1.0
"""How long a stream may take to close before the process ends without [s]."""


class Outbox:
    """Blocks on their way from PortAudio's thread to the pipe, the newest `most` samples of them.

    Parameters
    ----------
    most : int
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._records: deque[Record] = deque()
        self._waiting = 0
        self._position = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, data: bytes, samples: int, now: float, delay: float, overflow: bool) -> None:
        """Append a block; the oldest give way."""
        record = Record(self._position, now, delay, samples, overflow, data)
        self._position += samples
        with self._changed:
            while self._records and self._waiting + samples > self._most:
                self._waiting -= self._records.popleft().samples
            self._records.append(record)
            self._waiting += samples
            self._changed.notify()

    def get(self) -> Record | None:
        """Return the next block once there is one, None at the end."""
        with self._changed:
            while not self._records and not self._closed:
                self._changed.wait()
            if not self._records:
                return None
            record = self._records.popleft()
            self._waiting -= record.samples
            return record

    def close(self) -> None:
        """Say that no more comes."""
        with self._changed:
            self._closed = True
            self._changed.notify()


def main() -> None:
    """Do what the argument asks for, then end the process."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # it ends with its parent, not beside it
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    # C libraries print to stdout, too.
    out = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    opened: list[Any] = []
    threading.Thread(target=_end_with_stdin, args=(opened,), daemon=True).start()
    request = json.loads(sys.argv[1])
    with suppress(OSError):  # the reader has gone
        try:
            sd = portaudio.load()
            if "capture" in request:
                capture(sd, WantedInput(**request["capture"]), out, opened)
            else:
                _say(out, listing(sd))
        except DeviceError as error:
            _say(out, {"error": str(error)})
        except Exception as error:  # such as a PortAudioError while a server goes away
            text = " ".join(str(error).split())
            _say(out, {"error": f"PortAudio fails ({text}): check the sound server"})
    # Terminating PortAudio may wait for ever; the system closes what is open.
    os._exit(0)


def listing(sd: Any) -> dict[str, Any]:
    """Return all inputs and PortAudio's version."""
    version = str(sd.get_portaudio_version()[1]).split(",")[0]
    return {"inputs": [asdict(device) for device in portaudio.inputs(sd)], "version": version}


def capture(sd: Any, wanted: WantedInput, out: IO[bytes], opened: list[Any]) -> None:
    """Open an input and write what it delivers to `out`, until it ends.

    Parameters
    ----------
    sd : module
        sounddevice.
    wanted : WantedInput
    out : binary file
    opened : list
        Takes the stream, for whoever is to close it.
    """
    device = choose(portaudio.inputs(sd), wanted)
    outbox = Outbox(int(_KEPT_S * device.sr))

    def callback(indata: Any, frames: int, times: Any, status: Any) -> None:
        # In PortAudio's thread: nothing here waits, writes, or fails.
        delay = times.currentTime - times.inputBufferAdcTime
        outbox.put(bytes(indata), frames, time.monotonic(), delay, bool(status.input_overflow))

    stream, channels = portaudio.start(
        sd, device, callback=callback, finished_callback=outbox.close
    )
    opened.append(stream)
    _say(out, {"opened": {"name": device.name, "sr": device.sr, "channels": channels}})
    while (record := outbox.get()) is not None:
        out.write(pack(record))
        out.flush()


def _say(out: IO[bytes], answer: dict[str, Any]) -> None:
    out.write(json.dumps(answer).encode() + b"\n")
    out.flush()


def _end_with_stdin(opened: list[Any]) -> None:
    while os.read(0, 4096):
        pass
    threading.Timer(_CLOSING_S, os._exit, (0,)).start()
    # A sound server that is told of the end (JACK) does not disturb its other clients.
    for stream in opened:
        with suppress(Exception):
            stream.abort()
            stream.close()
    os._exit(0)
