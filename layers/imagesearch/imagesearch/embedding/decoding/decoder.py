"""Decoder: the bytes of an image file to the tensor of a model, and the image's details.

Runs in a decoder process (`worker`), because a file may crash its decoder. The size, the format and
the expected memory are checked before pixels are decoded, to reject decompression bombs.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from math import ceil
from typing import NamedTuple, TypeAlias, TypeVar

import pi_heif
import PIL
from PIL import AvifImagePlugin, Image, ImageFile, PngImagePlugin, UnidentifiedImageError
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions
from imagesearch.embedding.decoding import exif, jpeg_xl
from imagesearch.embedding.decoding.color.declared_colors import declared_profile
from imagesearch.embedding.decoding.color.srgb import to_srgb
from imagesearch.embedding.decoding.details import extract_details, scaled, webp
from imagesearch.embedding.decoding.exif import remove_xmp
from imagesearch.embedding.decoding.formats import content_type, declared_size, unsupported_format
from imagesearch.embedding.decoding.frames import is_not_blank, may_have_frames, seek_not_blank
from imagesearch.embedding.decoding.jpeg import (
    check_scans,
    coefficient_bytes,
    has_several_scans,
    load_truncated,
    may_be_truncated,
    may_hold,
    set_draft_size,
)
from imagesearch.embedding.decoding.preprocessing import (
    MEGABYTE,
    DecodingLimits,
    Picture,
    Preprocessing,
    Size,
    placement_of,
)
from imagesearch.embedding.decoding.raw import camera_raw
from imagesearch.embedding.decoding.transforms import (
    oriented,
    oriented_size,
    resample,
    stored_box,
    tensor,
)

_JPEG = b"\xff\xd8\xff"
BeforePixels: TypeAlias = Callable[[int], None]
Result = TypeVar("Result")
_ZERO, _BLACK = (0.0, 0.0, 0.0), (0, 0, 0)

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", jpeg_xl.FORMAT)
# To be raised when this module accepts more files: rejected images are then processed again.
_VERSION = 2
# Versions are spelled out for libraries that are imported on first use.
_LAZY_LIBRARIES = "rawpy-0.28.0 pillow_jxl-1.3.8"
# Bytes per pixel in Pillow's modes other than 4 (its Storage.c).
_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
# Peak memory of the library of a format in addition, in bytes per pixel (measured).
_LIBRARY_BYTES = {"WEBP": 12, "AVIF": 6, "HEIF": 4, "TIFF": 4, "GIF": 1, "RAW": 22, "JPEGXL": 12}
_LIBRARY_ALPHA_BYTES = {"AVIF": 2, "HEIF": 3}

# Otherwise Pillow imports all of its plugins when it opens the first file.
for _name in ("Jpeg", "Mpo", "Png", "WebP", "Gif", "Bmp", "Tiff", "Avif"):
    import_module(f"PIL.{_name}ImagePlugin")
# Log messages of Pillow are discarded; the raised error has the cause.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# Image editors write more text than the megabyte that Pillow accepts.
PngImagePlugin.MAX_TEXT_CHUNK = 16 * 2**20
# One thread each, because several processes decode in parallel.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
pi_heif.register_heif_opener(
    thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
)
jpeg_xl.register()


def decoder_name() -> str:
    """The name and version of everything that determines which files can be decoded."""
    heif = pi_heif.libheif_version()
    return f"imagesearch-{_VERSION} pillow-{PIL.__version__} libheif-{heif} {_LAZY_LIBRARIES}"


def decode(
    data: bytes,
    preprocessing: Preprocessing,
    before_pixels: BeforePixels = lambda _: None,
    details: DetailOptions | None = None,
    limits: DecodingLimits | None = None,
) -> Picture:
    """Decode a file, apply its orientation, flatten it over white, resize and normalize it.

    With `details`, also extract the image details. `before_pixels` is called with the expected
    memory in bytes before pixels are decoded. Raises UnreadableImage for any invalid file.
    """
    accepted = limits or DecodingLimits()
    return _attempt(
        lambda file: _decode(file, preprocessing, before_pixels, details, accepted), data
    )


def preview(data: bytes, longest_side: int, before_pixels: BeforePixels = lambda _: None) -> bytes:
    """A WebP file of the upright image, at most `longest_side` pixels wide and high.

    Raises UnreadableImage for any invalid file.
    """
    return _attempt(lambda file: _preview(file, longest_side, before_pixels), data)


def _attempt(work: Callable[[bytes], Result], data: bytes) -> Result:
    """The result of `work` on a file; raises UnreadableImage for any error of a parser."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return work(data)
        except UnreadableImage:
            raise
        except MemoryError as error:
            raise UnreadableImage(
                "decoding the image takes more memory than available",
                "send an image with fewer pixels",
                code="image_too_large",
            ) from error
        except Exception as error:  # the parsers raise nearly every class there is
            if stripped := exif.without_exif(data):
                return _attempt(work, stripped)
            reason = f": {error}" if str(error) else ""
            raise UnreadableImage(
                f"the image is damaged or truncated{reason}",
                "check that it opens in an image viewer, and save it again",
                code="damaged_image",
            ) from error


