"""EXIF tags of a RAW file, and their transfer to the preview, which often has no EXIF."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from imagesearch.embedding.decoding.exif import remove_xmp
from imagesearch.embedding.decoding.raw.tiff_directories import (
    Directory,
    directories,
    sub_directory,
)

_BASE, _GPS, _IFD = ExifTags.Base, ExifTags.GPS, ExifTags.IFD
_TEXTS = (_BASE.Make, _BASE.Model)
_EXIF_TEXTS = (_BASE.DateTimeOriginal, _BASE.OffsetTimeOriginal, _BASE.LensModel)
_COORDINATES = (_GPS.GPSLatitude, _GPS.GPSLongitude)
_REFERENCES = (_GPS.GPSLatitudeRef, _GPS.GPSLongitudeRef)
# CR3 files have a box for each EXIF directory, MRW files have a block with EXIF.
_CR3_BOXES = (b"CMT1", b"CMT2", b"CMT4")
_SCANNED_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class RawExif:
    """EXIF tags and their values: of the first directory, the EXIF IFD and the GPS IFD."""

    base: Mapping[int, Any] = field(default_factory=dict)
    exif: Mapping[int, Any] = field(default_factory=dict)
    gps: Mapping[int, Any] = field(default_factory=dict)

    @property
    def orientation(self) -> int | None:
        value = self.base.get(_BASE.Orientation)
        return value if isinstance(value, int) and 1 <= value <= 8 else None

    def with_orientation(self, orientation: int) -> RawExif:
        """These tags with another orientation."""
        return replace(self, base={**self.base, _BASE.Orientation: orientation})

    def updated(self, other: RawExif) -> RawExif:
        """These tags, overridden by those of `other`."""
        return RawExif(
            {**self.base, **other.base}, {**self.exif, **other.exif}, other.gps or self.gps
        )


def exif_of_file(data: bytes, found: Sequence[Directory]) -> RawExif:
    """The EXIF tags of the RAW file itself."""
    if found:
        first = found[0]
        return _raw_exif(first, sub_directory(first, _IFD.Exif), sub_directory(first, _IFD.GPSInfo))
    if data[4:12] == b"ftypcrx ":
        return _raw_exif(*(_first(_cr3_box(data, name)) for name in _CR3_BOXES))
    if data.startswith(b"\0MRM") and (block := _mrw_block(data)):
        return exif_of_file(b"", directories(block))
    return RawExif()


def exif_of_image(image: Image.Image) -> RawExif:
    """The EXIF tags of an opened image; none if its EXIF is damaged."""
    try:
        tags = Image.Exif()
        tags.load(image.info.get("exif", b""))
        exif, gps = tags.get_ifd(_IFD.Exif), tags.get_ifd(_IFD.GPSInfo)
        return RawExif(
            {tag: tags[tag] for tag in (*_TEXTS, _BASE.Orientation) if tag in tags},
            {tag: exif[tag] for tag in _EXIF_TEXTS if tag in exif},
            {tag: gps[tag] for tag in (*_COORDINATES, *_REFERENCES) if tag in gps},
        )
    except Exception:  # any exception of the parser; the pixels are valid
        return RawExif()


def write(exif_tags: RawExif, image: Image.Image) -> None:
    """Replace the EXIF of an image that is opened and not yet loaded."""
    tags = Image.Exif()
    for tag, value in exif_tags.base.items():
        tags[tag] = value
    for directory, values in ((_IFD.Exif, exif_tags.exif), (_IFD.GPSInfo, exif_tags.gps)):
        if values:
            tags[directory] = dict(values)
    content = tags.tobytes()
    # XMP describes the image of the RAW file, not necessarily the preview.
    remove_xmp(image)
    image.info["exif"] = content
    # Pillow may have cached the EXIF when it opened the image.
    image.getexif().load(content)


def _raw_exif(first: Directory | None, exif: Directory | None, gps: Directory | None) -> RawExif:
    base: dict[int, Any] = _texts(first, _TEXTS)
    if first and (orientation := first.number(_BASE.Orientation)):
        base[_BASE.Orientation] = orientation
    angles: dict[int, Any] = {tag: value for tag in _COORDINATES if (value := _rationals(gps, tag))}
    return RawExif(base, _texts(exif, _EXIF_TEXTS), {**_texts(gps, _REFERENCES), **angles})


def _texts(directory: Directory | None, tags: Sequence[int]) -> dict[int, Any]:
    if directory is None:
        return {}
    return {tag: text for tag in tags if (text := directory.text(tag))}


def _rationals(directory: Directory | None, tag: int) -> tuple[IFDRational, ...]:
    parts = directory.rationals(tag) if directory else ()
    return tuple(IFDRational(one, other) for one, other in parts)


def _first(block: bytes) -> Directory | None:
    return next(iter(directories(block)), None)


def _cr3_box(data: bytes, name: bytes) -> bytes:
    at = data.find(name, 0, _SCANNED_BYTES)
    if at < 4:
        return b""
    (length,) = struct.unpack_from(">I", data, at - 4)
    return data[at + 4 : at - 4 + length]


def _mrw_block(data: bytes) -> bytes:
    at = data.find(b"\0TTW", 0, _SCANNED_BYTES)
    if at < 0 or at + 8 > len(data):
        return b""
    (length,) = struct.unpack_from(">I", data, at + 4)
    return data[at + 8 : at + 8 + length]
