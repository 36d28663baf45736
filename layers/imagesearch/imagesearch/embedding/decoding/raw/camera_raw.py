"""Camera RAW files: the preview that the camera embedded, or the developed image if there is none.

`rawpy` (LibRaw) is imported for the first RAW file. Files that it cannot open are also searched for
previews. Small thumbnails are never used as previews.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.media_types import RAW, RAW_EXTENSIONS_OF, SNIFF_BYTES, sniff
from imagesearch.embedding.decoding.preprocessing import Size
from imagesearch.embedding.decoding.raw import raw_exif
from imagesearch.embedding.decoding.raw.previews import (
    Preview,
    declared_previews,
    is_sensor,
    jpeg,
    undeclared_previews,
)
from imagesearch.embedding.decoding.raw.tiff_directories import Directory, Tag, directories
from imagesearch.embedding.decoding.transforms import oriented_size

if TYPE_CHECKING:
    from rawpy import RawPy

OpenPicture: TypeAlias = Callable[[bytes], Image.Image]
# The minimum for the longest side of a preview, unless it has nearly the size of the whole image.
# Models use 224 to 384 pixels, thumbnails have 320; thumbnails in RAW files have 160, some 320.
_MIN_SIDE = 512
_MIN_SHARE = 0.9
# A preview with this share of the sensor's rows and columns shows the whole image.
_FULL_SHARE = 0.95
# A developed image with a higher share of black lines is rejected.
_MAX_BLACK = 0.5
# The format of a developed image; a preview keeps its own format.
FORMAT = "RAW"
# The format of a preview that is a bitmap instead of a file.
BITMAP = "RAW preview"
_INFO_KEY = "camera_raw"
# Compression types of sensor data, which TIFF decoders do not support.
_SENSOR_COMPRESSIONS = frozenset({32_767, 32_769, 32_770, 34_713, 34_892, 52_546, 65_000, 65_535})
_OLD_JPEG, _LINEAR_RAW, _REDUCED = 6, 34_892, 1
_MAKERS = {
    "NIKON": "image/x-nikon-nef",
    "SONY": "image/x-sony-arw",
    "CANON": "image/x-canon-cr2",
    "PENTAX": "image/x-pentax-pef",
    "RICOH": "image/x-pentax-pef",
    "SAMSUNG": "image/x-samsung-srw",
    "HASSELBLAD": "image/x-hasselblad-3fr",
    "SEIKO EPSON": "image/x-epson-erf",
    "EASTMAN KODAK": "image/x-kodak-dcr",
    "KODAK": "image/x-kodak-dcr",
    "MAMIYA": "image/x-mamiya-mef",
}
# LibRaw's `flip` (bits: 4 transpose, 2 upside down, 1 mirrored) as an Exif orientation.
_ORIENTATION_OF_FLIP = (1, 2, 4, 3, 5, 8, 6, 7)


@dataclass(frozen=True, slots=True)
class RawInfo:
    """The media type of a RAW file, and the size of its whole image as displayed."""

    content_type: str
    size: Size | None


@dataclass(frozen=True, slots=True)
class _Sensor:
    """The whole image as stored: its size, if known, and its EXIF orientation."""

    size: Size | None
    orientation: int

    @property
    def displayed(self) -> Size | None:
        return oriented_size(self.size, self.orientation) if self.size else None


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A preview of the stored `size`.

    `orientation` is that of a TIFF directory, which the TIFF decoder applies itself.
    """

    size: Size
    open: Callable[[OpenPicture], Image.Image]
    orientation: int | None = None


def raw_info(image: Image.Image) -> RawInfo | None:
    """The information on the RAW file that an image was opened from; None for other images."""
    found = image.info.get(_INFO_KEY)
    return found if isinstance(found, RawInfo) else None


def raw_type(data: bytes) -> str | None:
    """The media type of a camera RAW file by its content; None for other files."""
    known = sniff(data[:SNIFF_BYTES])
    if known == RAW or known in RAW_EXTENSIONS_OF:
        return known
    if known != "image/tiff":
        return None
    found = directories(data)
    if not (found and _is_raw(found)):
        return None
    if any(Tag.DNG_VERSION in each for each in found):
        return "image/x-adobe-dng"
    maker = next((text for each in found if (text := each.text(Tag.MAKE))), "").upper()
    return next((type for name, type in _MAKERS.items() if maker.startswith(name)), RAW)


