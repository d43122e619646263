"""What the page server and a page say to each other: JSON, and a spectrogram as bytes.

To the page: `hello`, `mood`, `status`, `stale`, `history`, `mark`, `problem`. From it: `watch` and
`mark`, and nothing else.
"""

import struct
from typing import Any

import msgspec

from streammer.bus.features import Features

__all__ = ["MAX_LABEL", "RECENT", "Mark", "MarkRequest", "Watch", "decode", "features_frame", "say"]

MAX_LABEL = 120
"""Characters of a mark."""

RECENT = (
    "seq", "t_publish", "valence", "arousal", "sigma_valence", "sigma_arousal", "quadrant", "state",
)  # fmt: skip
"""Keys of an estimate that a page draws over time, in the order of a `history` row."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A moment that somebody marked.

    Attributes
    ----------
    kind : str
        Always "mark": beside estimates in one file, it tells them apart.
    t : float
        Unix time of the estimate that the page showed [s], its `t_publish`.
    stream, epoch, seq, t_audio_s : str, str, int, float
        Those of that estimate.
    label : str
        What was typed; may be empty.
    """

    kind: str = "mark"
    t: float
    stream: str
    epoch: str
    seq: int
    t_audio_s: float
    label: str


class Watch(msgspec.Struct, tag="watch", frozen=True, forbid_unknown_fields=True):
    """A page turns to a stream, and says whether it shows the spectrogram."""

    stream: str
    features: bool = False


class MarkRequest(msgspec.Struct, tag="mark", frozen=True, forbid_unknown_fields=True):
    """A page marks the moment of an estimate."""

    stream: str
    epoch: str
    seq: int
    label: str = ""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Watch | MarkRequest)


def decode(text: str) -> Watch | MarkRequest:
    """Return what a page says.

    Raises
    ------
    msgspec.MsgspecError
        It is none of the above.
    """
    request: Watch | MarkRequest = _decoder.decode(text)
    return request


def say(kind: str, **values: Any) -> str:
    """Return a message to a page; structs of the bus are written with their own keys."""
    return _encoder.encode({"type": kind, **values}).decode()


def features_frame(features: Features) -> bytes:
    """Return a spectrogram: the length of its JSON head in four bytes, the head, the cells."""
    head = {
        key: getattr(features, key)
        for key in ("stream", "epoch", "seq", "kind", "frames", "bins", "floor_db", "top_db")
    }
    text = _encoder.encode(head)
    return struct.pack(">I", len(text)) + text + features.db
