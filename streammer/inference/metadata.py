"""The outermost fields of a serialized ONNX model: its metadata, and everything but its metadata.

Listing a zoo and hashing a graph need no more of the format than the chain of top-level fields.
Reading them here costs microseconds instead of the import of the onnx package, and the hash of a
graph does not depend on how some version of a library serializes it. The laboratory writes them.

References
----------
.. [1] Protocol Buffers, "Encoding": a message is a chain of (field number << 3 | wire type,
   payload). ``onnx.proto``: ``ModelProto.metadata_props = 14``, repeated, of
   ``StringStringEntryProto { key = 1; value = 2; }``.
"""

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Malformed", "body", "metadata"]

_METADATA_PROPS = 14
_KEY, _VALUE = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Malformed(ValueError):
    """The bytes are not a chain of protobuf fields."""


class _Field(NamedTuple):
    number: int
    start: int  # of the tag
    payload: int  # start of the payload, after its length
    end: int
    wire: int


def metadata(data: bytes) -> list[tuple[str, str]]:
    """Return the metadata properties of a serialized model, in order, repeated keys included.

    Raises
    ------
    Malformed
        If `data` is cut short or no protobuf message at all.
    """
    return [_entry(data[f.payload : f.end]) for f in _fields(data) if _is_metadata(f)]


def body(data: bytes) -> Iterator[memoryview]:
    """Yield the parts of a serialized model that are not metadata properties, in order.

    Raises
    ------
    Malformed
        If `data` is cut short or no protobuf message at all.
    """
    view = memoryview(data)
    for field in _fields(data):
        if not _is_metadata(field):
            yield view[field.start : field.end]


def _is_metadata(field: _Field) -> bool:
    return field.number == _METADATA_PROPS and field.wire == _BYTES


def _entry(data: bytes) -> tuple[str, str]:
    parts = {_KEY: "", _VALUE: ""}
    for field in _fields(data):
        if field.number in parts and field.wire == _BYTES:
            try:
                parts[field.number] = data[field.payload : field.end].decode()
            except UnicodeDecodeError as error:
                raise Malformed("a metadata property is not UTF-8") from error
    return parts[_KEY], parts[_VALUE]


def _fields(data: bytes) -> Iterator[_Field]:
    at = 0
    while at < len(data):
        start = at
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        payload = at
        if wire == _VARINT:
            _, at = _varint(data, at)
        elif wire == _BYTES:
            length, payload = _varint(data, at)
            at = payload + length
        elif wire == _FIXED64:
            at += 8
        elif wire == _FIXED32:
            at += 4
        else:
            raise Malformed(f"byte {start} begins no field")
        if number == 0:
            raise Malformed(f"byte {start} begins no field")
        if at > len(data):
            raise Malformed(f"the field at byte {start} ends beyond the file")
        yield _Field(number, start, payload, at, wire)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            break
    raise Malformed(f"the number before byte {at} has no end")
