"""A small copy of a picture for people to look at."""

from __future__ import annotations

import io

from PIL import Image

from imagesearch.embedding.decoding.preprocessing import Size

LONGEST_SIDE = 320
# Colors are then within 2 of 255 of the picture's on average; at 75 they are within 3.
_QUALITY = 90
# The fastest of 0 to 6: the others make files a tenth smaller and take several times as long.
_METHOD = 0


def thumbnail_size(size: Size) -> Size:
    """Width and height of the small copy; what is small already stays so."""
    scale = min(1.0, LONGEST_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def webp(small: Image.Image) -> bytes:
    """The file, with nothing in it but pixels."""
    file = io.BytesIO()
    small.save(file, "WEBP", quality=_QUALITY, method=_METHOD, exif=b"", icc_profile=b"", xmp=b"")
    return file.getvalue()
