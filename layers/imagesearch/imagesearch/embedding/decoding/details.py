"""What indexing wants to know of a decoded picture beside its tensor.

A picture's miniature, by which copies that were cut or framed are told from other pictures.

A small copy of a picture for people to look at.
"""

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
    LEAST,
    LEAST_SURE,
    contrast_map,
    page_logit,
)
from imagesearch.embedding.decoding.exif import camera_and_lens, place_taken
from imagesearch.embedding.decoding.perceptual_hash import perceptual_hash
from imagesearch.embedding.decoding.preprocessing import Size
from imagesearch.embedding.decoding.transforms import (
    inside_frame,
    oriented,
    oriented_size,
    resample,
)


def miniature(upright: Image.Image) -> str:
    """What `imagesearch.duplicates.miniatures` makes of an upright picture inside its frame, if it
    has one."""
    inside = inside_frame(upright.convert("L"))
    grays = inside.resize((SIDE, SIDE), Image.Resampling.BOX)
    return to_text(np.asarray(grays, np.float32), inside.width / inside.height)


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


# People look at these, a model does not: half the work shows no difference to them.
_GAP = 1.5

Detail = TypeVar("Detail")


def extract_details(
    image: Image.Image, size: Size, orientation: int, wanted: DetailOptions
) -> Details:
    """The details of a loaded picture of the stored `size`, of which it may be a draft.

    A detail that cannot be made costs itself alone: the picture can be embedded all the same.
    """
    small = _made(lambda: _small(image, size, orientation), None)
    latitude, longitude = (wanted.gps and _made(lambda: place_taken(image), None)) or (None, None)
    return Details(
        phash=_made(lambda: perceptual_hash(small), "") if small else "",
        miniature=_made(lambda: miniature(small), "") if small else "",
        contrasts=_made(lambda: _contrasts(small), "") if small else "",
        exif=_made(lambda: camera_and_lens(image), {}),
        latitude=latitude,
        longitude=longitude,
        thumbnail=(_made(lambda: webp(small), b"") if small else b"") if wanted.thumbnail else None,
    )


def _small(image: Image.Image, size: Size, orientation: int) -> Image.Image:
    small_size = oriented_size(thumbnail_size(oriented_size(size, orientation)), orientation)
    whole = (0, 0, image.width, image.height)
    return oriented(resample(image, whole, small_size, "bicubic", _GAP), orientation)


def _contrasts(small: Image.Image) -> str:
    logit = page_logit(small)
    if logit <= LEAST:
        return ""
    return ("" if logit > LEAST_SURE else UNSURE) + contrast_map(small)


def _made(make: Callable[[], Detail], otherwise: Detail) -> Detail:
    try:
        return make()
    except Exception:  # whatever an odd picture or an odd note beside it makes of its reader
        return otherwise
