"""What a stream and a run are asked to do: the one place that knows options.

`stream` has what one stream needs, checked on construction; `run` the tables of a run with name,
type, range, default and help of every key; `read` makes a run of a file, `example` a file of it.
"""

from streammer.config.stream import (
    DEFAULT_ENDPOINT,
    HUB_ENDPOINT,
    Pace,
    StreamConfig,
    check_stream_name,
    parse_select,
)

__all__ = [
    "DEFAULT_ENDPOINT",
    "HUB_ENDPOINT",
    "Pace",
    "StreamConfig",
    "check_stream_name",
    "parse_select",
]