def open_raw(data: bytes, content_type: str, open_picture: OpenPicture) -> Image.Image:
    """Open the preview of a RAW file, or prepare its development, without decoding pixels.

    The EXIF of the result has the orientation and the tags of the RAW file. `open_picture` opens a
    JPEG or TIFF. Raises UnreadableImage if there is neither a preview nor a way to develop.
    """
    found = directories(data)
    exif = raw_exif.exif_of_file(data, found)
    raw = _libraw(data)
    sensor = _sensor(raw, found, exif)
    shown = _largest(data, found, raw, sensor)
    if shown is None:
        image = _lazily_developed(raw, content_type, sensor, found)
        size, exif = sensor.displayed, exif.with_orientation(1)
    else:
        if raw:
            raw.close()
        image = shown.open(open_picture)
        own = raw_exif.exif_of_image(image)
        exif = own.updated(exif)
        exif = exif.with_orientation(shown.orientation or _orientation(shown.size, own, sensor))
        size = _displayed_size(sensor.displayed, oriented_size(shown.size, exif.orientation or 1))
    raw_exif.write(exif, image)
    image.info[_INFO_KEY] = RawInfo(content_type, size)
    return image


def _is_raw(found: Sequence[Directory]) -> bool:
    """True for a TIFF with sensor data, or whose first image is the thumbnail of another one."""
    first = found[0]
    if first.number(Tag.SUBFILE_TYPE) & _REDUCED and Tag.SUB_DIRECTORIES in first:
        return True
    if first.number(Tag.COMPRESSION) == _OLD_JPEG and Tag.JPEG_OFFSET in first:
        return not {Tag.STRIP_OFFSETS, Tag.TILE_OFFSETS} & set(first.entries)
    return any(
        is_sensor(each)
        or each.number(Tag.COMPRESSION) in _SENSOR_COMPRESSIONS
        or Tag.DNG_VERSION in each
        or Tag.LEAF_METADATA in each
        for each in found
    )


def _libraw(data: bytes) -> RawPy | None:
    """The file opened by LibRaw; None if its format or camera is not supported.

    Also None if rawpy is not installed, because there is no wheel for every platform; most RAW
    files have a preview that is found without it.
    """
    try:
        from rawpy import RawPy
    except ImportError:
        return None
    raw = RawPy()
    try:
        raw.open_buffer(io.BytesIO(data))
    except Exception:  # LibRaw has a class for each of its reasons
        raw.close()
        return None
    return raw


def _sensor(raw: RawPy | None, found: Sequence[Directory], exif: raw_exif.RawExif) -> _Sensor:
    """The sensor by LibRaw, else by the directories of the file."""
    if raw:
        sizes = raw.sizes
        whole = sizes.width, sizes.height
        cropped = sizes.crop_width, sizes.crop_height
        # The area that the camera's maker defines as visible; some files have invalid values.
        valid = all(crop <= side <= 2 * crop for crop, side in zip(cropped, whole, strict=True))
        flip = sizes.flip if 0 <= sizes.flip < len(_ORIENTATION_OF_FLIP) else 0
        size = cropped if valid else whole
        return _Sensor(size if all(size) else None, _ORIENTATION_OF_FLIP[flip])
    stored = [
        (each.number(Tag.WIDTH), each.number(Tag.HEIGHT)) for each in found if is_sensor(each)
    ]
    size = max(stored, key=_pixels, default=(0, 0))
    return _Sensor(size if all(size) else None, exif.orientation or 1)


def _largest(
    data: bytes, found: Sequence[Directory], raw: RawPy | None, sensor: _Sensor
) -> _Candidate | None:
    """The largest preview, if large enough; the whole file is searched only if none is declared."""
    shown = [_in_file(data, each) for each in declared_previews(data, found)]
    if raw and (thumb := _libraw_preview(raw)):
        shown.append(thumb)
    largest = max(shown, key=lambda each: _pixels(each.size), default=None)
    if largest is None or not _is_large_enough(largest.size, sensor):
        shown = [_in_file(data, each) for each in undeclared_previews(data, found)]
        largest = max(shown, key=lambda each: _pixels(each.size), default=None)
    return largest if largest and _is_large_enough(largest.size, sensor) else None


def _is_large_enough(size: Size, sensor: _Sensor) -> bool:
    longest = max(size)
    share = longest / max(sensor.size) if sensor.size else 0
    return longest >= _MIN_SIDE or share >= _MIN_SHARE


def _in_file(data: bytes, preview: Preview) -> _Candidate:
    orientation = preview.directory.number(Tag.ORIENTATION) if preview.directory else 0
    return _Candidate(
        preview.size,
        lambda open_picture: open_picture(preview.content(data)),
        orientation if 1 <= orientation <= 8 else None,
    )


