"""The other side of `worker`: start it, wait for its answer within limits, end it."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from streammer.clock import Clock, SystemClock
from streammer.errors import DeviceError
from streammer.sources.device.inputs import InputDevice, WantedInput
from streammer.sources.device.records import Record, unpack

__all__ = [
    "GIVE_UP_S",
    "SAY_S",
    "CaptureProcess",
    "DeviceProcess",
    "Listing",
    "Opened",
    "Receiver",
    "list_inputs",
]

SAY_S = 3.0
"""After so long without an answer a line tells of the wait [s]."""

GIVE_UP_S = 10.0
"""After so long without an answer the process is ended [s]: Bluetooth takes a few seconds."""

_POLL_S = 0.1
_CLOSE_S = 0.4
"""How long a process may take to close its device before it is killed [s]."""

_log = logging.getLogger("streammer.sources")


@dataclass(frozen=True)
class Opened:
    """What was opened: its name, rate [Hz] and channels."""

    name: str
    sr: int
    channels: int


@dataclass(frozen=True)
class Listing:
    """All inputs, and the version of PortAudio."""

    inputs: tuple[InputDevice, ...]
    version: str


class Receiver(Protocol):
    """Where what a process captures goes; called from the thread that reads its pipe."""

    def begin(self, opened: Opened) -> None:
        """Take note of what was opened, before the first record."""
        ...

    def receive(self, record: Record) -> None:
        """Take a block."""
        ...

    def finish(self) -> None:
        """Take note that nothing more comes."""
        ...


class CaptureProcess(Protocol):
    """What a source needs to know of a process."""

    def answer(self, clock: Clock, given_up: Callable[[], bool], *, say: bool) -> Any:
        """Return the answer, or raise DeviceError."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class DeviceProcess:
    """A process that lists inputs, or captures from one.

    Parameters
    ----------
    wanted : WantedInput, optional
        What to capture from; None asks for the list.
    receiver : Receiver, optional
        Where it goes.

    Raises
    ------
    DeviceError
        If no process can be started.
    """

    def __init__(self, wanted: WantedInput | None = None, receiver: Receiver | None = None) -> None:
        self._receiver = receiver
        self._answer: dict[str, Any] = {}
        self._answered = threading.Event()
        self._closing = False
        request = {"capture": asdict(wanted)} if wanted else {"list": True}
        self._process = _start(json.dumps(request))
        threading.Thread(target=self._run, name="streammer-device", daemon=True).start()

    def answer(
        self, clock: Clock, given_up: Callable[[], bool] = lambda: False, *, say: bool = True
    ) -> dict[str, Any]:
        """Return the process's answer.

        Parameters
        ----------
        clock : Clock
        given_up : callable
            Whether nobody waits any more.
        say : bool
            Whether to say so after `SAY_S` without an answer.

        Raises
        ------
        DeviceError
            If it answers with an error, or not within `GIVE_UP_S`, or if nobody waits any more.
        """
        started = clock.monotonic()
        while not clock.wait(self._answered, _POLL_S) and not given_up():
            waited = clock.monotonic() - started
            if waited >= GIVE_UP_S:
                raise DeviceError(
                    f"the sound system does not answer within {GIVE_UP_S:g} s: check whether the "
                    "sound server is stopped or hangs, and restart it"
                )
            if say and waited >= SAY_S:
                say = False
                _log.warning(
                    "the sound system has not answered for %g s; waiting up to %g s: "
                    "is the sound server stopped?",
                    SAY_S,
                    GIVE_UP_S,
                )
        if given_up() or self._closing:
            raise DeviceError("the sound device was closed while it was being opened")
        if "error" in self._answer:
            raise DeviceError(self._answer["error"])
        return self._answer

    def close(self) -> None:
        """End the process: it may close its device first, but not for long. May be repeated."""
        self._closing = True
        self._answered.set()
        with suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)

    def _run(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        try:
            with stream:
                self._answer = self._first_line(stream.readline())
                opened = self._answer.get("opened")
                if opened is not None and self._receiver is not None:
                    self._receiver.begin(Opened(**opened))
                self._answered.set()
                if opened is not None and self._receiver is not None:
                    while (record := unpack(stream, opened["channels"])) is not None:
                        self._receiver.receive(record)
        finally:
            self._answered.set()
            if self._receiver is not None:
                self._receiver.finish()

    def _first_line(self, line: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(line)
        except ValueError:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_CLOSE_S)
            code = self._process.poll()
            return {
                "error": f"the process that opens sound devices ended without an answer (code "
                f"{code}): try again, and see streammer devices"
            }
        return dict(answer)


def list_inputs(clock: Clock | None = None) -> Listing:
    """Return the sound inputs of this machine.

    Raises
    ------
    DeviceError
        If PortAudio is missing, or the sound system does not answer.
    """
    process = DeviceProcess()
    try:
        answer = process.answer(clock or SystemClock())
    finally:
        process.close()
    return Listing(tuple(InputDevice(**row) for row in answer["inputs"]), answer["version"])


def _start(request: str) -> subprocess.Popen[bytes]:
    if not sys.executable or getattr(sys, "frozen", False):
        raise DeviceError(
            "sound devices are opened by a Python of their own, and this program has none: "
            "run it by python, or pipe raw PCM into it"
        )
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        "from streammer.sources.device.worker import main; main()"
    )
    # Signals of the terminal are for this process, which ends the other in order.
    alone: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        alone = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        return subprocess.Popen(
            [sys.executable, "-c", code, request],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # ALSA names every device that it does not find
            bufsize=-1,
            **alone,
        )
    except OSError as error:
        raise DeviceError(
            f"no process can be started for the sound device ({error.strerror or error}): "
            "check the limits of processes and memory"
        ) from error
