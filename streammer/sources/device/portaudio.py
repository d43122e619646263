"""PortAudio: loading it, listing its inputs, opening one. Only `worker` runs this."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from streammer.errors import DeviceError
from streammer.sources.device import pulse
from streammer.sources.device.inputs import InputDevice

__all__ = ["inputs", "load", "start"]

_LOOPBACK = (
    "monitor", "loopback", "loop-back", "blackhole", "soundflower", "stereo mix", "what u hear",
    "cable output", "voicemeeter",
)  # fmt: skip

_SOUND_SERVERS = ("default", "sysdefault", "pulse", "pipewire", "jack", "dmix", "dsnoop")
_MOST_CHANNELS = 32


def load() -> Any:
    """Return the sounddevice module, with PortAudio initialised.

    Raises
    ------
    DeviceError
        If PortAudio is missing or does not start.
    """
    try:
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


def inputs(sd: Any) -> list[InputDevice]:
    """Return the inputs that PortAudio lists, and after them those of the sound server.

    Parameters
    ----------
    sd : module
        What `load` returned.
    """
    devices = list(sd.query_devices())
    apis = sd.query_hostapis()
    try:
        default = int(sd.query_devices(kind="input")["index"])
    except (sd.PortAudioError, ValueError):
        default = -1
    found = []
    for index, device in enumerate(devices):
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
    way = _way_to_the_server(devices)
    if way is not None:
        known = {device.name for device in found}
        sources = pulse.sources(round(devices[way]["default_samplerate"]))
        unknown = [source for source in sources if source.name not in known]
        found += [replace(source, index=len(devices) + k) for k, source in enumerate(unknown)]
    return found


def start(sd: Any, device: InputDevice, **callbacks: Callable[..., None]) -> tuple[Any, int]:
    """Open an input and start it; return the stream and its count of channels.

    Parameters
    ----------
    sd : module
    device : InputDevice
    callbacks
        `callback` and `finished_callback`, as sounddevice takes them.

    Raises
    ------
    DeviceError
        If it opens with none of its counts of channels, or is not what was asked for.
    """
    index = device.index
    if device.server_name:
        way = _way_to_the_server(sd.query_devices())
        if way is None:
            raise DeviceError(f"{device.name} is not connected any more: see streammer devices")
        index = way
        os.environ["PULSE_SOURCE"] = device.server_name
    refusal: Exception | None = None
    for channels in dict.fromkeys((device.channels, min(2, device.channels), 1)):
        try:
            stream = sd.RawInputStream(
                device=index, samplerate=device.sr, channels=channels, dtype="float32", **callbacks
            )
            stream.start()
        except sd.PortAudioError as error:
            refusal = error
            continue
        if device.server_name and not pulse.records_from(device.server_name):
            raise DeviceError(
                f"{device.name} does not open: ALSA's default device does not lead to the sound "
                "server; install its ALSA plugin (Debian, Ubuntu: apt install libasound2-plugins)"
            )
        return stream, channels
    text = " ".join(str(refusal).split())
    raise DeviceError(f"{device.name} does not open ({text}): see streammer devices")


def _way_to_the_server(devices: Sequence[Any]) -> int | None:
    """Return the number of the device by which ALSA reaches a sound server."""
    names = [str(device["name"]).lower() for device in devices]
    return next((names.index(name) for name in ("pulse", "default") if name in names), None)
