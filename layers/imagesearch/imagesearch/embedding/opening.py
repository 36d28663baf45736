"""Pillow, set up to open the formats that are read here, and nothing of a file but its header."""

from __future__ import annotations

import io
import logging
from importlib import import_module

import pi_heif
from PIL import AvifImagePlugin, Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from imagesearch.domain.errors import UnreadableImage
from imagesearch.embedding.decoding import jpeg_xl
from imagesearch.embedding.decoding.formats import declared_size, no_image
from imagesearch.embedding.decoding.preprocessing import Preprocessing, place
from imagesearch.embedding.decoding.raw import camera_raw
from imagesearch.embedding.decoding_cost import check_size
from imagesearch.embedding.picture import DecodingLimits
from imagesearch.embedding.thumbnails import thumbnail_size

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", jpeg_xl.FORMAT)
# A JPEG's draft is at least this many times the target: drafts are smoothed less well than resizes.
DRAFT_GAP = 2

# Else Pillow would look for a plugin among all of its own when the first file comes.
for _name in ("Jpeg", "Mpo", "Png", "WebP", "Gif", "Bmp", "Tiff", "Avif"):
    import_module(f"PIL.{_name}ImagePlugin")
# Pillow's own words on a bad picture go nowhere: the error that is raised says what was wrong.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# Editors write more beside the pixels than the megabyte that Pillow takes.
PngImagePlugin.MAX_TEXT_CHUNK = 16 * 2**20
# Pictures are decoded side by side in several processes: each needs one thread.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
pi_heif.register_heif_opener(
    thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
)
jpeg_xl.register()


def opened(data: bytes, limits: DecodingLimits) -> Image.Image:
    """A picture whose header was read, and nothing else; raises UnreadableImage.

    Its size is checked when it is known at which scale it is decoded (loading.py). Of a camera RAW
    file it is the picture that is shown of it.
    """
    if kind := camera_raw.raw_type(data):
        return camera_raw.opened(data, kind, lambda content: _opened(content, limits))
    return _opened(data, limits)


def _opened(data: bytes, limits: DecodingLimits) -> Image.Image:
    # WebP alone takes memory for its pixels when it is opened; of the others we learn the size.
    Image.MAX_IMAGE_PIXELS = limits.pixels // 2 if data[8:12] == b"WEBP" else None
    # Until pixels are read this is leniency to a PNG's text and other chunks beside them.
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise UnreadableImage(
            f"the picture has too many pixels: {error}",
            "send a smaller copy",
            code="image_too_large",
        ) from error
    except UnidentifiedImageError as error:
        # libavif refuses what is larger than its own limit as it refuses what is damaged.
        check_size(declared_size(data) or (1, 1), limits)
        raise no_image(data) from error
    finally:
        # Pillow raises above twice this figure, for tiles and frames that exceed the header's size.
        Image.MAX_IMAGE_PIXELS = limits.pixels // 2
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    return image


def draft(image: Image.Image, wanted: Preprocessing) -> None:
    """Let a JPEG be decoded at a half, a quarter or an eighth where nobody sees more.

    A thumbnail is thought of even where none is wanted: the embedding must not depend on that.
    """
    if image.format not in ("JPEG", "MPO"):
        return
    # The next picture of a file is drafted as the first was: Pillow protects a draft from another.
    image.decoderconfig = ()  # type: ignore[attr-defined]
    placement = place(image.size, wanted)
    left, top, right, bottom = placement.box
    across, down = placement.size[0] / (right - left), placement.size[1] / (bottom - top)
    least = int(image.width * across * DRAFT_GAP) + 1, int(image.height * down * DRAFT_GAP) + 1
    small = thumbnail_size(image.size)
    image.draft(None, (max(least[0], small[0]), max(least[1], small[1])))
