"""OSC: one bundle a frame, of messages that visuals and desks map with a click."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streammer.bridges.colour import PALETTE, colour
from streammer.bridges.extra import needs
from streammer.bridges.frame import Frame
from streammer.bridges.options import Shaping
from streammer.bridges.outlet import Frames
from streammer.bridges.udp import Datagrams, check_host, check_port
from streammer.errors import UsageError

if TYPE_CHECKING:
    from pythonosc.osc_bundle_builder import OscBundleBuilder

__all__ = ["Osc", "OscOptions", "messages"]

Value = float | int | str | tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class OscOptions(Shaping):
    """OSC to one receiver.

    Attributes
    ----------
    host : str
        Where the receiver is: TouchDesigner, Resolume, Max, QLC+, a desk.
    port : int
        UDP port that it listens on.
    prefix : str
        What every address begins with.
    """

    host: str = "127.0.0.1"
    port: int = 9000
    prefix: str = "/mood"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_host(self.host)
        check_port(self.port)
        if not re.fullmatch(r"(/[^\s#*,/?\[\]{}]+)+/?", self.prefix):
            raise UsageError(
                f"--prefix {self.prefix!r} is no OSC address: /mood or /show/mood is expected"
            )


class Osc:
    """Send frames as OSC bundles over UDP.

    Parameters
    ----------
    options : OscOptions
    """

    def __init__(self, options: OscOptions) -> None:
        needs("pythonosc")
        self.where = f"OSC to {options.host}:{options.port}"
        self._prefix = options.prefix.rstrip("/")
        self._out = Datagrams(options.host, options.port)

    def open(self) -> None:
        """Look the receiver up."""
        self._out.open()

    def send(self, frames: Frames) -> None:
        """Send a bundle a stream."""
        from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder

        for stream, frame in frames.items():
            bundle = OscBundleBuilder(IMMEDIATELY)
            for address, value in messages(frame).items():
                _add(bundle, f"{self._prefix}/{stream}/{address}", value)
            self._out.send(bundle.build().dgram)

    def leave(self) -> None:
        """Say nothing: what was sent last stands."""

    def close(self) -> None:
        """Close the socket."""
        self._out.close()


def messages(frame: Frame) -> dict[str, Value]:
    """Return what a frame says, by address below the stream; what is missing is left out."""
    values: dict[str, Value | None] = {
        "valence": frame.valence,
        "arousal": frame.arousal,
        "valence01": frame.valence01,
        "arousal01": frame.arousal01,
        "x": frame.x,
        "y": frame.y,
        "intensity": frame.intensity,
        "active": frame.active,
        "color": colour(frame, PALETTE),
        "quadrant": 0 if frame.quadrant is None else int(frame.quadrant[1]),
        "p/positive": frame.p_positive,
        "p/energetic": frame.p_energetic,
        "sigma/valence": frame.sigma_valence,
        "sigma/arousal": frame.sigma_arousal,
        "state": frame.state,
    }
    values |= {f"rule/{name}": 1 for name in frame.fired}
    return {address: value for address, value in values.items() if value is not None}


def _add(bundle: "OscBundleBuilder", address: str, value: Value) -> None:
    from pythonosc.osc_message_builder import OscMessageBuilder

    message = OscMessageBuilder(address)
    for argument in value if isinstance(value, tuple) else (value,):
        message.add_arg(argument)
    bundle.add_content(message.build())
