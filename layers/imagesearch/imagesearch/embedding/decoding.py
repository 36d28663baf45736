"""From a file's bytes to the tensor that a model takes: the only place that looks into pictures.

Runs in a child process (decoder_process.py), because a file may kill its decoder.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import TypeAlias

import pi_heif
import PIL
from PIL import AvifImagePlugin, Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from imagesearch.embedding import exif
from imagesearch.embedding.decoding_cost import check_size, expected_memory
from imagesearch.embedding.orienting import stored_box, turned, turned_size
from imagesearch.embedding.picture import DecodingLimits, Picture
from imagesearch.embedding.preprocessing import Placement, Preprocessing, Size, place
from imagesearch.embedding.resampling import resample, tensor
from imagesearch.embedding.what_it_is import content_type, declared_size, no_image
from imagesearch.errors import UnreadableImage

# Raised when a file that was rejected would now be read, or the other way round.
RULES = 1
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
DRAFT_GAP = 2

BeforePixels: TypeAlias = Callable[[int], None]

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


def decoder_name() -> str:
    """What decides which files can be read."""
    heif = pi_heif.libheif_version()
    return f"imagesearch-{RULES} pillow-{PIL.__version__} libheif-{heif}"


def decode(
    data: bytes,
    wanted: Preprocessing,
    before_pixels: BeforePixels = lambda _: None,
    limits: DecodingLimits | None = None,
) -> Picture:
    """Decode, turn upright, flatten over white, resize and normalise.

    `before_pixels` hears how many bytes of memory decoding is reckoned to take, before it takes
    them. Raises UnreadableImage, whatever the bytes are.
    """
    limits = limits or DecodingLimits()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _decode(data, wanted, before_pixels, limits)
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
                return decode(bare, wanted, before_pixels, limits)
            raise UnreadableImage(
                f"the picture is damaged or cut short: {error or type(error).__name__}",
                "check that it opens in a viewer, and save it anew",
                code="damaged_image",
            ) from error


def _decode(
    data: bytes, wanted: Preprocessing, before_pixels: BeforePixels, limits: DecodingLimits
) -> Picture:
    if len(data) > limits.file_bytes:
        raise UnreadableImage(
            f"the file has {len(data):,} bytes, over the limit of {limits.file_bytes:,}",
            code="image_too_large",
        )
    with _opened(data, limits) as image:
        header = image.size
        check_size(header, limits)
        _draft(image, wanted)
        before_pixels(expected_memory(image, header, data, limits))
        image.load()
        drafted = header if image.format in ("JPEG", "MPO") else image.size
        orientation = exif.orientation(image)
        displayed = turned_size(drafted, orientation)
        square = _square(image, drafted, orientation, place(displayed, wanted), wanted)
        return Picture(
            tensor(square, wanted), *displayed, content_type(image, data), exif.taken_at(image)
        )


def _opened(data: bytes, limits: DecodingLimits) -> Image.Image:
    # WebP alone takes memory for its pixels when it is opened; of the others we learn the size.
    Image.MAX_IMAGE_PIXELS = limits.pixels // 2 if data[8:12] == b"WEBP" else None
    # Until pixels are read this is leniency to a PNG's text and other chunks beside them.
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise UnreadableImage(
            f"the picture has too many pixels: {error}", code="image_too_large"
        ) from error
    except UnidentifiedImageError as error:
        # libavif refuses what is larger than its own limit as it refuses what is damaged.
        check_size(declared_size(data) or (1, 1), limits)
        raise no_image(data) from error
    finally:
        # Pillow raises above twice this figure, for tiles and frames that exceed the header's size.
        Image.MAX_IMAGE_PIXELS = limits.pixels // 2
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _draft(image: Image.Image, wanted: Preprocessing) -> None:
    """Let a JPEG be decoded at a half, a quarter or an eighth where the model sees no more."""
    placement = place(image.size, wanted)
    left, top, right, bottom = placement.box
    image.draft(
        None,
        (
            ceil_div(image.width * placement.size[0] * DRAFT_GAP, right - left),
            ceil_div(image.height * placement.size[1] * DRAFT_GAP, bottom - top),
        ),
    )


def ceil_div(value: float, by: float) -> int:
    return max(1, int(-(-value // by)))


def _square(
    image: Image.Image, size: Size, orientation: int, placement: Placement, wanted: Preprocessing
) -> Image.Image:
    """The upright square; `size` is the stored one, of which `image` may be a draft."""
    x, y = image.width / size[0], image.height / size[1]
    left, top, right, bottom = stored_box(placement.box, size, orientation)
    box = (left * x, top * y, right * x, bottom * y)
    part = resample(image, box, turned_size(placement.size, orientation), wanted)
    square = Image.new("RGB", (wanted.size, wanted.size), wanted.pad_color)
    square.paste(turned(part, orientation), placement.offset)
    return square
