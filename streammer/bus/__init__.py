"""The mood bus: estimates over ZeroMQ, from one publisher to any number of subscribers.

`publisher` sends, `subscriber` receives, a `hub` stands between many of both; `wire` is the format
between them (docs/wire.md), `endpoint` checks addresses, `sockets` makes their sockets, and
`inflow` tells a message that does not end.
"""

from streammer.bus.endpoint import check_endpoint
from streammer.bus.publisher import Publisher
from streammer.bus.subscriber import Subscriber
from streammer.config import DEFAULT_ENDPOINT

__all__ = ["DEFAULT_ENDPOINT", "Publisher", "Subscriber", "check_endpoint"]
