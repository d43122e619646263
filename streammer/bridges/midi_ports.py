"""MIDI outputs of this machine, through whichever binding of RtMidi is installed.

python-rtmidi has no wheel for Python 3.13, and rtmidi2 takes its place there.
"""

import subprocess
import sys
from typing import Any, Literal, Protocol

from streammer.errors import UsageError

__all__ = ["Api", "MidiOut", "midi_out"]

Api = Literal["auto", "alsa", "jack"]

_CLIENT = "streammer"
_PROBE = "import rtmidi2 as r; r.MidiOut('probe', r.API_UNIX_JACK).open_virtual_port('probe')"


class MidiOut(Protocol):
    """An output that is not connected yet, or to one port."""

    def names(self) -> list[str]:
        """Return the ports that there are."""
        ...

    def open(self, name: str | None) -> None:
        """Connect to a port, or make one of our own to which others connect."""
        ...

    def send(self, message: list[int]) -> None:
        """Send the bytes of a message."""
        ...

    def close(self) -> None:
        """Let go of the port."""
        ...


def midi_out(api: Api) -> MidiOut:
    """Return an output of a sound system; auto takes the system's own, else JACK.

    Raises
    ------
    OSError
        There is no such sound system here.
    UsageError
        Neither binding is installed.
    """
    kind = _binding()
    wanted = [api] if api != "auto" else ["own", "jack"] if sys.platform == "linux" else ["own"]
    failures = []
    for each in wanted:
        try:
            return kind("alsa" if each == "own" and sys.platform == "linux" else each)
        except (OSError, RuntimeError) as error:
            failures.append(str(error))
    raise OSError(
        "neither the ALSA sequencer (modprobe snd-seq) nor a JACK server is there"
        if len(failures) > 1
        else f"{wanted[0]} is not there: {failures[0]}"
    )


class _PythonRtmidi:
    def __init__(self, api: str) -> None:
        import rtmidi

        apis = {"own": rtmidi.API_UNSPECIFIED, "alsa": rtmidi.API_LINUX_ALSA}
        try:
            self._out: Any = rtmidi.MidiOut(apis.get(api, rtmidi.API_UNIX_JACK), _CLIENT)
        except rtmidi.RtMidiError as error:
            raise OSError(str(error)) from error

    def names(self) -> list[str]:
        return list(self._out.get_ports())

    def open(self, name: str | None) -> None:
        if name is None:
            self._out.open_virtual_port("mood")
        else:
            self._out.open_port(self.names().index(name), "mood")

    def send(self, message: list[int]) -> None:
        self._out.send_message(message)

    def close(self) -> None:
        self._out.close_port()
        self._out.delete()


class _Rtmidi2:
    def __init__(self, api: str) -> None:
        import rtmidi2

        if api == "jack":
            _probe_jack()
        apis = {"own": rtmidi2.API_UNSPECIFIED, "alsa": rtmidi2.API_LINUX_ALSA}
        self._out: Any = rtmidi2.MidiOut(_CLIENT, apis.get(api, rtmidi2.API_UNIX_JACK))

    def names(self) -> list[str]:
        return list(self._out.ports)

    def open(self, name: str | None) -> None:
        if name is None:
            self._out.open_virtual_port("mood")
        else:
            self._out.open_port(self.names().index(name))

    def send(self, message: list[int]) -> None:
        self._out.send_message(message)

    def close(self) -> None:
        self._out.close_port()


def _probe_jack() -> None:
    """Raise OSError where JACK does not answer: rtmidi2 would end the process over it."""
    done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=20)
    if done.returncode:
        raise OSError("no JACK server that rtmidi2 can speak to")


def _binding() -> type[_PythonRtmidi] | type[_Rtmidi2]:
    for module, kind in (("rtmidi", _PythonRtmidi), ("rtmidi2", _Rtmidi2)):
        try:
            __import__(module)
        except ImportError:
            continue
        return kind
    raise UsageError(
        "MIDI needs python-rtmidi or rtmidi2, and neither can be imported: "
        "pip install 'streammer[bridges]'"
    )
