"""WLED: presets or colours by its JSON API, Sound Sync packets for audio-reactive effects."""

import json
import math
import struct
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from typing import Any

from streammer.bridges.colour import PALETTE, colour
from streammer.bridges.frame import Frame
from streammer.bridges.options import Shaping
from streammer.bridges.outlet import Bridge, Frames
from streammer.bridges.udp import Datagrams, check_host, check_port
from streammer.errors import UsageError

__all__ = ["SOUND_SYNC", "WledJson", "WledOptions", "WledSync", "sound_sync", "wled_bridges"]

SOUND_SYNC = struct.Struct("<6s2xffBB16B2xff")
"""Version 2 of WLED's packet, 44 bytes, little-endian: header, raw and smoothed volume (0 to 255),
peak, counter, sixteen bands (0 to 254), magnitude and frequency [Hz] of the strongest one."""

_BANDS = 16
_LOW_HZ, _HIGH_HZ = 80.0, 5000.0
_MAGNITUDE = 4096.0
_TIMEOUT_S = 3.0
_PAUSE_S = 0.5
"""A small chip serves the JSON API: it is asked at most twice a second [s]."""

_NAMES = ("Q1", "Q2", "Q3", "Q4", "rest")


@dataclass(frozen=True, kw_only=True)
class WledOptions(Shaping):
    """The mood on WLED.

    Attributes
    ----------
    host : str
        A WLED whose presets or colours are set by its JSON API; empty: none.
    http_port : int
        TCP port of that API.
    presets : str
        Presets of that WLED by quadrant, such as Q1=1,Q2=2,Q3=3,Q4=4,rest=5; empty: it is given
        colour and brightness instead.
    sync : bool
        Send Sound Sync packets, for the audio-reactive effects of every WLED that receives them.
    group : str
        Where to: the multicast group of Sound Sync, or one WLED.
    port : int
        UDP port of Sound Sync.
    interface : str
        Address of the network interface that multicast leaves by; default the system's choice.
    """

    host: str = ""
    http_port: int = 80
    presets: str = ""
    sync: bool = True
    group: str = "239.0.0.1"
    port: int = 11988
    interface: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_host(self.group)
        check_port(self.port)
        if not 1 <= self.http_port <= 65535:
            raise UsageError(f"--http-port is {self.http_port}: 1 to 65535 is expected")
        if self.host:
            check_host(self.host)
        elif self.presets:
            raise UsageError("--presets are those of one WLED: say which with --host")
        elif not self.sync:
            raise UsageError("--no-sync without --host leaves nothing to send: give --host")
        _ = self.preset_of

    @cached_property
    def preset_of(self) -> dict[str, int]:
        """The preset of each quadrant and of rest."""
        presets: dict[str, int] = {}
        for text in self.presets.split(",") if self.presets else ():
            name, _, number = (part.strip() for part in text.partition("="))
            if name not in _NAMES or not number.isdecimal() or not 1 <= int(number) <= 250:
                raise UsageError(
                    f"--presets {text!r} cannot be read: NAME=NUMBER is expected, NAME of "
                    f"{', '.join(_NAMES)}, NUMBER from 1 to 250"
                )
            if name in presets:
                raise UsageError(f"--presets has {name} twice: give it once")
            presets[name] = int(number)
        return presets


def wled_bridges(options: WledOptions) -> list[Bridge]:
    """Return what serves the options: one, or two that do not wait for each other."""
    bridges: list[Bridge] = []
    if options.host:
        bridges.append(WledJson(options))
    if options.sync:
        bridges.append(WledSync(options))
    return bridges


