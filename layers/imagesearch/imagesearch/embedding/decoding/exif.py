"""EXIF: orientation, capture time, camera, lens and coordinates; invalid values are ignored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from PIL import ExifTags, Image

_HEADER_BYTES = 4_096
# Of JPEG XL files, only recompressed JPEGs have an orientation. The last one is camera_raw.BITMAP.
_ORIENTED_BY_EXIF = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "JPEGXL", "RAW preview")
_XMP = ("xmp", "XML:com.adobe.xmp")
_MAX_CHARACTERS = 120
_BASE, _GPS = ExifTags.Base, ExifTags.GPS
_COMPANY_SUFFIXES = frozenset(
    {"corp", "corporation", "company", "co", "inc", "ltd", "co.,ltd", "imaging"}
)
_SIGNS = {"N": 1, "E": 1, "S": -1, "W": -1}


def orientation(image: Image.Image) -> int:
    """The orientation of a loaded image, 1 to 8 (Exif 3.0, tag 274); 1 for no change.

    Only EXIF counts. Pillow derives the EXIF orientation of AVIF files from `irot` and `imir`, and
    applies the orientation of TIFF and HEIF files when it loads them.
    """
    block = image.info.get("exif")
    if image.format not in _ORIENTED_BY_EXIF or not isinstance(block, bytes):
        return 1
    tags = Image.Exif()
    try:
        tags.load(block)
        value = tags.get(ExifTags.Base.Orientation, 1)
    except Exception:  # any exception of a parser; the pixels of the image are valid
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def remove_xmp(image: Image.Image) -> None:
    """Remove XMP, from which Pillow would read an orientation and browsers do not."""
    for name in _XMP:
        image.info.pop(name, None)


def taken_at(image: Image.Image) -> datetime | None:
    """DateTimeOriginal in UTC; without OffsetTimeOriginal, it is interpreted as UTC."""
    try:
        tags = image.getexif().get_ifd(ExifTags.IFD.Exif)
        taken = datetime.strptime(
            _text(tags[ExifTags.Base.DateTimeOriginal]), "%Y:%m:%d %H:%M:%S"
        ).replace(tzinfo=UTC)
        offset = _offset(tags.get(ExifTags.Base.OffsetTimeOriginal))
        return taken.replace(tzinfo=offset).astimezone(UTC) if offset else taken
    except Exception:  # as above; a missing tag is the usual case
        return None


def taken_offset(image: Image.Image) -> str | None:
    """OffsetTimeOriginal, the UTC offset of a valid DateTimeOriginal, as `+02:00`."""
    if taken_at(image) is None:
        return None
    try:
        tags = image.getexif().get_ifd(ExifTags.IFD.Exif)
        offset = _offset(tags.get(ExifTags.Base.OffsetTimeOriginal))
        minutes = round(offset.utcoffset(None).total_seconds() / 60)
    except Exception:  # as above; a missing tag is the usual case
        return None
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def without_exif(data: bytes) -> bytes | None:
    """An AVIF or HEIF file whose EXIF item is disabled; None if it has none.

    libavif rejects an image with a damaged EXIF block. With another item type (ISO/IEC 14496-12,
    `infe`), it ignores the block.
    """
    if data[4:8] != b"ftyp" or b"Exif" not in data[:_HEADER_BYTES]:
        return None
    return data[:_HEADER_BYTES].replace(b"Exif", b"skip") + data[_HEADER_BYTES:]


def camera_and_lens(image: Image.Image) -> dict[str, str]:
    """`camera` and `lens`, as far as EXIF has them."""
    try:
        tags = image.getexif()
        camera = _camera(_name(tags.get(_BASE.Make)), _name(tags.get(_BASE.Model)))
        lens = _name(tags.get_ifd(ExifTags.IFD.Exif).get(_BASE.LensModel))
    except Exception:  # any exception of a parser; the pixels of the image are valid
        return {}
    return {name: value for name, value in (("camera", camera), ("lens", lens)) if value}


def coordinates(image: Image.Image) -> tuple[float, float] | None:
    """Latitude and longitude in degrees, north and east positive (Exif 3.0, 4.6.7)."""
    try:
        tags = image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        latitude = _degrees(tags, _GPS.GPSLatitude, _GPS.GPSLatitudeRef, 90)
        longitude = _degrees(tags, _GPS.GPSLongitude, _GPS.GPSLongitudeRef, 180)
    except Exception:  # as above; a missing tag is the usual case
        return None
    return latitude, longitude


def _offset(value: Any) -> Any:
    try:
        return datetime.strptime(_text(value), "%z").tzinfo if value else None
    except ValueError:
        return None


def _text(value: Any) -> str:
    text = value.decode("ascii") if isinstance(value, bytes) else str(value)
    return text.strip("\0 ")


def _camera(make: str, model: str) -> str:
    """Maker and model; many models repeat the maker, and makers include a company suffix."""
    if not (make and model):
        return model or make
    maker = [word for word in make.split() if word.lower().strip(".,") not in _COMPANY_SUFFIXES]
    repeated = model.split()[0].lower() in (word.lower() for word in maker)
    return model if repeated or not maker else " ".join([*maker, model])


def _name(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:_MAX_CHARACTERS].rstrip()


def _degrees(tags: Mapping[int, Any], value: int, reference: int, maximum: int) -> float:
    """An angle in degrees; raises KeyError, TypeError or ValueError for invalid tags."""
    parts: Sequence[Any] = tags[value]
    degrees, minutes, seconds = (float(part) for part in parts)
    angle = degrees + minutes / 60 + seconds / 3600
    if not (math.isfinite(angle) and 0 <= angle <= maximum):
        raise ValueError("the angle is out of range")
    # Six digits are a resolution of 0.1 m.
    # The sum has no negative zero.
    return round(angle * _SIGNS[str(tags[reference]).strip("\0 ")], 6) + 0.0
