"""From a file's bytes to the tensor that a model takes: the only place that looks into pictures.

Runs in a child process (decoder_process.py), because a file may kill its decoder.
"""

from __future__ import annotations

import warnings

import pi_heif
import PIL
from PIL import Image

from imagesearch.details import DetailsWanted
from imagesearch.domain.errors import UnreadableImage
from imagesearch.embedding.decoding import exif
from imagesearch.embedding.decoding.color.declared_colors import declared_profile
from imagesearch.embedding.decoding.color.srgb import to_srgb
from imagesearch.embedding.decoding.details import details_of
from imagesearch.embedding.decoding.formats import content_type
from imagesearch.embedding.decoding.preprocessing import Preprocessing, Size, place
from imagesearch.embedding.decoding.raw import camera_raw
from imagesearch.embedding.decoding.transforms import resample, tensor
from imagesearch.embedding.loading import BeforePixels, Loader
from imagesearch.embedding.orienting import stored_box, turned, turned_size
from imagesearch.embedding.picture import DecodingLimits, Picture

# To be raised when a file that was rejected would now be read: rejected ones are looked at again.
RULES = 2
# What is imported when it is first needed is not asked for its version, which takes as long.
_LAZY = "rawpy-0.28.0 pillow_jxl-1.3.8"


def decoder_name() -> str:
    """What decides which files can be read."""
    heif = pi_heif.libheif_version()
    return f"imagesearch-{RULES} pillow-{PIL.__version__} libheif-{heif} {_LAZY}"


def decode(
    data: bytes,
    wanted: Preprocessing,
    before_pixels: BeforePixels = lambda _: None,
    details: DetailsWanted | None = None,
    limits: DecodingLimits | None = None,
) -> Picture:
    """Decode, turn upright, flatten over white, resize and normalise; look for details if wanted.

    `before_pixels` hears how many bytes of memory decoding is reckoned to take, before it takes
    them. Raises UnreadableImage, whatever the bytes are.
    """
    limits = limits or DecodingLimits()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _decode(data, wanted, before_pixels, details, limits)
        except UnreadableImage:
            raise
        except MemoryError as error:
            raise UnreadableImage(
                "decoding it takes more memory than there is",
                "send a picture with fewer pixels",
                code="image_too_large",
            ) from error
        except Exception as error:  # the parsers raise nearly every class there is
            if bare := exif.hidden(data):
                return decode(bare, wanted, before_pixels, details, limits)
            raise UnreadableImage(
                f"the picture is damaged or cut short: {error or type(error).__name__}",
                "check that it opens in a viewer, and save it anew",
                code="damaged_image",
            ) from error


def _decode(
    data: bytes,
    wanted: Preprocessing,
    before_pixels: BeforePixels,
    details: DetailsWanted | None,
    limits: DecodingLimits,
) -> Picture:
    if len(data) > limits.file_bytes:
        raise UnreadableImage(
            f"the file has {len(data):,} bytes, over the limit of {limits.file_bytes:,}",
            "send a smaller copy",
            code="image_too_large",
        )
    loaded = Loader(data, wanted, limits, before_pixels).load()
    image, part = loaded.image, loaded.part
    orientation = exif.orientation(image)
    image.info["icc_profile"] = declared_profile(image, data)
    to_srgb(image)
    raw = camera_raw.facts(image)
    return Picture(
        tensor(_square(image, part, orientation, wanted), wanted),
        *((raw and raw.size) or turned_size(loaded.size, orientation)),
        raw.content_type if raw else content_type(image, data),
        exif.taken_at(image),
        details_of(image, part, orientation, details) if details else None,
        loaded.truncated,
    )


def _square(image: Image.Image, size: Size, orientation: int, wanted: Preprocessing) -> Image.Image:
    """The upright square; `size` is the stored one, of which `image` may be a draft."""
    placement = place(turned_size(size, orientation), wanted)
    x, y = image.width / size[0], image.height / size[1]
    left, top, right, bottom = stored_box(placement.box, size, orientation)
    box = (left * x, top * y, right * x, bottom * y)
    part = resample(image, box, turned_size(placement.size, orientation), wanted.resample)
    square = Image.new("RGB", (wanted.size, wanted.size), wanted.pad_color)
    square.paste(turned(part, orientation), placement.offset)
    return square
