"""The bridges by name: what the command line and the file of a run choose from."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from streammer.bridges.artnet import Artnet, ArtnetOptions
from streammer.bridges.midi import Midi, MidiOptions
from streammer.bridges.mqtt import Mqtt, MqttOptions
from streammer.bridges.options import Shaping
from streammer.bridges.osc import Osc, OscOptions
from streammer.bridges.outlet import Bridge
from streammer.bridges.sacn import Sacn, SacnOptions
from streammer.bridges.wled import WledOptions, wled_bridges
from streammer.errors import UsageError

__all__ = ["KINDS", "Kind", "make_bridges"]


class Kind(NamedTuple):
    """A protocol.

    Attributes
    ----------
    options : type
        Its options, a frozen dataclass whose defaults all fit together.
    several : bool
        Whether it takes several streams.
    make : callable
        Is given options and streams; returns the bridges that serve them.
    """

    options: type[Shaping]
    several: bool
    make: Callable[[Any, Sequence[str]], Sequence[Bridge]]


KINDS = {
    "osc": Kind(OscOptions, True, lambda options, _: [Osc(options)]),
    "sacn": Kind(SacnOptions, False, lambda options, _: [Sacn(options)]),
    "artnet": Kind(ArtnetOptions, False, lambda options, _: [Artnet(options)]),
    "mqtt": Kind(MqttOptions, True, lambda options, streams: [Mqtt(options, streams)]),
    "midi": Kind(MidiOptions, False, lambda options, _: [Midi(options)]),
    "wled": Kind(WledOptions, False, lambda options, _: wled_bridges(options)),
}
"""Each protocol by its name."""


def make_bridges(kind: str, options: Any, streams: Sequence[str]) -> Sequence[Bridge]:
    """Return the bridges that serve options and streams.

    Raises
    ------
    UsageError
        The protocol takes one stream, and there are several; or what the options say cannot be.
    """
    if not KINDS[kind].several and len(streams) > 1:
        raise UsageError(
            f"{kind} follows one stream: name one of {', '.join(streams[:8])}, and begin another "
            "bridge for each of the others"
        )
    return KINDS[kind].make(options, streams)
