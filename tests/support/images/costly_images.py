"""Small files that take long or much memory to decode."""

import io
import re

from PIL import Image

_SCAN = re.compile(rb"\xff\xda")
_END = b"\xff\xd9"


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)  # type: ignore[arg-type]
    return file.getvalue()


def many_scans(scans: int, side: int = 64, mode: str = "L") -> bytes:
    """A progressive JPEG whose last scan is repeated until it has this many scans."""
    file = saved(Image.new(mode, (side, side)), "JPEG", progressive=True)
    starts = [found.start() for found in _SCAN.finditer(file)]
    last = file[starts[-1] : -len(_END)]
    return file[: -len(_END)] + last * (scans - len(starts)) + _END


def large_webp(side: int = 8_000) -> bytes:
    """A lossless WebP of one color: 34 bytes for 64 megapixels."""
    return saved(Image.new("RGB", (side, side)), "WEBP", lossless=True, method=0, quality=0)
