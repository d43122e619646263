"""What a hub says of itself: `hub/status`, every few seconds."""

import msgspec

from streammer.estimate import rounded

__all__ = ["HUB_TOPIC", "HubStatus", "encode_hub"]

HUB_TOPIC = b"hub/status"
"""Not under ``status/``: that of a stream named hub would be another message there."""


class HubStatus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """How a hub fares.

    Attributes
    ----------
    v : int
        Version of this format, 1.
    epoch : str
        One life of the hub, written as that of a stream.
    streams : int
        Streams that were received of late.
    received, forwarded, resent : int
        Messages that came from publishers, went on to subscribers, and were sent again to who
        joined late.
    duplicates, older, malformed, refused : int
        Messages that did not go on: received already; of an epoch that another has taken over
        from; no valid topic or payload; of more streams than a hub keeps.
    conflicts : list of str
        Streams that two publishers send at once; the one that began later goes on. The first 20
        by name, of the last minute.
    uptime_s : float
        Since the hub began [s].
    version : str
        Version of streammer.
    """

    v: int = 1
    epoch: str
    streams: int
    received: int
    forwarded: int
    resent: int
    duplicates: int
    older: int
    malformed: int
    refused: int
    conflicts: list[str]
    uptime_s: float
    version: str


def encode_hub(status: HubStatus) -> bytes:
    """Return the JSON object of a status."""
    return msgspec.json.encode(rounded(msgspec.structs.asdict(status)))