def _decode(
    data: bytes,
    preprocessing: Preprocessing,
    before_pixels: BeforePixels,
    details: DetailOptions | None,
    limits: DecodingLimits,
) -> Picture:
    loaded = _loaded(data, preprocessing, limits, before_pixels)
    image, visible = loaded.image, loaded.visible
    orientation = exif.orientation(image)
    raw = camera_raw.raw_info(image)
    return Picture(
        tensor(_square(image, visible, orientation, preprocessing), preprocessing),
        *((raw and raw.size) or oriented_size(loaded.size, orientation)),
        raw.content_type if raw else content_type(image, data),
        exif.taken_at(image),
        extract_details(image, visible, orientation, details) if details else None,
        loaded.truncated,
        exif.taken_offset(image),
    )


def _preview(data: bytes, longest_side: int, before_pixels: BeforePixels) -> bytes:
    # As for a model with half of that input, for which a JPEG is decoded at twice its size.
    half = Preprocessing(longest_side // 2, "pad", "bicubic", _ZERO, _ZERO, _BLACK)
    loaded = _loaded(data, half, DecodingLimits(), before_pixels)
    orientation = exif.orientation(loaded.image)
    return webp(scaled(loaded.image, loaded.visible, orientation, longest_side))


def _loaded(
    data: bytes, preprocessing: Preprocessing, limits: DecodingLimits, before_pixels: BeforePixels
) -> Loaded:
    """The loaded frame in sRGB."""
    if len(data) > limits.file_bytes:
        raise UnreadableImage(
            f"the file has {len(data):,} bytes, over the limit of {limits.file_bytes:,}",
            "send a smaller copy of the image",
            code="image_too_large",
        )
    loaded = Loader(data, preprocessing, limits, before_pixels).load()
    loaded.image.info["icc_profile"] = declared_profile(loaded.image, data)
    to_srgb(loaded.image)
    return loaded


def _square(
    image: Image.Image, size: Size, orientation: int, preprocessing: Preprocessing
) -> Image.Image:
    """The model's input as an image; `size` is the stored size, of which `image` may be a draft."""
    placement = placement_of(oriented_size(size, orientation), preprocessing)
    x, y = image.width / size[0], image.height / size[1]
    left, top, right, bottom = stored_box(placement.box, size, orientation)
    box = (left * x, top * y, right * x, bottom * y)
    part = resample(image, box, oriented_size(placement.size, orientation), preprocessing.resample)
    square = Image.new("RGB", (preprocessing.size, preprocessing.size), preprocessing.pad_color)
    square.paste(oriented(part, orientation), placement.offset)
    return square


class Loaded(NamedTuple):
    """A loaded frame; that of a JPEG may be a draft.

    size: the declared size as stored.
    visible: the size of the existing rows, lower than `size` if the file is `truncated`.
    """

    image: Image.Image
    size: Size
    visible: Size
    truncated: bool = False


class Loader:
    """Loads the representative frame of a file; calls `before_pixels` before decoding a frame."""

    def __init__(
        self,
        data: bytes,
        preprocessing: Preprocessing,
        limits: DecodingLimits,
        before_pixels: BeforePixels,
    ) -> None:
        # An incomplete download may have its full length, padded with zeros.
        self._data = data.rstrip(b"\0") if data.startswith(_JPEG) else data
        self._preprocessing = preprocessing
        self._limits = limits
        self._before_pixels = before_pixels

    def load(self) -> Loaded:
        """The first frame that is not blank, else the first; raises any exception of a parser."""
        image = open_image(self._data, self._limits)
        # Before loading, because a GIF discards its pixels when it seeks its second frame.
        several = may_have_frames(image)
        try:
            size = self._load(image)
        except OSError:
            if not may_be_truncated(image):
                raise
            return self._load_truncated()
        if several and not is_not_blank(image):
            shown = seek_not_blank(image, lambda: self._load(image))
            if shown is None:
                image.close()
                image = open_image(self._data, self._limits)
                size = self._load(image)
            else:
                size = shown
        return Loaded(image, size, size)

    def _load(self, image: Image.Image) -> Size:
        """Load the current frame; returns its size as stored."""
        header = self._prepare(image)
        image.load()
        # Only a JPEG can be a draft; other formats may have another size when decoded.
        return header if image.format in ("JPEG", "MPO") else image.size

    def _load_truncated(self) -> Loaded:
        def prepared() -> Image.Image:
            image = open_image(self._data, self._limits)
            self._prepare(image)
            return image

        first = open_image(self._data, self._limits)
        size = first.size
        image, rows = load_truncated(prepared, self._content(first))
        visible = size[0], max(1, round(size[1] * rows / image.height))
        existing = image.crop((0, 0, image.width, rows))
        existing.format = image.format
        return Loaded(existing, size, visible, truncated=True)

    def _prepare(self, image: Image.Image) -> Size:
        """Check the limits and set the draft size; returns the size as stored."""
        remove_xmp(image)
        header, content = image.size, self._content(image)
        if not may_hold(header, image, content):
            check_size(header, self._limits)
        check_scans(image, content)
        set_draft_size(image, self._preprocessing)
        check_size(image.size, self._limits)
        self._before_pixels(expected_memory(image, header, content, self._limits))
        return header

    def _content(self, image: Image.Image) -> bytes:
        """The file that the image is decoded from; for camera RAW, that of the preview."""
        file = getattr(image, "fp", None)
        return file.getvalue() if isinstance(file, BytesIO) else self._data


def open_image(data: bytes, limits: DecodingLimits) -> Image.Image:
    """Open a file and read its header only; for camera RAW, open its preview.

    The size is checked later, when the scale of decoding is known. Raises UnreadableImage.
    """
    if kind := camera_raw.raw_type(data):
        return camera_raw.open_raw(data, kind, lambda content: _opened(content, limits))
    return _opened(data, limits)


def _opened(data: bytes, limits: DecodingLimits) -> Image.Image:
    # WebP allocates memory for the pixels when it is opened; other formats only read the size.
    Image.MAX_IMAGE_PIXELS = limits.pixels // 2 if data[8:12] == b"WEBP" else None
    # Before pixels are read, this tolerates damaged text and other ancillary chunks of a PNG.
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise UnreadableImage(
            f"the image has too many pixels: {error}",
            "send a smaller copy of the image",
            code="image_too_large",
        ) from error
    except UnidentifiedImageError as error:
        # libavif reports images above its size limit in the same way as damaged ones.
        check_size(declared_size(data) or (1, 1), limits)
        raise unsupported_format(data) from error
    finally:
        # Pillow raises above twice this limit, for tiles and frames larger than the header's size.
        Image.MAX_IMAGE_PIXELS = limits.pixels // 2
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    return image


def check_size(size: Size, limits: DecodingLimits) -> None:
    """Raises UnreadableImage for an image with too many pixels, or none."""
    width, height = size
    if width * height > limits.pixels:
        raise UnreadableImage(
            f"the image has {width} x {height} pixels, "
            f"over the limit of {limits.pixels / 1e6:g} megapixels",
            "send a smaller copy of the image",
            code="image_too_large",
        )
    if min(size) < 1:
        raise UnreadableImage(f"the image has {width} x {height} pixels", code="damaged_image")


def expected_memory(image: Image.Image, header: Size, data: bytes, limits: DecodingLimits) -> int:
    """The expected memory for loading an image, in bytes; `header` is its size before drafting.

    Raises UnreadableImage above the limit.
    """
    needed = image.width * image.height * _bytes_per_pixel(image) + len(data)
    needed += _tile(image)
    if has_several_scans(image, data):
        needed += coefficient_bytes(image, header)
    if needed > limits.memory_bytes:
        raise UnreadableImage(
            f"the image ({image.width} x {image.height}, {image.format}) needs "
            f"{ceil(needed / MEGABYTE):,} MB when decoded, over the limit of "
            f"{limits.memory_bytes // MEGABYTE:,} MB",
            "send a smaller copy of the image",
            code="image_too_large",
        )
    return needed


def _bytes_per_pixel(image: Image.Image) -> int:
    name = image.format or ""
    alpha = _LIBRARY_ALPHA_BYTES.get(name, 0) if image.mode.endswith("A") else 0
    return _BYTES_PER_PIXEL.get(image.mode, 4) + _LIBRARY_BYTES.get(name, 0) + alpha


def _tile(image: Image.Image) -> int:
    """The memory of a TIFF tile, which is decoded whole and may be larger than the image."""
    tags = getattr(image, "tag_v2", {})
    return 4 * int(tags.get(TILEWIDTH, 0)) * int(tags.get(TILELENGTH, 0))
