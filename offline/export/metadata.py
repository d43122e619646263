"""Attaching metadata properties to a serialized ONNX model: all else keeps its bytes.

So the hash of a graph stays the same whatever is said of it, see `streammer.inference.metadata`.
"""

from streammer.inference.metadata import body

__all__ = ["with_metadata"]

_METADATA_PROPS, _KEY, _VALUE = 14, 1, 2  # fields of ModelProto and of its StringStringEntryProto
_BYTES = 2  # wire type


def with_metadata(data: bytes, properties: dict[str, str]) -> bytes:
    """Return the model with these metadata properties and no others."""
    entries = [
        _tagged(_METADATA_PROPS, _tagged(_KEY, key.encode()) + _tagged(_VALUE, value.encode()))
        for key, value in properties.items()
    ]
    return b"".join([*body(data), *entries])


def _tagged(number: int, payload: bytes) -> bytes:
    return _encoded(number << 3 | _BYTES) + _encoded(len(payload)) + payload


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
