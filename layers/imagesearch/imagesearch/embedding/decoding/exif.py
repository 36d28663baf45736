"""What a camera wrote beside the pixels; what it wrote wrongly is as if it had not been written."""

from __future__ import annotations

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
