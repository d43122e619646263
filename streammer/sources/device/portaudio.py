"""PortAudio: loading it, listing inputs, finding one by name, listing them anew.

Everything that reaches into the sounddevice package stands here and in `device.py`.
"""

import threading
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from streammer.errors import DeviceError
from streammer.system.stderr import quiet

__all__ = ["InputDevice", "find_input", "hold", "inputs", "load", "release"]

_LOOPBACK = (
    "monitor", "loopback", "loop-back", "blackhole", "soundflower", "stereo mix", "what u hear",
    "cable output", "voicemeeter",
)  # fmt: skip

_SOUND_SERVERS = ("default", "sysdefault", "pulse", "pipewire", "jack", "dmix", "dsnoop")
_MOST_CHANNELS = 32

_lock = threading.Lock()
_streams = 0
_listed = False
_first_names: dict[int, str] = {}


@dataclass(frozen=True)
class InputDevice:
    """An input that PortAudio knows.

    Attributes
    ----------
    index : int
        PortAudio's number, which changes when devices come and go.
    name, api : str
        As PortAudio gives them.
    channels, sr : int
        Channels that are opened, and default rate [Hz].
    default : bool
        Whether it is what 'mic' means.
    loopback : bool
        Whether it hears, judged by its name, what the machine plays.
    """

    index: int
    name: str
    api: str
    channels: int
    sr: int
    default: bool
    loopback: bool


def load() -> Any:
    """Return the sounddevice module, with PortAudio initialised.

    Raises
    ------
    DeviceError
        If PortAudio is missing.
    """
    try:
        with quiet():  # ALSA names every device that it does not find
            import sounddevice
    except OSError as error:
        raise DeviceError(
            "PortAudio is missing, which microphones and devices need (files, URLs and pipes do "
            "not): install it (Debian, Ubuntu: apt install libportaudio2; Fedora: dnf install "
            "portaudio)"
        ) from error
    except ImportError as error:
        raise DeviceError(
            f"the Python package sounddevice cannot be loaded ({error}): pip install sounddevice"
        ) from error
    except Exception as error:  # its own class is not to be had when its import fails
        raise DeviceError(
            f"PortAudio does not start ({' '.join(str(error).split())}): check the sound server, "
            "and on Linux the ALSA configuration"
        ) from error
    return sounddevice


def inputs() -> list[InputDevice]:
    """Return all inputs, as they were when PortAudio last looked."""
    sd = load()
    apis = sd.query_hostapis()
    try:
        default = int(sd.query_devices(kind="input")["index"])
    except (sd.PortAudioError, ValueError):
        default = -1
    found = []
    for index, device in enumerate(sd.query_devices()):
        channels = int(device["max_input_channels"])
        if channels < 1:
            continue
        name = str(device["name"])
        # Sound servers offer 32 and more channels, filled by copies or by nothing.
        virtual = name.lower().startswith(_SOUND_SERVERS) and channels > 8
        found.append(
            InputDevice(
                index=index,
                name=name,
                api=str(apis[device["hostapi"]]["name"]),
                channels=2 if virtual else min(channels, _MOST_CHANNELS),
                sr=round(device["default_samplerate"]),
                default=index == default,
                loopback=any(word in name.lower() for word in _LOOPBACK),
            )
        )
    _first_names.update({d.index: d.name for d in found if d.index not in _first_names})
    return found


def find_input(wanted: str | None) -> InputDevice:
    """Return the input that a user means.

    Parameters
    ----------
    wanted : str or None
        Part of a name, in any case; '#' and an index; None is the default input. An index means
        the device that had it when this process first looked, wherever it is now.

    Raises
    ------
    DeviceError
        If there is none, or if several are meant and none has just this name.
    """
    found = inputs()
    if not found:
        raise DeviceError(
            "there is no sound input: connect one, start the sound server, and see "
            "streammer devices"
        )
    if wanted is None:
        chosen = [d for d in found if d.default]
        if not chosen:
            raise DeviceError(
                f"the system names no default input: choose one of {_names(found)} by device:NAME"
            )
        return chosen[0]
    if wanted.startswith("#"):
        return _by_index(wanted[1:], found)
    exact = [d for d in found if d.name.lower() == wanted.lower()]
    matches = exact or [d for d in found if wanted.lower() in d.name.lower()]
    if not wanted or not matches:
        near = get_close_matches(wanted.lower(), [d.name.lower() for d in found], 3, 0.4)
        hint = [d for d in found if d.name.lower() in near] or found
        raise DeviceError(f"no input is called {wanted!r}: there is {_names(hint)}")
    # One device under several systems (Windows: MME, WASAPI, ...) is not several devices.
    if len({d.name.lower() for d in matches}) > 1:
        raise DeviceError(
            f"{wanted!r} may be {_names(matches)}: name one in full, or by its number"
        )
    return next((d for d in matches if d.default), matches[0])


def hold() -> None:
    """Look for devices anew if nothing of ours is open, and note that a stream is about to be.

    PortAudio lists devices only when it is initialised, and initialising stops all streams. The
    sounddevice package has no public name for either.
    """
    global _streams, _listed
    sd = load()
    with _lock, quiet():
        if not _streams and _listed:
            sd._terminate()
            sd._initialize()
        _listed = True
        _streams += 1


def release() -> None:
    """Note that a stream was closed."""
    global _streams
    with _lock:
        _streams = max(0, _streams - 1)


def _by_index(text: str, found: list[InputDevice]) -> InputDevice:
    if not text.isascii() or not text.isdigit():
        raise DeviceError(f"device:#{text} has no number: expected such as device:#2")
    name = _first_names.get(int(text))
    here = [d for d in found if d.name == name]
    if not here:
        if name is not None:
            raise DeviceError(f"{name} (device:#{text}) is not connected")
        raise DeviceError(f"no input has the number {text}: there is {_names(found)}")
    return next((d for d in here if d.index == int(text)), here[0])


def _names(devices: list[InputDevice]) -> str:
    return ", ".join(f"{d.name!r} (#{d.index})" for d in devices)
