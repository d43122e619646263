"""The wire format: topics, and one JSON object a message (docs/wire.md).

What is sent is checked by the same rules as what is received, so that a subscriber in any language
may rely on them: every float is finite, every value in its range.
"""

import re
from math import isfinite
from typing import Any, TypeVar

import msgspec

from streammer.config import check_stream_name
from streammer.errors import UsageError
from streammer.estimate import MoodEstimate, StreamStatus

__all__ = [
    "EPOCH",
    "MAX_PAYLOAD_BYTES",
    "WireError",
    "decode_mood",
    "decode_status",
    "encode",
    "mood_topic",
    "status_topic",
]

MAX_PAYLOAD_BYTES = 65536
"""No message of v 1 comes near it (an estimate takes 400 bytes); more is malformed."""

EPOCH = re.compile(r"[0-9a-f]{16}")
"""What an epoch looks like."""
_MAX_COUNT = 2**53
"""Above it, a JSON number is no longer exact in every language."""

Message = TypeVar("Message", MoodEstimate, StreamStatus)

_encoder = msgspec.json.Encoder()
_mood_decoder = msgspec.json.Decoder(MoodEstimate)
_status_decoder = msgspec.json.Decoder(StreamStatus)


class WireError(ValueError):
    """A message that does not keep the wire format; subscribers count it and go on."""


def mood_topic(stream: str) -> bytes:
    """Return the topic of a stream's estimates."""
    return b"mood/" + stream.encode("ascii")


def status_topic(stream: str) -> bytes:
    """Return the topic of a stream's status."""
    return b"status/" + stream.encode("ascii")


def encode(message: Message) -> bytes:
    """Return the JSON object of a message.

    Raises
    ------
    WireError
        A value that may not leave: not finite, or out of its range. (A JSON encoder would turn
        NaN into null, and so say something else.)
    """
    _check(message)
    try:
        return _encoder.encode(message)
    except UnicodeEncodeError:  # a file name that is no UTF-8, carried as surrogates
        return _encoder.encode(_printable(message))


def decode_mood(payload: bytes, stream: str) -> MoodEstimate:
    """Return the estimate in `payload`; `WireError` if it is none of `stream`."""
    return _decode(_mood_decoder, payload, stream)


def decode_status(payload: bytes, stream: str) -> StreamStatus:
    """Return the status in `payload`; `WireError` if it is none of `stream`."""
    return _decode(_status_decoder, payload, stream)


def _decode(decoder: msgspec.json.Decoder[Message], payload: bytes, stream: str) -> Message:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError(f"{len(payload)} bytes; expected at most {MAX_PAYLOAD_BYTES}")
    try:
        message = decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise WireError(str(error)) from error
    _check(message)
    if message.stream != stream:
        raise WireError(f"stream {message.stream!r} under the topic of {stream!r}")
    return message


def _check(message: MoodEstimate | StreamStatus) -> None:
    """Raise `WireError` at the first value that breaks a rule of docs/wire.md."""
    _require(message.v == 1, "v", message.v, "1")
    try:
        check_stream_name(message.stream)
    except UsageError as error:
        raise WireError(str(error)) from None
    _require(bool(EPOCH.fullmatch(message.epoch)), "epoch", message.epoch, "16 hex digits")
    if isinstance(message, MoodEstimate):
        _check_mood(message)
    else:
        _check_status(message)


def _check_mood(m: MoodEstimate) -> None:
    if _in_order(m):
        return
    for name in ("valence", "arousal"):
        _require_range(m, name, -1.0, 1.0)
    for name in ("sigma_valence", "sigma_arousal"):
        _require_range(m, name, 0.0)
    for name in ("p_positive", "p_energetic"):
        _require_range(m, name, 0.0, 1.0)
    for name in ("t_capture", "t_publish", "lag_ms"):
        _require_range(m, name)
    _require_range(m, "t_audio_s", 0.0)
    _require_range(m, "level_dbfs", -120.0)
    for name in ("seq", "lost_samples"):
        _require_range(m, name, 0, _MAX_COUNT)
    axes = m.valence is not None and m.arousal is not None
    probabilities = m.p_positive is not None and m.p_energetic is not None
    _require(
        axes or probabilities or m.quadrant is None,
        "quadrant", m.quadrant, "null without both axes or both probabilities",
    )  # fmt: skip


def _in_order(mood: MoodEstimate) -> bool:
    """Return whether a whole estimate keeps the rules; of any other, `_check_mood` says why not."""
    m: Any = mood
    try:
        return (
            -1.0 <= m.valence <= 1.0
            and -1.0 <= m.arousal <= 1.0
            and m.sigma_valence >= 0.0
            and m.sigma_arousal >= 0.0
            and 0.0 <= m.p_positive <= 1.0
            and 0.0 <= m.p_energetic <= 1.0
            and m.t_audio_s >= 0.0
            and m.level_dbfs >= -120.0
            and 0 <= m.seq <= _MAX_COUNT
            and 0 <= m.lost_samples <= _MAX_COUNT
            # The sum is finite only if each of them is.
            and isfinite(
                m.sigma_valence
                + m.sigma_arousal
                + m.t_capture
                + m.t_publish
                + m.t_audio_s
                + m.level_dbfs
                + m.lag_ms
            )
        )
    except (TypeError, OverflowError):  # some are null, or beyond every float
        return False


def _check_status(s: StreamStatus) -> None:
    for name in ("step_s", "latency_s", "uptime_s"):
        _require_range(s, name, 0.0)
    for name in (
        "sr",
        "channels",
        "steps",
        "degraded_ticks",
        "lost_samples",
        "reopened",
        "nonfinite_samples",
        "clipped_samples",
        "skipped_ticks",
        "dropped_lines",
    ):
        _require_range(s, name, 0, _MAX_COUNT)
    for rate in s.rates:
        _require(0 <= rate <= _MAX_COUNT, "rates", rate, f"numbers in [0, {_MAX_COUNT}]")


def _require_range(
    message: MoodEstimate | StreamStatus,
    name: str,
    low: float = float("-inf"),
    high: float = float("inf"),
) -> None:
    value = getattr(message, name)
    if value is not None:
        good = _finite(value) and low <= value <= high
        _require(good, name, value, f"a finite number in [{low:g}, {high:g}]")


def _finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # JSON has whole numbers beyond every float, and Python reads them
        return False


def _require(good: bool, name: str, value: object, expected: str) -> None:
    if not good:
        raise WireError(f"{name} is {_shown(value)!r}; expected {expected}")


def _shown(value: object) -> str:
    # Python refuses to write whole numbers of over 4300 digits.
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a whole number of {value.bit_length()} bits"
    return str(value)[:80]


def _printable(message: Message) -> Message:
    """Return the message with what is no Unicode in its texts replaced by '?'."""
    return msgspec.convert(_cleaned(msgspec.to_builtins(message)), type(message))


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {key: _cleaned(item) for key, item in value.items()}
    return value
