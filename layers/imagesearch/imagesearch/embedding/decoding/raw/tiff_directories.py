"""Image file directories (IFDs) of TIFF and of camera RAW files with the structure of TIFF.

Parsing is bounded for any input: no offset is followed twice, and data beyond the end of the file
is treated as missing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

MAX_DIRECTORIES = 64
_MAX_ENTRIES = 1_024
_MAX_VALUES = 16_384
_TIFF, _BIG_TIFF = 42, 43
# Olympus ("RO", "RS") and Panasonic ("U") write these values instead of 42.
_VARIANTS = frozenset({_TIFF, 0x4F52, 0x5352, 0x0055})
_RATIONAL, _MAX_RATIONALS = 5, 3
# The `struct` formats of the integer types.
_STRUCT_FORMATS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_BYTES_OF_BIG = {16: 8, 17: 8, 18: 8}


class Tag(IntEnum):
    """Tags of TIFF 6.0, TIFF/EP (ISO 12234-2), DNG 1.7 and Panasonic."""

    JPG_FROM_RAW = 0x002E
    SUBFILE_TYPE = 254
    WIDTH = 256
    HEIGHT = 257
    COMPRESSION = 259
    PHOTOMETRIC = 262
    MAKE = 271
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    STRIP_BYTES = 279
    TILE_OFFSETS = 324
    TILE_BYTES = 325
    SUB_DIRECTORIES = 330
    JPEG_OFFSET = 513
    JPEG_BYTES = 514
    CFA_PATTERN = 33_422
    LEAF_METADATA = 34_310
    DNG_VERSION = 50_706


@dataclass(frozen=True, slots=True)
class _Entry:
    type: int
    count: int
    at: int


@dataclass(frozen=True, slots=True)
class Directory:
    """An IFD at `offset`; `order` is the byte order in the notation of `struct`."""

    data: bytes = field(repr=False)
    offset: int
    order: str
    entries: Mapping[int, _Entry]

    def __contains__(self, tag: int) -> bool:
        return tag in self.entries

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The integers of a tag, at most 16,384; empty for a missing tag or another type."""
        entry = self.entries.get(tag)
        letter = _STRUCT_FORMATS.get(entry.type) if entry else None
        if entry is None or letter is None:
            return ()
        layout = f"{self.order}{min(entry.count, _MAX_VALUES)}{letter}"
        if entry.at + struct.calcsize(layout) > len(self.data):
            return ()
        return struct.unpack_from(layout, self.data, entry.at)

    def number(self, tag: int, default: int = 0) -> int:
        return next(iter(self.numbers(tag)), default)

    def rationals(self, tag: int) -> tuple[tuple[int, int], ...]:
        """Numerators and denominators of a tag with up to three rationals, such as an angle."""
        entry = self.entries.get(tag)
        if entry is None or entry.type != _RATIONAL or entry.count > _MAX_RATIONALS:
            return ()
        layout = f"{self.order}{2 * entry.count}I"
        if entry.at + struct.calcsize(layout) > len(self.data):
            return ()
        numbers = struct.unpack_from(layout, self.data, entry.at)
        return tuple(zip(numbers[::2], numbers[1::2], strict=True))

    def content(self, tag: int) -> tuple[int, int]:
        """The offsets of the start and end of a tag's data; (0, 0) for a missing tag."""
        entry = self.entries.get(tag)
        return (entry.at, entry.at + entry.count) if entry else (0, 0)

    def text(self, tag: int) -> str:
        start, end = self.content(tag)
        return self.data[start : min(end, start + 256)].split(b"\0")[0].decode("ascii", "replace")


def directories(data: bytes) -> list[Directory]:
    """The IFDs of a file, in the order of the chain, with their sub-IFDs.

    Empty for a file that does not have the header of TIFF or one of its variants.
    """
    layout = _layout(data)
    if layout is None:
        return []
    order, big = layout
    first = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    waiting, seen, found = [first], set[int](), list[Directory]()
    while waiting and len(found) < MAX_DIRECTORIES:
        offset = waiting.pop(0)
        if offset in seen:
            continue
        seen.add(offset)
        read = _read(data, offset, order, big)
        if read is None:
            continue
        directory, following = read
        found.append(directory)
        waiting += [*directory.numbers(Tag.SUB_DIRECTORIES)[:MAX_DIRECTORIES], following]
    return found


def sub_directory(directory: Directory, tag: int) -> Directory | None:
    """The IFD that a tag points to, such as the EXIF IFD and the GPS IFD."""
    offset = directory.number(tag)
    big = _is_big(directory.data, directory.order)
    read = _read(directory.data, offset, directory.order, big) if offset else None
    return read[0] if read else None


def with_first_directory(data: bytes, directory: Directory) -> bytes:
    """The file as a TIFF with this IFD as the first one, for any TIFF decoder."""
    order = directory.order
    if _is_big(data, order):
        return data[:8] + struct.pack(order + "Q", directory.offset) + data[16:]
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", _TIFF, directory.offset)
    return head + data[8:]


def _layout(data: bytes) -> tuple[str, bool] | None:
    """The byte order, and True for BigTIFF; None for another format."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return None
    (magic,) = struct.unpack_from(order + "H", data, 2)
    if magic in _VARIANTS or data[:4] == b"MMOR":
        return order, False
    return (order, True) if _is_big(data, order) else None


def _is_big(data: bytes, order: str) -> bool:
    return data[2:8] == struct.pack(order + "HHH", _BIG_TIFF, 8, 0)


def _read(data: bytes, offset: int, order: str, big: bool) -> tuple[Directory, int] | None:
    """An IFD and the offset of the next one; None beyond the end of the file."""
    count_layout, width = (order + "Q", 20) if big else (order + "H", 12)
    start = offset + struct.calcsize(count_layout)
    if not offset >= 8 or start > len(data):
        return None
    count = min(struct.unpack_from(count_layout, data, offset)[0], _MAX_ENTRIES)
    end = start + count * width
    entries = dict(_entries(data[start:end], start, order, big, len(data)))
    pointer = order + ("Q" if big else "I")
    following = 0
    if end + struct.calcsize(pointer) <= len(data):
        (following,) = struct.unpack_from(pointer, data, end)
    return Directory(data, offset, order, entries), following


def _entries(
    block: bytes, start: int, order: str, big: bool, length: int
) -> Iterator[tuple[int, _Entry]]:
    layout, inside = (order + "HHQ", 8) if big else (order + "HHI", 4)
    ahead = struct.calcsize(layout)
    sizes = _BYTES | (_BYTES_OF_BIG if big else {})
    for at in range(0, len(block) - ahead - inside + 1, ahead + inside):
        tag, type, count = struct.unpack_from(layout, block, at)
        value = start + at + ahead
        if count * sizes.get(type, 1) > inside:
            pointer = order + ("Q" if big else "I")
            (value,) = struct.unpack_from(pointer, block, at + ahead)
        if value < length:
            yield tag, _Entry(type, count, value)
