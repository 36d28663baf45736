"""Properties of the primary item of an AVIF or HEIF file (ISO/IEC 14496-12, ISO/IEC 23008-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

_MAX_BOXES = 4_096
_FULL_BOX_HEADER = 4


class _Box(NamedTuple):
    kind: bytes
    body: memoryview


def primary_colors(data: bytes) -> tuple[int, int] | None:
    """Color primaries and transfer characteristics (ITU-T H.273) of the primary item's `nclx`."""
    with suppress(struct.error, IndexError, ValueError):
        for kind, body in _primary_properties(data):
            if kind == b"colr" and bytes(body[:4]) == b"nclx":
                primaries, transfer = struct.unpack_from(">HH", body, 4)
                return primaries, transfer
    return None


def _primary_properties(data: bytes) -> list[_Box]:
    """Raises struct.error, IndexError or ValueError for an invalid structure."""
    meta = dict(_boxes(_body(_boxes(memoryview(data)), b"meta")[_FULL_BOX_HEADER:]))
    properties = list(_boxes(meta[b"iprp"])) if b"iprp" in meta else []
    known = [box for kind, body in properties if kind == b"ipco" for box in _boxes(body)]
    primary = _primary_item(meta.get(b"pitm", memoryview(b"")))
    indexes = [
        index
        for kind, body in properties
        if kind == b"ipma"
        for item, index in _associations(body)
        if item == primary
    ]
    return [known[index - 1] for index in indexes if 1 <= index <= len(known)]


def _boxes(data: memoryview) -> Iterator[_Box]:
    return islice(_every_box(data), _MAX_BOXES)


def _every_box(data: memoryview) -> Iterator[_Box]:
    start = 0
    while start + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if length == 1:
            (length,), head = struct.unpack_from(">Q", data, start + 8), 16
        length = length or len(data) - start
        if length < head:
            raise ValueError("a box is shorter than its header")
        yield _Box(kind, data[start + head : start + length])
        start += length


def _body(boxes: Iterator[_Box], name: bytes) -> memoryview:
    for kind, body in boxes:
        if kind == name:
            return body
    raise ValueError("a box is missing")


def _primary_item(body: memoryview) -> int:
    (item,) = struct.unpack_from(">I" if body[0] else ">H", body, _FULL_BOX_HEADER)
    return int(item)


def _associations(body: memoryview) -> Iterator[tuple[int, int]]:
    """Items and the indexes of their properties, from 1 (`ipma`, ISO/IEC 23008-12, 9.3)."""
    item_format, wide = ">I" if body[0] else ">H", body[3] & 1
    (count,) = struct.unpack_from(">I", body, _FULL_BOX_HEADER)
    start = _FULL_BOX_HEADER + 4
    for _ in range(min(count, _MAX_BOXES)):
        (item,) = struct.unpack_from(item_format, body, start)
        start += struct.calcsize(item_format)
        associations, start = body[start], start + 1
        for _ in range(associations):
            if wide:
                yield item, struct.unpack_from(">H", body, start)[0] & 0x7FFF
            else:
                yield item, body[start] & 0x7F
            start += 2 if wide else 1
