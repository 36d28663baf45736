"""Which camera and lens took a picture, and where, as its EXIF says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import ExifTags, Image

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
