"""`streammer hub`: one place where the streams of many machines meet."""

from typing import Annotated

from cyclopts import Parameter

from streammer.bus.hub import Hub
from streammer.cli.messages import inform, said_aside
from streammer.config import DEFAULT_ENDPOINT, HUB_ENDPOINT
from streammer.system.signals import stopping

__all__ = ["hub"]


def hub(
    *,
    publishers: str = HUB_ENDPOINT,
    bind: str = DEFAULT_ENDPOINT,
    connect: str | None = None,
    insecure: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Bring the streams of many machines together: publishers connect, subscribers as always.

    Parameters
    ----------
    publishers
        Endpoint that publishers connect to: streammer listen … --connect.
    bind
        Endpoint that subscribers connect to: streammer watch --connect.
    connect
        Another hub that everything goes on to; it need not be there yet.
    insecure
        Allow endpoints beyond this machine: anyone who can reach the ports can publish and
        subscribe.
    """
    with (
        Hub(publishers, bind, connect=connect, insecure=insecure) as served,
        stopping(served),
        said_aside(lambda _line: False),  # a terminal that is stopped stops no stream
    ):
        inform(f"publishers connect to {served.publishers}, subscribers to {served.endpoint}")
        served.run()
        status = served.status()
        inform(
            f"{status.streams} streams; {status.received} messages received, {status.forwarded} "
            f"sent on, {status.resent} sent again, {status.duplicates} duplicates, "
            f"{status.older} of an older epoch, {status.malformed} malformed, "
            f"{status.refused} refused"
        )
    return 0
