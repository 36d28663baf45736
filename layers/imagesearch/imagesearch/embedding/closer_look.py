"""What indexing wants to know of a decoded picture beside its tensor."""

from __future__ import annotations

from PIL import Image

from imagesearch.details import Details, DetailsWanted
from imagesearch.embedding.camera_notes import camera_and_lens, place_taken
from imagesearch.embedding.contrast_map import contrast_map
from imagesearch.embedding.miniature import miniature
from imagesearch.embedding.orienting import turned, turned_size
from imagesearch.embedding.page_look import looks_like_page
from imagesearch.embedding.perceptual_hash import perceptual_hash
from imagesearch.embedding.preprocessing import Size
from imagesearch.embedding.resampling import resample
from imagesearch.embedding.thumbnails import thumbnail_size, webp

# People look at these, a model does not: half the work shows no difference to them.
_GAP = 1.5


def details_of(image: Image.Image, size: Size, orientation: int, wanted: DetailsWanted) -> Details:
    """The details of a loaded picture of the stored `size`, of which it may be a draft."""
    small_size = turned_size(thumbnail_size(turned_size(size, orientation)), orientation)
    whole = (0, 0, image.width, image.height)
    small = turned(resample(image, whole, small_size, "bicubic", _GAP), orientation)
    latitude, longitude = (wanted.place and place_taken(image)) or (None, None)
    return Details(
        phash=perceptual_hash(small),
        miniature=miniature(small),
        contrasts=contrast_map(small) if looks_like_page(small) else "",
        exif=camera_and_lens(image),
        latitude=latitude,
        longitude=longitude,
        thumbnail=webp(small) if wanted.thumbnail else None,
    )
