"""`streammer bridge`: the mood of a stream in the protocols of lights and screens."""

from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import Parameter

from streammer.bridges.inbox import following
from streammer.bridges.kinds import KINDS, make_bridges
from streammer.bridges.runner import Runner
from streammer.cli.messages import inform
from streammer.clock import SystemClock
from streammer.config import DEFAULT_ENDPOINT
from streammer.system.signals import stopping

__all__ = ["artnet", "midi", "mqtt", "osc", "sacn", "wled"]


def _command(kind: str) -> Callable[..., int]:
    options_type, several, _ = KINDS[kind]

    def command(
        *,
        connect: str = DEFAULT_ENDPOINT,
        stream: Annotated[list[str] | None, Parameter(negative=())] = None,
        options: Any = options_type(),  # noqa: B008 - it is frozen
    ) -> int:
        clock = SystemClock()
        streams = list(dict.fromkeys(stream or ["main"]))
        bridges = make_bridges(kind, options, streams)
        runner = Runner(options, bridges, clock)
        with following(connect, streams, clock) as sources, stopping(runner):
            for bridge in bridges:
                inform(f"{bridge.where}, {options.rate:g} frames a second, of {', '.join(sources)}")
            runner.run(sources)
        inform(runner.summary())
        return 0

    many = "; give it several times to follow several" if several else ""
    command.__doc__ = f"""Follow a stream of the bus, and send it on.

    Parameters
    ----------
    connect
        Endpoint of the publisher. It need not be there yet, and it may come back.
    stream
        Name of the stream{many}. Default main.
    """
    # The options of the protocol are options of the command.
    flat = Parameter(name="*", negative_iterable=())
    command.__annotations__["options"] = Annotated[options_type, flat]
    return command


osc = _command("osc")
sacn = _command("sacn")
artnet = _command("artnet")
mqtt = _command("mqtt")
midi = _command("midi")
wled = _command("wled")
