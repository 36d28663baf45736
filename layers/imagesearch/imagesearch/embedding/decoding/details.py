"""Image details: hash, miniature, contrast map, EXIF and thumbnail of a decoded image."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from PIL import Image

from imagesearch.domain.images import DetailOptions, Details
from imagesearch.duplicates.contrast_maps import UNSURE
from imagesearch.duplicates.miniatures import SIDE, to_text
from imagesearch.embedding.decoding.document_pages import (
    MIN_LOGIT,
    MIN_SURE_LOGIT,
    contrast_map,
    page_logit,
)
from imagesearch.embedding.decoding.exif import camera_and_lens, coordinates
from imagesearch.embedding.decoding.perceptual_hash import perceptual_hash
from imagesearch.embedding.decoding.preprocessing import Size
from imagesearch.embedding.decoding.transforms import (
    oriented,
    oriented_size,
    resample,
    without_border,
)

LONGEST_SIDE = 320
_LARGE_SIDE, _MIN_LARGE_SIDE = 640, 400
# On a dense screen, artifacts are half the size.
_LARGE_QUALITY = 75
# The mean error of a color is 2 of 255 levels; with a quality of 75 it is 3.
_QUALITY = 90
# The fastest of 0 to 6; the others make files 10% smaller and take several times as long.
_METHOD = 0
# Reduction before resampling: lower than for the model's input, without a visible difference.
_REDUCING_GAP = 1.5

Detail = TypeVar("Detail")


def extract_details(
    image: Image.Image, size: Size, orientation: int, options: DetailOptions
) -> Details:
    """The details of a loaded image with the stored `size`, of which it may be a draft.

    An error in one detail does not affect the others or the embedding.
    """
    small = _extracted(lambda: scaled(image, size, orientation), None)
    latitude, longitude = (options.gps and _extracted(lambda: coordinates(image), None)) or (
        None,
        None,
    )
    return Details(
        phash=_extracted(lambda: perceptual_hash(small), "") if small else "",
        miniature=_extracted(lambda: miniature(small), "") if small else "",
        contrasts=_extracted(lambda: _contrasts(small), "") if small else "",
        exif=_extracted(lambda: camera_and_lens(image), {}),
        latitude=latitude,
        longitude=longitude,
        thumbnail=(_extracted(lambda: webp(small), b"") if small else b"")
        if options.thumbnail
        else None,
        large_thumbnail=_extracted(lambda: _large_thumbnail(image, size, orientation), None)
        if options.thumbnail
        else None,
    )


def _large_thumbnail(image: Image.Image, size: Size, orientation: int) -> bytes | None:
    """The large thumbnail, up to the size of the draft; None if it would hardly be larger."""
    longest_side = min(_LARGE_SIDE, *map(max, (image.size, size)))
    if longest_side < _MIN_LARGE_SIDE:
        return None
    return webp(scaled(image, size, orientation, longest_side), _LARGE_QUALITY)


def scaled(
    image: Image.Image, size: Size, orientation: int, longest_side: int = LONGEST_SIDE
) -> Image.Image:
    """The upright image, not larger than `longest_side`; `size` is that of the stored image."""
    upright_size = thumbnail_size(oriented_size(size, orientation), longest_side)
    small_size = oriented_size(upright_size, orientation)
    whole = (0, 0, image.width, image.height)
    return oriented(resample(image, whole, small_size, "bicubic", _REDUCING_GAP), orientation)


def _contrasts(small: Image.Image) -> str:
    logit = page_logit(small)
    if logit <= MIN_LOGIT:
        return ""
    return ("" if logit > MIN_SURE_LOGIT else UNSURE) + contrast_map(small)


def _extracted(make: Callable[[], Detail], otherwise: Detail) -> Detail:
    try:
        return make()
    except Exception:  # any exception of a parser; the image is usable without the detail
        return otherwise


def thumbnail_size(size: Size, longest_side: int = LONGEST_SIDE) -> Size:
    """Width and height of the thumbnail; small images are not enlarged."""
    scale = min(1.0, longest_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def webp(small: Image.Image, quality: int = _QUALITY) -> bytes:
    """The image as a WebP file without metadata."""
    file = io.BytesIO()
    small.save(file, "WEBP", quality=quality, method=_METHOD, exif=b"", icc_profile=b"", xmp=b"")
    return file.getvalue()


def miniature(upright: Image.Image) -> str:
    """The miniature of an upright image, without its border.

    Format: `imagesearch.duplicates.miniatures`.
    """
    inside = without_border(upright.convert("L"))
    grays = inside.resize((SIDE, SIDE), Image.Resampling.BOX)
    return to_text(np.asarray(grays, np.float32), inside.width / inside.height)
