"""From a file's bytes to the tensor that a model takes: the only place that looks into pictures.

Runs in a child process (worker.py), because a file may kill its decoder.

What decoding a picture takes, reckoned from its header: bombs are refused before they go off.

Pillow, set up to open the formats that are read here, and nothing of a file but its header.

From a file's bytes to the pixels of the one frame that stands for it, within limits.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from math import ceil
from typing import NamedTuple, TypeAlias

import pi_heif
import PIL
from PIL import AvifImagePlugin, Image, ImageFile, PngImagePlugin, UnidentifiedImageError
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions
from imagesearch.embedding.decoding import exif, jpeg_xl
from imagesearch.embedding.decoding.color.declared_colors import declared_profile
from imagesearch.embedding.decoding.color.srgb import to_srgb
from imagesearch.embedding.decoding.details import extract_details, thumbnail_size
from imagesearch.embedding.decoding.exif import forget_xmp
from imagesearch.embedding.decoding.formats import content_type, declared_size, unsupported_format
from imagesearch.embedding.decoding.frames import seek_shown, several_frames, shows_anything
from imagesearch.embedding.decoding.jpeg import decoded_rows, has_several_scans, is_cut_short
from imagesearch.embedding.decoding.preprocessing import (
    MEGABYTE,
    DecodingLimits,
    Picture,
    Preprocessing,
    Size,
    place,
)
from imagesearch.embedding.decoding.raw import camera_raw
from imagesearch.embedding.decoding.transforms import (
    oriented,
    oriented_size,
    resample,
    stored_box,
    tensor,
)

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


def open_image(data: bytes, limits: DecodingLimits) -> Image.Image:
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
        raise unsupported_format(data) from error
    finally:
        # Pillow raises above twice this figure, for tiles and frames that exceed the header's size.
        Image.MAX_IMAGE_PIXELS = limits.pixels // 2
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    return image


def set_draft_size(image: Image.Image, wanted: Preprocessing) -> None:
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


JPEG = b"\xff\xd8\xff"
BeforePixels: TypeAlias = Callable[[int], None]


class Loaded(NamedTuple):
    """A frame with its pixels, of which a JPEG's may be a draft.

    `size` is the declared one as stored; `part` is as much of it as `image` shows, less where the
    file is `truncated`.
    """

    image: Image.Image
    size: Size
    part: Size
    truncated: bool = False


class Loader:
    """Loads one file's frames; `before_pixels` hears what each takes before it is decoded."""

    def __init__(
        self,
        data: bytes,
        wanted: Preprocessing,
        limits: DecodingLimits,
        before_pixels: BeforePixels,
    ) -> None:
        # A download that broke off may have its full length, and zeros in it.
        self._data = data.rstrip(b"\0") if data.startswith(JPEG) else data
        self._wanted = wanted
        self._limits = limits
        self._before_pixels = before_pixels

    def load(self) -> Loaded:
        """The first frame that shows anything, or the first; raises whatever a parser raises."""
        image = open_image(self._data, self._limits)
        # Asked before pixels are loaded: a GIF loses them when it looks for its second frame.
        several = several_frames(image)
        try:
            size = self._load(image)
        except OSError:
            if not is_cut_short(image):
                raise
            return self._load_partly()
        if several and not shows_anything(image):
            shown = seek_shown(image, lambda: self._load(image))
            if shown is None:
                image.close()
                image = open_image(self._data, self._limits)
                size = self._load(image)
            else:
                size = shown
        return Loaded(image, size, size)

    def _load(self, image: Image.Image) -> Size:
        """Load the frame in view; its size as stored."""
        header = self._prepare(image)
        image.load()
        # Only a JPEG can be a draft; others may turn out to have another size when decoded.
        return header if image.format in ("JPEG", "MPO") else image.size

    def _load_partly(self) -> Loaded:
        def prepared() -> Image.Image:
            image = open_image(self._data, self._limits)
            self._prepare(image)
            return image

        first = open_image(self._data, self._limits)
        size = first.size
        image, rows = decoded_rows(prepared, self._content(first))
        part = size[0], max(1, round(size[1] * rows / image.height))
        there = image.crop((0, 0, image.width, rows))
        there.format = image.format
        return Loaded(there, size, part, truncated=True)

    def _prepare(self, image: Image.Image) -> Size:
        """Everything that can be said before pixels are decoded; the size as stored."""
        forget_xmp(image)
        header, content = image.size, self._content(image)
        if not may_hold(header, image, content):
            check_size(header, self._limits)
        set_draft_size(image, self._wanted)
        check_size(image.size, self._limits)
        self._before_pixels(expected_memory(image, header, content, self._limits))
        return header

    def _content(self, image: Image.Image) -> bytes:
        """The file that an opened picture is decoded from: of camera RAW, that of its preview."""
        file = getattr(image, "fp", None)
        return file.getvalue() if isinstance(file, BytesIO) else self._data


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
    details: DetailOptions | None = None,
    limits: DecodingLimits | None = None,
) -> Picture:
    """Decode, turn upright, flatten over white, resize and normalize; look for details if wanted.

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
    details: DetailOptions | None,
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
        *((raw and raw.size) or oriented_size(loaded.size, orientation)),
        raw.content_type if raw else content_type(image, data),
        exif.taken_at(image),
        extract_details(image, part, orientation, details) if details else None,
        loaded.truncated,
    )


def _square(image: Image.Image, size: Size, orientation: int, wanted: Preprocessing) -> Image.Image:
    """The upright square; `size` is the stored one, of which `image` may be a draft."""
    placement = place(oriented_size(size, orientation), wanted)
    x, y = image.width / size[0], image.height / size[1]
    left, top, right, bottom = stored_box(placement.box, size, orientation)
    box = (left * x, top * y, right * x, bottom * y)
    part = resample(image, box, oriented_size(placement.size, orientation), wanted.resample)
    square = Image.new("RGB", (wanted.size, wanted.size), wanted.pad_color)
    square.paste(oriented(part, orientation), placement.offset)
    return square
