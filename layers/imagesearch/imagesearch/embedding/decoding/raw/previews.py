"""Previews in RAW files: embedded JPEG and TIFF images, found without LibRaw."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imagesearch.embedding.decoding.preprocessing import Size
from imagesearch.embedding.decoding.raw.tiff_directories import Directory, Tag, with_first_directory

# Photometric interpretations of sensor data: CFA (TIFF/EP) and LinearRaw (DNG).
SENSOR = frozenset({32_803, 34_892})
_PHOTOMETRIC = frozenset({0, 1, 2, 6})
_JPEG = frozenset({6, 7})
# Uncompressed, LZW, JPEG, Deflate by two numbers, PackBits.
_COMPRESSIONS_OF_PILLOW = frozenset({1, 5, 7, 8, 32_773, 32_946})
_FUJI = b"FUJIFILMCCD-RAW "
_FUJI_JPEG = 84
_START, _END = b"\xff\xd8\xff", b"\xff\xd9"
_MAX_STARTS = 4_096
_MAX_SEGMENTS = 256
_MAX_PREVIEWS = 64
# Baseline, extended and progressive DCT; lossless JPEG (SOF3) is used for sensor data.
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_OTHER_FRAMES = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})


@dataclass(frozen=True, slots=True)
class Preview:
    """An image of the stored `size`: the bytes from `start` to `end`, or that of a directory."""

    size: Size
    start: int = 0
    end: int = 0
    directory: Directory | None = None

    def content(self, data: bytes) -> bytes:
        """The preview as a JPEG or TIFF file."""
        if self.directory:
            return with_first_directory(data, self.directory)
        return data[self.start : self.end]


def jpeg(data: bytes, start: int = 0, end: int | None = None) -> Preview | None:
    """The JPEG between these offsets, if it is complete and no sensor data."""
    end = len(data) if end is None else end
    if not 0 <= start < end <= len(data):
        return None
    header = _header(data, start)
    if header is None:
        return None
    size, scan = header
    # After the header of a JPEG, these two bytes occur at its end only.
    return Preview(size, start, end) if data.find(_END, scan, end) > 0 else None


def declared_previews(data: bytes, directories: Sequence[Directory]) -> list[Preview]:
    """The images that the tables of the file declare."""
    found = [jpeg(data, start, end) for start, end in _declared_jpegs(data, directories)]
    found += [_in_directory(data, each) for each in directories]
    return [each for each in found if each]


def undeclared_previews(data: bytes, directories: Sequence[Directory]) -> list[Preview]:
    """JPEGs anywhere in the file, except strips and tiles of an image."""
    parts = _Intervals(part for each in directories if _is_in_parts(each) for part in _extent(each))
    found: list[Preview] = []
    at = 0
    for _ in range(_MAX_STARTS):
        at = data.find(_START, at)
        if at < 0 or len(found) >= _MAX_PREVIEWS:
            break
        end = parts.end_around(at)
        if end is None and (preview := jpeg(data, at)):
            found.append(preview)
        at = end or at + 1
    return found


class _Intervals:
    """Merged ranges of offsets."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(ranges):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(end, self._ends[-1])
            else:
                self._starts.append(start)
                self._ends.append(end)

    def end_around(self, at: int) -> int | None:
        """The end of the range that contains an offset; None if there is none."""
        last = bisect_right(self._starts, at) - 1
        return self._ends[last] if last >= 0 and at < self._ends[last] else None


def _declared_jpegs(data: bytes, directories: Sequence[Directory]) -> Iterator[tuple[int, int]]:
    if data.startswith(_FUJI) and len(data) > _FUJI_JPEG + 8:
        offset, length = struct.unpack_from(">II", data, _FUJI_JPEG)
        yield offset, offset + length
    for each in directories:
        yield each.content(Tag.JPG_FROM_RAW)
        start = each.number(Tag.JPEG_OFFSET)
        yield start, start + each.number(Tag.JPEG_BYTES)
        offsets, lengths = each.numbers(Tag.STRIP_OFFSETS), each.numbers(Tag.STRIP_BYTES)
        if len(offsets) == len(lengths) == 1 and not is_sensor(each):
            yield offsets[0], offsets[0] + lengths[0]


def is_sensor(directory: Directory) -> bool:
    """True for a directory of sensor data."""
    return directory.number(Tag.PHOTOMETRIC, -1) in SENSOR or Tag.CFA_PATTERN in directory


def _in_directory(data: bytes, directory: Directory) -> Preview | None:
    """An image that requires a TIFF decoder: uncompressed pixels, or JPEG in several strips."""
    size = directory.number(Tag.WIDTH), directory.number(Tag.HEIGHT)
    compression = directory.number(Tag.COMPRESSION, 1)
    if (
        is_sensor(directory)
        or directory.number(Tag.PHOTOMETRIC, -1) not in _PHOTOMETRIC
        or not all(size)
    ):
        return None
    if compression not in _COMPRESSIONS_OF_PILLOW or not _extent(directory):
        return None
    if any(end > len(data) for _, end in _extent(directory)):
        return None
    if compression in _JPEG and not _is_in_parts(directory):
        return None
    return Preview(size, directory=directory)


def _is_in_parts(directory: Directory) -> bool:
    return is_sensor(directory) or len(_extent(directory)) > 1


def _extent(directory: Directory) -> list[tuple[int, int]]:
    """The offsets of the starts and ends of strips and tiles."""
    return [
        (start, start + length)
        for offsets, lengths in (
            (Tag.STRIP_OFFSETS, Tag.STRIP_BYTES),
            (Tag.TILE_OFFSETS, Tag.TILE_BYTES),
        )
        for start, length in zip(
            directory.numbers(offsets), directory.numbers(lengths), strict=False
        )
    ]


def _header(data: bytes, start: int) -> tuple[Size, int] | None:
    """The size of a JPEG with 8 bits per sample, and the offset of its first scan (T.81, B.2)."""
    if data[start : start + 3] != _START:
        return None
    at, size = start + 2, None
    for _ in range(_MAX_SEGMENTS):
        if data[at : at + 1] != b"\xff" or at + 4 > len(data):
            return None
        kind = data[at + 1]
        if kind in _WITHOUT_LENGTH or kind == 0xFF:
            at += 1 if kind == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if kind == _SCAN:
            return (size, at) if size else None
        if length < 2 or kind in _OTHER_FRAMES:
            return None
        if kind in _FRAMES:
            if at + 9 > len(data):
                return None
            depth, height, width = struct.unpack_from(">BHH", data, at + 4)
            if depth != 8 or not (width and height):
                return None
            size = width, height
        at += 2 + length
    return None
