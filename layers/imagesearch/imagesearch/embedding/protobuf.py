"""Protocol Buffers wire format: finds and replaces fields of a message without a schema.

Used instead of the `onnx` package, which is too large for the Lambda layer.

Format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES = 10
_ALL_64_BITS = (1 << 64) - 1


class Malformed(ValueError):
    """The bytes are not a valid message."""


class Field(NamedTuple):
    """A field: `value` of a varint, `data` of any other wire type, `raw` with the tag included."""

    number: int
    kind: int
    value: int
    data: memoryview
    raw: memoryview


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message, in their order; raises Malformed."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        value = size = 0
        if kind == VARINT:
            value, at = _varint(message, at)
        elif kind == BYTES:
            size, at = _varint(message, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise Malformed(f"wire type {kind} at byte {start}")
        data = message[at : at + size]
        at += size
        if at > len(message):
            raise Malformed(f"field {number} at byte {start} ends after the message")
        yield Field(number, kind, value, data, message[start:at])


def varints(packed: memoryview) -> Iterator[int]:
    """The values of a packed repeated field; raises Malformed."""
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def varint(value: int) -> bytes:
    """An encoded varint; a negative value in two's complement with 64 bits."""
    left = value & _ALL_64_BITS
    encoded = bytearray()
    while left > 0x7F:
        encoded.append(left & 0x7F | 0x80)
        left >>= 7
    encoded.append(left)
    return bytes(encoded)


def varint_field(number: int, value: int) -> bytes:
    """An encoded field with a varint."""
    return varint(number << 3 | VARINT) + varint(value)


def bytes_field(number: int, parts: Iterable[bytes | memoryview]) -> bytes:
    """An encoded length-delimited field, such as a string or a message, of concatenated parts."""
    data = b"".join(parts)
    return bytes_head(number, len(data)) + data


def bytes_head(number: int, size: int) -> bytes:
    """The tag and length of a length-delimited field of `size` bytes."""
    return varint(number << 3 | BYTES) + varint(size)


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for count, byte in enumerate(message[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value & _ALL_64_BITS, at + count + 1
    raise Malformed(f"no varint at byte {at}")
