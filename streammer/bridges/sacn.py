"""sACN (E1.31): DMX universes over multicast, or to one receiver."""

import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streammer.bridges.dmx import Lights
from streammer.bridges.extra import needs
from streammer.bridges.fixtures import read_map
from streammer.bridges.options import Shaping, check_range
from streammer.bridges.outlet import Frames
from streammer.bridges.udp import Datagrams, check_host
from streammer.errors import UsageError

__all__ = ["Sacn", "SacnOptions"]

_PORT = 5568
_UNIVERSES = range(1, 64000)
_DISCOVERY_GROUP, _DISCOVERY_S = "239.255.250.214", 10.0
_LAST_WORDS = 3
"""How often the end is said: E1.31 asks for three, as a datagram may be lost."""


@dataclass(frozen=True, kw_only=True)
class SacnOptions(Shaping):
    """DMX universes by sACN.

    Attributes
    ----------
    map : Path or None
        The channel map, a TOML file; without one, channels 1 to 4 are dimmer, red, green, blue.
    universe : int
        Of the fixtures that name none, 1 to 63999.
    host : str
        One receiver; by default every receiver of the universe gets it (multicast).
    priority : int
        Of several sources a receiver follows the one with the highest, 0 to 200.
    name : str
        What this source is called on consoles.
    interface : str
        Address of the network interface that multicast leaves by; default the system's choice.
    """

    map: Path | None = None
    universe: int = 1
    host: str = ""
    priority: int = 100
    name: str = "streammer"
    interface: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.host:
            check_host(self.host)
        check_range("priority", self.priority, 0, 200)
        if not 0 < len(self.name.encode()) < 64:
            raise UsageError(f"--name {self.name!r} is no name: 1 to 63 bytes are expected")
        if self.interface:
            try:
                socket.inet_aton(self.interface)
            except OSError:
                raise UsageError(
                    f"--interface {self.interface} is no address: such as 192.168.1.20 is expected"
                ) from None
            if self.host:
                raise UsageError("--interface is for multicast: leave out --host or --interface")


class Sacn:
    """Send frames as sACN.

    Parameters
    ----------
    options : SacnOptions
    """

    def __init__(self, options: SacnOptions) -> None:
        needs("sacn")
        from sacn.messages.data_packet import DataPacket, calculate_multicast_addr
        from sacn.messages.universe_discovery import UniverseDiscoveryPacket

        fixtures, palette = read_map(
            options.map, universe=options.universe, universes=_UNIVERSES, rules=options.rules
        )
        self._lights = Lights(fixtures, palette)
        universes = self._lights.universes
        self.where = f"sACN to {options.host or 'multicast'}, universe {_listed(universes)}"
        # The same source after a restart: a receiver takes over at once, and adds no second one.
        cid = tuple(uuid.uuid5(uuid.NAMESPACE_DNS, f"{options.name}.{socket.gethostname()}").bytes)
        self._packets = {
            universe: DataPacket(cid, options.name, universe, (0,) * 512, priority=options.priority)
            for universe in universes
        }
        self._out = {
            universe: Datagrams(
                options.host or calculate_multicast_addr(universe),
                _PORT,
                interface=options.interface,
            )
            for universe in universes
        }
        self._discovery = UniverseDiscoveryPacket.make_multiple_uni_disc_packets(
            cid, options.name, list(universes)
        )
        self._group = Datagrams(_DISCOVERY_GROUP, _PORT, interface=options.interface)
        self._multicast = not options.host
        self._discovered_at: float | None = None

    def open(self) -> None:
        """Open the sockets."""
        for out in self._sockets():
            out.open()

    def send(self, frames: Frames) -> None:
        """Send every universe, and which there are every ten seconds."""
        (frame,) = frames.values()
        for universe, data in self._lights.show(frame).items():
            self._send(universe, data)
        if self._multicast and (
            self._discovered_at is None or frame.t - self._discovered_at >= _DISCOVERY_S
        ):
            self._discovered_at = frame.t
            for packet in self._discovery:
                self._group.send(bytes(packet.getBytes()))

    def leave(self) -> None:
        """Black out, and say that this source ends."""
        for terminated in (False, True):
            for _ in range(_LAST_WORDS):
                for universe, data in self._lights.dark().items():
                    self._packets[universe].option_StreamTerminated = terminated
                    self._send(universe, data)

    def close(self) -> None:
        """Close the sockets."""
        for out in self._sockets():
            out.close()

    def _sockets(self) -> Iterator[Datagrams]:
        yield from self._out.values()
        if self._multicast:
            yield self._group

    def _send(self, universe: int, data: bytes) -> None:
        packet = self._packets[universe]
        packet.dmxData = tuple(data)
        self._out[universe].send(bytes(packet.getBytes()))
        packet.sequence_increase()


def _listed(universes: tuple[int, ...]) -> str:
    return ", ".join(map(str, universes))