class WledJson:
    """Set presets, or colour and brightness, by the JSON API of one WLED.

    Parameters
    ----------
    options : WledOptions
    """

    def __init__(self, options: WledOptions) -> None:
        what = "presets" if options.presets else "colours"
        self.where = f"WLED {what} to {options.host}:{options.http_port}"
        self._presets = options.preset_of
        self._place = options.host, options.http_port
        self._said: dict[str, Any] | None = None
        self._said_at = -math.inf

    def open(self) -> None:
        """Ask whether it is there."""
        self._ask("GET", "/json/info", None)
        self._said, self._said_at = None, -math.inf

    def send(self, frames: Frames) -> None:
        """Set what has changed."""
        (frame,) = frames.values()
        wanted = self._wanted(frame)
        if wanted in (None, self._said) or frame.t - self._said_at < _PAUSE_S:
            return
        self._ask("POST", "/json/state", wanted)
        self._said, self._said_at = wanted, frame.t

    def leave(self) -> None:
        """Leave it at rest: its preset, or off."""
        if not self._presets:
            self._ask("POST", "/json/state", {"on": False})
        elif "rest" in self._presets:
            self._ask("POST", "/json/state", {"ps": self._presets["rest"]})

    def close(self) -> None:
        """Have nothing to close: every request is a connection of its own."""

    def _wanted(self, frame: Frame) -> dict[str, Any] | None:
        if self._presets:
            name = frame.quadrant or "rest"
            return {"ps": self._presets[name]} if name in self._presets else None
        rgb = [round(255 * part) for part in colour(frame, PALETTE)]
        bright = round(255 * frame.intensity)
        if not bright:
            return {"on": False}
        # Its transitions are tenths of a second: what comes next half a second later glides.
        return {"on": True, "bri": bright, "transition": 5, "seg": [{"fx": 0, "col": [rgb]}]}

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> None:
        connection = HTTPConnection(*self._place, timeout=_TIMEOUT_S)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read(65536)
            if answer.status != 200:
                raise OSError(f"{path} is answered by {answer.status}: is it a WLED?")
        except HTTPException as error:
            raise OSError(f"no HTTP ({error!r}): is it a WLED?") from error
        finally:
            connection.close()


class WledSync:
    """Send Sound Sync packets.

    Parameters
    ----------
    options : WledOptions
    """

    def __init__(self, options: WledOptions) -> None:
        self.where = f"WLED Sound Sync to {options.group}:{options.port}"
        self._out = Datagrams(options.group, options.port, interface=options.interface)
        self._count = 0

    def open(self) -> None:
        """Open the socket."""
        self._out.open()

    def send(self, frames: Frames) -> None:
        """Send a packet."""
        (frame,) = frames.values()
        level = frame.intensity * frame.active
        self._send(sound_sync(self._count, level, frame.x, peak=bool(frame.fired)))

    def leave(self) -> None:
        """Say that it is still."""
        self._send(sound_sync(self._count, 0.0, 0.5, peak=False))

    def close(self) -> None:
        """Close the socket."""
        self._out.close()

    def _send(self, packet: bytes) -> None:
        self._count = (self._count + 1) % 256
        self._out.send(packet)


def sound_sync(count: int, level: float, valence: float, *, peak: bool) -> bytes:
    """Return a packet of Sound Sync.

    The bus carries moods, not sound: volume is the intensity, and the bands are a hump that moves
    from the bass to the treble with valence, so that effects that paint by frequency do so by mood.

    Parameters
    ----------
    count : int
        Of packets, 0 to 255.
    level, valence : float
        From 0 to 1.
    peak : bool
        Whether effects are to burst.

    Returns
    -------
    bytes
        44 of them.
    """
    centre = 0.2 + 0.6 * valence
    bands = (
        round(254 * level * math.exp(-(((k / (_BANDS - 1) - centre) / 0.35) ** 2)))
        for k in range(_BANDS)
    )
    hertz = _LOW_HZ * (_HIGH_HZ / _LOW_HZ) ** valence
    volume = 255.0 * level
    return SOUND_SYNC.pack(
        b"00002\0", volume, volume, int(peak), count, *bands, _MAGNITUDE * level, hertz
    )
