"""The inputs of a PulseAudio or PipeWire server, which ALSA, and so PortAudio, does not list.

Among them are the monitors, which repeat what a sink plays, and Bluetooth headsets.
"""

import os
import sys
from collections import Counter
from typing import Any

from streammer.sources.device.inputs import InputDevice

__all__ = ["records_from", "sources"]

_API = "PulseAudio"
_MOST_CHANNELS = 32


def sources(sr: int) -> list[InputDevice]:
    """Return the server's inputs, without numbers; none where there is no server.

    Parameters
    ----------
    sr : int
        Rate at which they are opened [Hz]: the server resamples.
    """
    server = _connect()
    if server is None:
        return []
    with server:
        listed = server.source_list()
    names = Counter(source.description for source in listed)
    return [
        InputDevice(
            index=-1,
            # Two cards of one make have one description.
            name=s.description if names[s.description] == 1 else f"{s.description} ({s.name})",
            api=_API,
            channels=min(int(s.channel_count), _MOST_CHANNELS),
            sr=sr,
            default=False,
            loopback=s.monitor_of_sink_name is not None,
            server_name=s.name,
        )
        for s in listed
    ]


def records_from(server_name: str) -> bool:
    """Return whether this process records from an input of the server."""
    server = _connect()
    if server is None:
        return False
    with server:
        numbers = {s.index for s in server.source_list() if s.name == server_name}
        return any(
            output.source in numbers
            and output.proplist.get("application.process.id") == str(os.getpid())
            for output in server.source_output_list()
        )


def _connect() -> Any:
    if sys.platform != "linux":
        return None
    try:
        import pulsectl
    except (ImportError, OSError):  # without libpulse there is no server to ask
        return None
    try:
        return pulsectl.Pulse("streammer")
    except pulsectl.PulseError:
        return None
