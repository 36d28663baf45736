"""What a camera wrote beside the pixels; what it wrote wrongly is as if it had not been written.

Which camera and lens took a picture, and where, as its EXIF says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from PIL import ExifTags, Image

_ITEMS = 4_096
# Of JPEG XL only what was packed from a JPEG has an orientation. The last is camera_raw.BITMAP.
_TURNED_BY_EXIF = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "JPEGXL", "RAW preview")
_XMP = ("xmp", "XML:com.adobe.xmp")


def orientation(image: Image.Image) -> int:
    """How the loaded picture is to be turned, 1 to 8 (Exif 3.0, tag 274); 1 is not at all.

    Only EXIF is asked; what Pillow says of an AVIF's EXIF is its `irot` and `imir`. TIFF and HEIF
    pictures were turned when they were loaded.
    """
    block = image.info.get("exif")
    if image.format not in _TURNED_BY_EXIF or not isinstance(block, bytes):
        return 1
    tags = Image.Exif()
    try:
        tags.load(block)
        value = tags.get(ExifTags.Base.Orientation, 1)
    except Exception:  # whatever a damaged block makes of the parser, the pixels are still good
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def forget_xmp(image: Image.Image) -> None:
    """Pillow would take an orientation from XMP where EXIF has none; browsers do not."""
    for name in _XMP:
        image.info.pop(name, None)


def taken_at(image: Image.Image) -> datetime | None:
    """DateTimeOriginal in UTC; without OffsetTimeOriginal the camera's clock is taken as UTC."""
    try:
        tags = image.getexif().get_ifd(ExifTags.IFD.Exif)
        taken = datetime.strptime(
            _text(tags[ExifTags.Base.DateTimeOriginal]), "%Y:%m:%d %H:%M:%S"
        ).replace(tzinfo=UTC)
        offset = _offset(tags.get(ExifTags.Base.OffsetTimeOriginal))
        return taken.replace(tzinfo=offset).astimezone(UTC) if offset else taken
    except Exception:  # as above; a missing tag is the ordinary case
        return None


def hidden(data: bytes) -> bytes | None:
    """An AVIF or HEIF file with its EXIF out of sight, None where there is nothing to hide.

    libavif rejects a whole picture for a damaged EXIF block: without the item's type (ISO/IEC
    14496-12, `infe`) it does not know that there is one.
    """
    if data[4:8] != b"ftyp" or b"Exif" not in data[:_ITEMS]:
        return None
    return data[:_ITEMS].replace(b"Exif", b"skip") + data[_ITEMS:]


def _offset(value: Any) -> Any:
    try:
        return datetime.strptime(_text(value), "%z").tzinfo if value else None
    except ValueError:
        return None


def _text(value: Any) -> str:
    text = value.decode("ascii") if isinstance(value, bytes) else str(value)
    return text.strip("\0 ")


MOST_CHARACTERS = 120
_BASE, _GPS = ExifTags.Base, ExifTags.GPS
_COMPANY = frozenset({"corp", "corporation", "company", "co", "inc", "ltd", "co.,ltd", "imaging"})
_SIGNS = {"N": 1, "E": 1, "S": -1, "W": -1}


def camera_and_lens(image: Image.Image) -> dict[str, str]:
    """`camera` and `lens`, where they are told; a damaged block tells nothing."""
    try:
        tags = image.getexif()
        camera = _camera(_name(tags.get(_BASE.Make)), _name(tags.get(_BASE.Model)))
        lens = _name(tags.get_ifd(ExifTags.IFD.Exif).get(_BASE.LensModel))
    except Exception:  # whatever a damaged block makes of the parser, the pixels are still good
        return {}
    return {name: value for name, value in (("camera", camera), ("lens", lens)) if value}


def place_taken(image: Image.Image) -> tuple[float, float] | None:
    """Latitude and longitude in degrees, north and east positive (Exif 3.0, 4.6.7)."""
    try:
        tags = image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        latitude = _degrees(tags, _GPS.GPSLatitude, _GPS.GPSLatitudeRef, 90)
        longitude = _degrees(tags, _GPS.GPSLongitude, _GPS.GPSLongitudeRef, 180)
    except Exception:  # as above; a missing tag is the ordinary case
        return None
    return latitude, longitude


def _camera(make: str, model: str) -> str:
    """Many models repeat their maker's name, which tells what kind of company it is, too."""
    if not (make and model):
        return model or make
    maker = [word for word in make.split() if word.lower().strip(".,") not in _COMPANY]
    repeated = model.split()[0].lower() in (word.lower() for word in maker)
    return model if repeated or not maker else " ".join([*maker, model])


def _name(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:MOST_CHARACTERS].rstrip()


def _degrees(tags: Mapping[int, Any], value: int, side: int, most: int) -> float:
    """Raises KeyError, ValueError and the like for what is no angle."""
    parts: Sequence[Any] = tags[value]
    degrees, minutes, seconds = (float(part) for part in parts)
    angle = degrees + minutes / 60 + seconds / 3600
    if not (math.isfinite(angle) and 0 <= angle <= most):
        raise ValueError("no angle on the globe")
    # Six digits are a tenth of a metre.
    return round(angle * _SIGNS[str(tags[side]).strip("\0 ")], 6)
