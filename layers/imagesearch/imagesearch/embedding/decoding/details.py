"""What indexing wants to know of a decoded picture beside its tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from PIL import Image

from imagesearch.details import Details, DetailsWanted
from imagesearch.duplicates.contrast_maps import UNSURE
from imagesearch.embedding.camera_notes import camera_and_lens, place_taken
from imagesearch.embedding.contrast_map import contrast_map
from imagesearch.embedding.decoding.document_pages import LEAST, LEAST_SURE, page_logit
from imagesearch.embedding.decoding.perceptual_hash import perceptual_hash
from imagesearch.embedding.decoding.preprocessing import Size
from imagesearch.embedding.decoding.transforms import resample
from imagesearch.embedding.miniature import miniature
from imagesearch.embedding.orienting import turned, turned_size
from imagesearch.embedding.thumbnails import thumbnail_size, webp

# People look at these, a model does not: half the work shows no difference to them.
_GAP = 1.5

Detail = TypeVar("Detail")


def details_of(image: Image.Image, size: Size, orientation: int, wanted: DetailsWanted) -> Details:
    """The details of a loaded picture of the stored `size`, of which it may be a draft.

    A detail that cannot be made costs itself alone: the picture can be embedded all the same.
    """
    small = _made(lambda: _small(image, size, orientation), None)
    latitude, longitude = (wanted.place and _made(lambda: place_taken(image), None)) or (None, None)
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
    small_size = turned_size(thumbnail_size(turned_size(size, orientation)), orientation)
    whole = (0, 0, image.width, image.height)
    return turned(resample(image, whole, small_size, "bicubic", _GAP), orientation)


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
