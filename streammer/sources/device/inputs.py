"""What inputs there are, and which of them a user means."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from streammer.errors import DeviceError

__all__ = ["InputDevice", "WantedInput", "choose"]


@dataclass(frozen=True)
class InputDevice:
    """An input of the sound card or of the sound server.

    Attributes
    ----------
    index : int
        Its number in the list, which changes when devices come and go.
    name, api : str
        What it is called, and by which system.
    channels, sr : int
        Channels that are opened, and default rate [Hz].
    default : bool
        Whether it is what 'mic' means.
    loopback : bool
        Whether it delivers what the machine plays, not what a microphone picks up.
    server_name : str
        The sound server's own name for it; empty for an input that PortAudio lists.
    """

    index: int
    name: str
    api: str
    channels: int
    sr: int
    default: bool
    loopback: bool
    server_name: str = ""


@dataclass
class WantedInput:
    """The input that a user named, and what became of that name.

    Attributes
    ----------
    text : str or None
        Part of a name, in any case; '#' and a number; None is the default input.
    name : str
        Of the device that was opened for it: a number means the device that had it at first,
        wherever that is listed later. Empty before.
    """

    text: str | None
    name: str = ""


def choose(found: Sequence[InputDevice], wanted: WantedInput) -> InputDevice:
    """Return the input that a user means.

    Exact names come first, then inputs of PortAudio's list, then those of the sound server, its
    monitors last: a monitor bears the name of the card whose output it repeats.

    Raises
    ------
    DeviceError
        If there is none, or if several are meant and none has just this name.
    """
    if not found:
        raise DeviceError(
            "there is no sound input: connect one, start the sound server, and see "
            "streammer devices"
        )
    text = wanted.text
    if text is None:
        chosen = [d for d in found if d.default]
        if not chosen:
            raise DeviceError(
                f"the system names no default input: choose one of {_names(found)} by device:NAME"
            )
        return chosen[0]
    if text.startswith("#"):
        return _by_number(text[1:], found, wanted.name)
    matches = _matches(text.lower(), found)
    if not matches:
        near = get_close_matches(text.lower(), [d.name.lower() for d in found], 3, 0.4)
        hint = [d for d in found if d.name.lower() in near] or found
        raise DeviceError(f"no input is called {text!r}: there is {_names(hint)}")
    # One device under several systems (Windows: MME, WASAPI, ...) is not several devices.
    if len({d.name.lower() for d in matches}) > 1:
        raise DeviceError(f"{text!r} may be {_names(matches)}: name one in full, or by its number")
    return next((d for d in matches if d.default), matches[0])


def _matches(text: str, found: Sequence[InputDevice]) -> list[InputDevice]:
    if not text:
        return []
    exact = [d for d in found if text in (d.name.lower(), d.server_name.lower())]
    part = [d for d in found if text in d.name.lower() or text in d.server_name.lower()]
    ranks = (
        exact,
        [d for d in part if not d.server_name],
        [d for d in part if not d.loopback],
        part,
    )
    return next((rank for rank in ranks if rank), [])


def _by_number(text: str, found: Sequence[InputDevice], name: str) -> InputDevice:
    if not text.isascii() or not text.isdigit():
        raise DeviceError(f"device:#{text} has no number: expected such as device:#2")
    if not name:
        here = [d for d in found if d.index == int(text)]
        if not here:
            raise DeviceError(f"no input has the number {text}: there is {_names(found)}")
        return here[0]
    here = [d for d in found if d.name == name]
    if not here:
        raise DeviceError(f"{name} (device:#{text}) is not connected")
    return next((d for d in here if d.index == int(text)), here[0])


def _names(devices: Sequence[InputDevice]) -> str:
    return ", ".join(f"{d.name!r} (#{d.index})" for d in devices)
