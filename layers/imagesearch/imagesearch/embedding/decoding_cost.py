"""What decoding a picture takes, reckoned from its header: bombs are refused before they go off."""

from __future__ import annotations

from math import ceil

from PIL import Image
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH

from imagesearch.domain.errors import UnreadableImage
from imagesearch.embedding.decoding.preprocessing import Size
from imagesearch.embedding.jpeg_scans import has_several_scans
from imagesearch.embedding.picture import MEGABYTE, DecodingLimits

# Pillow keeps a pixel in 4 bytes, with these exceptions (its Storage.c).
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
# What the format's own library holds beside that: measured, bytes per pixel at the peak.
_BESIDE = {"WEBP": 12, "AVIF": 6, "HEIF": 4, "TIFF": 4, "GIF": 1, "RAW": 22, "JPEGXL": 12}
_BESIDE_FOR_ALPHA = {"AVIF": 2, "HEIF": 3}


def check_size(size: Size, limits: DecodingLimits) -> None:
    """Raises UnreadableImage where there are too many pixels, or none."""
    width, height = size
    if width * height > limits.pixels:
        raise UnreadableImage(
            f"the picture has {width} x {height} pixels, "
            f"over the limit of {limits.pixels / 1e6:g} megapixels",
            "send a smaller version of it",
            code="image_too_large",
        )
    if min(size) < 1:
        raise UnreadableImage(f"the picture has {width} x {height} pixels", code="damaged_image")


def may_hold(size: Size, image: Image.Image, data: bytes) -> bool:
    """Whether a JPEG's file is large enough for half of the pixels that it declares.

    A block of 8 x 8 samples takes a bit at least. Bombs are far below.
    """
    if image.format not in ("JPEG", "MPO"):
        return False
    return len(data) * 8 >= _samples(image) * size[0] * size[1] / 64 / 2


def expected_memory(image: Image.Image, header: Size, data: bytes, limits: DecodingLimits) -> int:
    """Bytes that loading an opened picture takes, `header` its size before it was drafted.

    Raises UnreadableImage where that is over the limit.
    """
    needed = image.width * image.height * _bytes_per_pixel(image) + len(data)
    needed += _tile(image)
    if has_several_scans(image, data):
        needed += _coefficients(image, header)
    if needed > limits.memory_bytes:
        raise UnreadableImage(
            f"the picture ({image.width} x {image.height}, {image.format}) needs "
            f"{ceil(needed / MEGABYTE):,} MB when decoded, over the limit of "
            f"{limits.memory_bytes // MEGABYTE:,} MB",
            "send a smaller version of it",
            code="image_too_large",
        )
    return needed


def _bytes_per_pixel(image: Image.Image) -> int:
    name = image.format or ""
    alpha = _BESIDE_FOR_ALPHA.get(name, 0) if image.mode.endswith("A") else 0
    return _STORED.get(image.mode, 4) + _BESIDE.get(name, 0) + alpha


def _tile(image: Image.Image) -> int:
    """A TIFF's tile may be larger than its picture, and is decoded whole."""
    tags = getattr(image, "tag_v2", {})
    return 4 * int(tags.get(TILEWIDTH, 0)) * int(tags.get(TILELENGTH, 0))


def _coefficients(image: Image.Image, header: Size) -> int:
    """A JPEG in several scans is held whole, two bytes a coefficient, however small its draft."""
    return int(2 * _samples(image) * header[0] * header[1])


def _samples(image: Image.Image) -> float:
    """How many samples a pixel of a JPEG has: 1 for gray, 1.5 where chroma is halved twice."""
    sampling = [(across, down) for _, across, down, _ in getattr(image, "layer", [])]
    most = max((across for across, _ in sampling), default=0) * max(
        (down for _, down in sampling), default=0
    )
    return sum(across * down for across, down in sampling) / most if most else 0
