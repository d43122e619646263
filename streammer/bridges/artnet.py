"""Art-Net: DMX universes as broadcast, or to one node."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streammer.bridges.dmx import Lights
from streammer.bridges.extra import needs
from streammer.bridges.fixtures import read_map
from streammer.bridges.options import Shaping
from streammer.bridges.outlet import Frames
from streammer.bridges.udp import Datagrams, check_host

__all__ = ["Artnet", "ArtnetOptions"]

_PORT = 6454
_UNIVERSES = range(32768)
_LAST_WORDS = 3


@dataclass(frozen=True, kw_only=True)
class ArtnetOptions(Shaping):
    """DMX universes by Art-Net.

    Attributes
    ----------
    map : Path or None
        The channel map, a TOML file; without one, channels 1 to 4 are dimmer, red, green, blue.
    universe : int
        Of the fixtures that name none, 0 to 32767: net, subnet and universe as one number.
    host : str
        The node; default every node of this network (broadcast).
    """

    map: Path | None = None
    universe: int = 0
    host: str = "255.255.255.255"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_host(self.host)


class Artnet:
    """Send frames as Art-Net.

    Parameters
    ----------
    options : ArtnetOptions
    """

    def __init__(self, options: ArtnetOptions) -> None:
        needs("stupidArtnet")
        from stupidArtnet import StupidArtnet

        fixtures, palette = read_map(
            options.map, universe=options.universe, universes=_UNIVERSES, rules=options.rules
        )
        self._lights = Lights(fixtures, palette)
        universes = self._lights.universes
        self.where = f"Art-Net to {options.host}, universe {', '.join(map(str, universes))}"
        self._packets: dict[int, Any] = {
            universe: StupidArtnet(options.host, universe, 512) for universe in universes
        }
        self._out = Datagrams(options.host, _PORT)

    def open(self) -> None:
        """Open the socket."""
        self._out.open()

    def send(self, frames: Frames) -> None:
        """Send every universe."""
        (frame,) = frames.values()
        for universe, data in self._lights.show(frame).items():
            self._send(universe, data)

    def leave(self) -> None:
        """Black out: Art-Net has no word for an end, and nodes keep what came last."""
        for _ in range(_LAST_WORDS):
            for universe, data in self._lights.dark().items():
                self._send(universe, data)

    def close(self) -> None:
        """Close the socket."""
        self._out.close()

    def _send(self, universe: int, data: bytes) -> None:
        packet = self._packets[universe]
        # Its own `show` keeps one sequence number for ever, and prints errors instead of raising.
        packet.sequence = packet.sequence % 255 + 1
        packet.make_artdmx_header()
        self._out.send(bytes(packet.packet_header) + data)
