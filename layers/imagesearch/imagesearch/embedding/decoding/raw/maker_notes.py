"""What a RAW file says of how its picture was taken, and handing it to the picture that is shown.

Of the preview alone the rest would be left out: most have no EXIF of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from imagesearch.embedding.decoding.raw.tiff_directories import (
    Directory,
    directories,
    sub_directory,
)

_BASE, _GPS, _IFD = ExifTags.Base, ExifTags.GPS, ExifTags.IFD
_TEXTS = (_BASE.Make, _BASE.Model)
_EXIF_TEXTS = (_BASE.DateTimeOriginal, _BASE.OffsetTimeOriginal, _BASE.LensModel)
_PLACES = (_GPS.GPSLatitude, _GPS.GPSLongitude)
_SIDES = (_GPS.GPSLatitudeRef, _GPS.GPSLongitudeRef)
# CR3 has its EXIF in boxes, one for each directory; MRW has it in a block.
_CR3_BOXES = (b"CMT1", b"CMT2", b"CMT4")
_LOOK_AT = 2**20


@dataclass(frozen=True, slots=True)
class Notes:
    """Tags of EXIF and their values: of the first directory, of EXIF's own, and of the place."""

    base: Mapping[int, Any] = field(default_factory=dict)
    exif: Mapping[int, Any] = field(default_factory=dict)
    place: Mapping[int, Any] = field(default_factory=dict)

    @property
    def orientation(self) -> int | None:
        value = self.base.get(_BASE.Orientation)
        return value if isinstance(value, int) and 1 <= value <= 8 else None

    def turned(self, orientation: int) -> Notes:
        """The same of a picture that is to be turned so."""
        return replace(self, base={**self.base, _BASE.Orientation: orientation})

    def and_over_them(self, other: Notes) -> Notes:
        """These, and what the other ones know better."""
        return Notes(
            {**self.base, **other.base}, {**self.exif, **other.exif}, other.place or self.place
        )


def of_container(data: bytes, found: Sequence[Directory]) -> Notes:
    """What the RAW file itself says, beside its pictures."""
    if found:
        first = found[0]
        return _notes(first, sub_directory(first, _IFD.Exif), sub_directory(first, _IFD.GPSInfo))
    if data[4:12] == b"ftypcrx ":
        return _notes(*(_first(_cr3_box(data, name)) for name in _CR3_BOXES))
    if data.startswith(b"\0MRM") and (block := _mrw_block(data)):
        return of_container(b"", directories(block))
    return Notes()


def of_image(image: Image.Image) -> Notes:
    """What an opened picture's own EXIF says; a damaged block says nothing."""
    try:
        tags = Image.Exif()
        tags.load(image.info.get("exif", b""))
        exif, place = tags.get_ifd(_IFD.Exif), tags.get_ifd(_IFD.GPSInfo)
        return Notes(
            {tag: tags[tag] for tag in (*_TEXTS, _BASE.Orientation) if tag in tags},
            {tag: exif[tag] for tag in _EXIF_TEXTS if tag in exif},
            {tag: place[tag] for tag in (*_PLACES, *_SIDES) if tag in place},
        )
    except Exception:  # whatever a damaged block makes of the parser, the pixels are still good
        return Notes()


def write(notes: Notes, image: Image.Image) -> None:
    """Make them the EXIF of a picture that is opened and not yet loaded, in place of its own."""
    tags = Image.Exif()
    for tag, value in notes.base.items():
        tags[tag] = value
    for directory, values in ((_IFD.Exif, notes.exif), (_IFD.GPSInfo, notes.place)):
        if values:
            tags[directory] = dict(values)
    content = tags.tobytes()
    # XMP speaks of the RAW file's picture, and of the preview only perhaps.
    for name in ("xmp", "XML:com.adobe.xmp"):
        image.info.pop(name, None)
    image.info["exif"] = content
    # Some were looked into when the picture was opened.
    image.getexif().load(content)


def _notes(first: Directory | None, exif: Directory | None, place: Directory | None) -> Notes:
    base: dict[int, Any] = _texts(first, _TEXTS)
    if first and (orientation := first.number(_BASE.Orientation)):
        base[_BASE.Orientation] = orientation
    angles: dict[int, Any] = {tag: value for tag in _PLACES if (value := _rationals(place, tag))}
    return Notes(base, _texts(exif, _EXIF_TEXTS), {**_texts(place, _SIDES), **angles})


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
    at = data.find(name, 0, _LOOK_AT)
    if at < 4:
        return b""
    (length,) = struct.unpack_from(">I", data, at - 4)
    return data[at + 4 : at - 4 + length]


def _mrw_block(data: bytes) -> bytes:
    at = data.find(b"\0TTW", 0, _LOOK_AT)
    if at < 0 or at + 8 > len(data):
        return b""
    (length,) = struct.unpack_from(">I", data, at + 4)
    return data[at + 8 : at + 8 + length]