def _libraw_preview(raw: RawPy) -> _Candidate | None:
    """The largest preview that LibRaw finds, also in proprietary tables."""
    try:
        thumb = raw.extract_thumb()
    except Exception:  # there is none, or LibRaw does not support its format
        return None
    if not isinstance(thumb.data, bytes):
        bitmap = Image.fromarray(thumb.data)
        bitmap.format = BITMAP
        return _Candidate(bitmap.size, lambda _: bitmap)
    found = jpeg(thumb.data)
    return _in_file(thumb.data, found) if found else None


def _orientation(preview: Size, own: raw_exif.RawExif, sensor: _Sensor) -> int:
    """The orientation of a preview: its own, else that of the whole image.

    Some previews are upright without declaring it. The orientation must therefore give the same
    aspect (portrait or landscape) as the whole image.
    """
    declared = [each for each in (own.orientation, sensor.orientation, 1) if each]
    if sensor.displayed is None:
        return declared[0]
    portrait = _is_portrait(sensor.displayed)
    matching = (each for each in declared if _is_portrait(oriented_size(preview, each)) == portrait)
    return next(matching, declared[0])


def _is_portrait(size: Size) -> bool:
    return size[1] > size[0]


def _displayed_size(sensor: Size | None, preview: Size) -> Size:
    """The size of the whole image; a full preview lacks only the margins of the sensor."""
    if sensor is None:
        return preview
    full = all(side >= _FULL_SHARE * all for side, all in zip(preview, sensor, strict=True))
    return preview if full else sensor


def _pixels(size: Size) -> int:
    return size[0] * size[1]


def _lazily_developed(
    raw: RawPy | None, content_type: str, sensor: _Sensor, found: Sequence[Directory]
) -> Image.Image:
    if raw is None or sensor.displayed is None:
        raise UnreadableImage(
            f"the camera RAW file ({content_type}) has no preview of at least {_MIN_SIDE} pixels,"
            " and LibRaw cannot develop it",
            "convert it to DNG or JPEG",
            code="unsupported_raw",
        )
    is_linear = any(each.number(Tag.PHOTOMETRIC) == _LINEAR_RAW for each in found)
    width, height = sensor.displayed
    size = (width, height) if is_linear else ((width + 1) // 2, (height + 1) // 2)
    return _LazilyDeveloped(raw, content_type, size)


class _LazilyDeveloped(Image.Image):
    """A RAW image that is developed when it is loaded, upright, at half its size.

    LinearRaw data, which has all colors in each pixel, keeps its size.
    """

    format = FORMAT

    def __init__(self, raw: RawPy, content_type: str, size: Size) -> None:
        super().__init__()
        self._raw: RawPy | None = raw
        self._content_type = content_type
        self._mode = "RGB"
        self._size = size

    def load(self) -> Any:
        if self._raw is not None:
            raw, self._raw = self._raw, None
            developed = self._developed(raw)
            self.im = developed.im
            self._mode, self._size = developed.mode, developed.size
        return super().load()

    def _developed(self, raw: RawPy) -> Image.Image:
        from rawpy import LibRawError, LibRawTooBigError, LibRawUnsufficientMemoryError

        try:
            pixels = raw.postprocess(half_size=True, use_camera_wb=True, output_bps=8)
        except (LibRawUnsufficientMemoryError, LibRawTooBigError) as error:
            raise MemoryError from error
        except LibRawError as error:
            reason = error.args[0].decode() if error.args else type(error).__name__
            raise self._failed(reason) from error
        finally:
            raw.close()
        # LibRaw ignores damaged data and leaves missing pixels black.
        if _share_of_black_lines(pixels) > _MAX_BLACK:
            raise self._failed("its sensor data is damaged or truncated")
        return Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[:, :, 0])

    def _failed(self, reason: str) -> UnreadableImage:
        return UnreadableImage(
            f"the camera RAW file ({self._content_type}) has no preview of at least"
            f" {_MIN_SIDE} pixels, and developing it fails: {reason}",
            "check that it opens in an image viewer, or convert it to JPEG",
            code="damaged_image",
        )


def _share_of_black_lines(pixels: NDArray[np.uint8]) -> float:
    """The share of black rows or black columns, the higher one."""
    lit = pixels.max(axis=2) > 0
    return max(1 - float(np.mean(lit.max(axis=other))) for other in (0, 1))
