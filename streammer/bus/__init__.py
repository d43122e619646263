"""The mood bus: estimates over ZeroMQ, from one publisher to any number of subscribers.

`publisher` sends and `subscriber` receives; `wire` is what they say (docs/wire.md), `endpoint`
where, and `sockets` makes their sockets.
"""

from streammer.bus.endpoint import check_endpoint
from streammer.bus.publisher import Publisher
from streammer.bus.subscriber import Subscriber
from streammer.config import DEFAULT_ENDPOINT

__all__ = ["DEFAULT_ENDPOINT", "Publisher", "Subscriber", "check_endpoint"]
