"""Image details: hash, miniature, contrast map, EXIF and thumbnail of a decoded image."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Literal, TypeVar

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
# The mean error of a color is 3 of 255 levels. WebP files of this size have an error of 2, and take
# ten times as long. On a dense screen, artifacts are half the size.
_QUALITY, _LARGE_QUALITY = 90, 75
_WEBP_QUALITY = 90
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
    large = _extracted(lambda: _large(image, size, orientation), None)
    small = _extracted(lambda: _small(image, size, orientation, large), None)
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
        thumbnail=(_extracted(lambda: _jpeg(small, _QUALITY), b"") if small else b"")
        if options.thumbnail
        else None,
        large_thumbnail=_extracted(lambda: _jpeg(large, _LARGE_QUALITY), None)
        if options.thumbnail and large
        else None,
    )


def _large(image: Image.Image, size: Size, orientation: int) -> Image.Image | None:
    """The large thumbnail, up to the size of the draft; None if it would hardly be larger."""
    longest_side = min(_LARGE_SIDE, *map(max, (image.size, size)))
    if longest_side < _MIN_LARGE_SIDE:
        return None
    return scaled(image, size, orientation, longest_side, "hamming")


def _small(
    image: Image.Image, size: Size, orientation: int, large: Image.Image | None
) -> Image.Image:
    """The thumbnail, made from the large one if there is one, which has a quarter of the pixels.

    Also without thumbnails, so that hashes do not depend on the options.
    """
    if large is None:
        return scaled(image, size, orientation)
    small_size = thumbnail_size(oriented_size(size, orientation))
    return resample(large, (0, 0, *large.size), small_size, "bicubic")


def scaled(
    image: Image.Image,
    size: Size,
    orientation: int,
    longest_side: int = LONGEST_SIDE,
    filter: Literal["bicubic", "hamming"] = "bicubic",
) -> Image.Image:
    """The upright image, not larger than `longest_side`; `size` is that of the stored image."""
    upright_size = thumbnail_size(oriented_size(size, orientation), longest_side)
    small_size = oriented_size(upright_size, orientation)
    whole = (0, 0, image.width, image.height)
    return oriented(resample(image, whole, small_size, filter, _REDUCING_GAP), orientation)


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


def _jpeg(small: Image.Image, quality: int) -> bytes:
    """The image as a JPEG file without metadata."""
    file = io.BytesIO()
    small.save(file, "JPEG", quality=quality, exif=b"", icc_profile=b"", comment=b"")
    return file.getvalue()


def webp(image: Image.Image) -> bytes:
    """The image as a WebP file without metadata."""
    file = io.BytesIO()
    options = {"quality": _WEBP_QUALITY, "method": _METHOD}
    image.save(file, "WEBP", **options, exif=b"", icc_profile=b"", xmp=b"")
    return file.getvalue()


def miniature(upright: Image.Image) -> str:
    """The miniature of an upright image, without its border.

    Format: `imagesearch.duplicates.miniatures`.
    """
    inside = without_border(upright.convert("L"))
    grays = inside.resize((SIDE, SIDE), Image.Resampling.BOX)
    return to_text(np.asarray(grays, np.float32), inside.width / inside.height)
