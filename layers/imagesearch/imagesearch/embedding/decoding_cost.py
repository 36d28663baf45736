"""What decoding a picture takes, reckoned from its header: bombs are refused before they go off."""

from __future__ import annotations

from PIL import Image

from imagesearch.embedding.picture import MEGABYTE, DecodingLimits
from imagesearch.embedding.preprocessing import Size
from imagesearch.errors import UnreadableImage

# Pillow keeps a pixel in 4 bytes, with these exceptions (its Storage.c).
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
# What the format's own library holds beside that, in bytes per pixel, at most.
_BESIDE = {"WEBP": 12, "AVIF": 6, "HEIF": 5, "TIFF": 4, "GIF": 1}


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


def expected_memory(image: Image.Image, file_bytes: int, limits: DecodingLimits) -> int:
    """Bytes that loading an opened (and drafted) picture takes; raises UnreadableImage."""
    pixels = image.width * image.height
    per_pixel = _STORED.get(image.mode, 4) + _BESIDE.get(image.format or "", 0)
    needed = pixels * per_pixel + file_bytes
    if needed > limits.memory_bytes:
        raise UnreadableImage(
            f"the picture ({image.width} x {image.height}, {image.format}) needs "
            f"{needed // MEGABYTE:,} MB when decoded, over the limit of "
            f"{limits.memory_bytes // MEGABYTE:,} MB",
            "send a smaller version of it",
            code="image_too_large",
        )
    return needed
