"""What a model's front end computed of a step, for displays: `features/<stream>`.

Sent only while somebody subscribes to it. The spectrogram is coarse on purpose: a byte a cell, at
most `MAX_CELLS` of them.
"""

from math import isfinite

import msgspec

from streammer.bus.wire import EPOCH, WireError
from streammer.config import check_stream_name
from streammer.errors import UsageError

__all__ = ["KINDS", "MAX_CELLS", "Features", "decode_features", "encode_features", "features_topic"]

KINDS = ("mel", "chroma", "stft")

MAX_CELLS = 3600
"""Cells of one message: with its keys it stays under 4 kB."""

_MAX_BYTES = 4096


class Features(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """The spectrogram of one step.

    Attributes
    ----------
    v : int
        Version of this format, 1.
    stream, epoch, seq, t_audio_s : str, str, int, float
        Those of the estimate that was made of the step.
    kind : str
        Of the front end: mel, chroma or stft.
    frames, bins : int
        Shape, oldest frame and lowest bin first.
    floor_db, top_db : float
        Power that the bytes 0 and 255 stand for [dB relative to 1].
    db : bytes [frames * bins]
        Power, linear in dB between the two, a frame after the other.
    """

    v: int = 1
    stream: str
    epoch: str
    seq: int
    t_audio_s: float
    kind: str
    frames: int
    bins: int
    floor_db: float
    top_db: float
    db: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Features)


def features_topic(stream: str) -> bytes:
    """Return the topic of a stream's features."""
    return b"features/" + stream.encode("ascii")


def encode_features(features: Features) -> bytes:
    """Return the msgpack object of a message; raises as `encode` does."""
    _check(features)
    return _encoder.encode(features)


def decode_features(payload: bytes, stream: str) -> Features:
    """Return the features in `payload`; `WireError` if they are none of `stream`."""
    if len(payload) > _MAX_BYTES:
        raise WireError(f"{len(payload)} bytes; expected at most {_MAX_BYTES}")
    try:
        features = _decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise WireError(str(error)) from error
    _check(features)
    if features.stream != stream:
        raise WireError(f"stream {features.stream!r} under the topic of {stream!r}")
    return features


def _check(f: Features) -> None:
    """Raise `WireError` at the first value that breaks a rule of docs/wire.md."""
    try:
        check_stream_name(f.stream)
    except UsageError as error:
        raise WireError(str(error)) from None
    good = (
        f.v == 1
        and EPOCH.fullmatch(f.epoch)
        and f.seq >= 0
        and isfinite(f.t_audio_s)
        and f.t_audio_s >= 0.0
        and f.kind in KINDS
        and f.frames > 0
        and f.bins > 0
        and len(f.db) == f.frames * f.bins <= MAX_CELLS
        and isfinite(f.floor_db)
        and isfinite(f.top_db)
        and f.floor_db < f.top_db
    )
    if not good:
        raise WireError("features out of range: docs/wire.md has the rules")
