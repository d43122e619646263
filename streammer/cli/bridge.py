"""`streammer bridge`: the mood of a stream in the protocols of lights and screens."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from streammer.bridges.artnet import Artnet, ArtnetOptions
from streammer.bridges.inbox import following
from streammer.bridges.midi import Midi, MidiOptions
from streammer.bridges.mqtt import Mqtt, MqttOptions
from streammer.bridges.options import Shaping
from streammer.bridges.osc import Osc, OscOptions
from streammer.bridges.outlet import Bridge
from streammer.bridges.runner import Runner
from streammer.bridges.sacn import Sacn, SacnOptions
from streammer.bridges.wled import WledOptions, wled_bridges
from streammer.cli.messages import inform
from streammer.clock import SystemClock
from streammer.config import DEFAULT_ENDPOINT
from streammer.system.signals import stopping

__all__ = ["artnet", "midi", "mqtt", "osc", "sacn", "wled"]

Flat = Parameter(name="*", negative_iterable=())
Streams = Annotated[list[str] | None, Parameter(negative=())]


def osc(
    *,
    connect: str = DEFAULT_ENDPOINT,
    stream: Streams = None,
    options: Annotated[OscOptions, Flat] = OscOptions(),  # noqa: B008 - it is frozen
) -> int:
    """Send OSC to visuals, media servers and desks: one bundle a frame.

    Parameters
    ----------
    connect
        Endpoint of the publisher. It need not be there yet, and it may come back.
    stream
        Name of the stream; give it several times to follow several. Default main.
    """
    return _run(connect, stream or ["main"], options, [Osc(options)])


def sacn(
    *,
    connect: str = DEFAULT_ENDPOINT,
    stream: str = "main",
    options: Annotated[SacnOptions, Flat] = SacnOptions(),  # noqa: B008 - it is frozen
) -> int:
    """Light DMX fixtures by sACN (E1.31): colour from the plane, intensity from arousal.

    Parameters
    ----------
    connect
        Endpoint of the publisher. It need not be there yet, and it may come back.
    stream
        Name of the stream.
    """
    return _run(connect, [stream], options, [Sacn(options)])


def artnet(
    *,
    connect: str = DEFAULT_ENDPOINT,
    stream: str = "main",
    options: Annotated[ArtnetOptions, Flat] = ArtnetOptions(),  # noqa: B008 - it is frozen
) -> int:
    """Light DMX fixtures by Art-Net: colour from the plane, intensity from arousal.

    Parameters
    ----------
    connect
        Endpoint of the publisher. It need not be there yet, and it may come back.
    stream
        Name of the stream.
    """
    return _run(connect, [stream], options, [Artnet(options)])


def mqtt(
    *,
    connect: str = DEFAULT_ENDPOINT,
    stream: Streams = None,
    options: Annotated[MqttOptions, Flat] = MqttOptions(),  # noqa: B008 - it is frozen
) -> int:
    """Publish the mood on an MQTT broker, with sensors for Home Assistant.

    Parameters
    ----------
    connect
        Endpoint of the publisher. It need not be there yet, and it may come back.
    stream
        Name of the stream; give it several times to follow several. Default main.
    """
    streams = stream or ["main"]
    return _run(connect, streams, options, [Mqtt(options, streams)])


def midi(
    *,
    connect: str = DEFAULT_ENDPOINT,
    stream: str = "main",
    options: Annotated[MidiOptions, Flat] = MidiOptions(),  # noqa: B008 - it is frozen
) -> int:
    """Send the mood as MIDI controllers, with a program change when the quadrant changes.

    Parameters
    ----------
    connect
        Endpoint of the publisher. It need not be there yet, and it may come back.
    stream
        Name of the stream.
    """
    return _run(connect, [stream], options, [Midi(options)])


def wled(
    *,
    connect: str = DEFAULT_ENDPOINT,
    stream: str = "main",
    options: Annotated[WledOptions, Flat] = WledOptions(),  # noqa: B008 - it is frozen
) -> int:
    """Set WLED's presets or colours by its JSON API, and send it Sound Sync packets.

    Parameters
    ----------
    connect
        Endpoint of the publisher. It need not be there yet, and it may come back.
    stream
        Name of the stream.
    """
    return _run(connect, [stream], options, wled_bridges(options))


def _run(connect: str, streams: Sequence[str], options: Shaping, bridges: Sequence[Bridge]) -> int:
    """Run bridges until a signal comes, and return the exit code."""
    clock = SystemClock()
    runner = Runner(options, bridges, clock)
    with following(connect, streams, clock) as sources, stopping(runner):
        for each in bridges:
            inform(f"{each.where}, {options.rate:g} frames a second, of {', '.join(sources)}")
        runner.run(sources)
    inform(runner.summary())
    return 0
