"""Camera RAW: the picture that the camera put into the file to be shown, else the developed one.

`rawpy` (LibRaw) is imported when the first RAW file comes. What it does not open is searched for
previews all the same. A file's thumbnail, of the size of a stamp, is never taken for its picture.
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
from imagesearch.embedding.decoding.raw import maker_notes
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
# A preview is shown if its longest side has so many pixels, or nearly those of the whole picture.
# Models look at 224 to 384 pixels and people at thumbnails of 320; the stamps that cameras write
# beside the preview have 160, some 320.
LEAST_SIDE = 512
_LEAST_PART = 0.9
# A preview with this part of the sensor's lines and columns shows all that its maker shows.
_FULL = 0.95
# A developed picture with a larger part of black lines is not taken for a picture.
_MOST_BLACK = 0.5
# Of what is developed; a preview has the format of its own.
FORMAT = "RAW"
# Of a preview that is no file of any format.
BITMAP = "RAW preview"
_FACTS = "camera_raw"
# Sensor data as the cameras of some makers compress it; no TIFF decoder reads it.
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
class Facts:
    """What a RAW file is, whatever is shown of it; `size` is of its picture as displayed."""

    content_type: str
    size: Size | None


@dataclass(frozen=True, slots=True)
class _Sensor:
    """The whole picture as stored, its size where it is known, and how it is to be turned."""

    size: Size | None
    orientation: int

    @property
    def displayed(self) -> Size | None:
        return oriented_size(self.size, self.orientation) if self.size else None


@dataclass(frozen=True, slots=True)
class _Shown:
    """A picture that may be shown in place of the developed one.

    `orientation` is that of a TIFF's directory, which its decoder obeys by itself.
    """

    size: Size
    open: Callable[[OpenPicture], Image.Image]
    orientation: int | None = None


def facts(image: Image.Image) -> Facts | None:
    """Of an image that came out of a RAW file; None for any other."""
    found = image.info.get(_FACTS)
    return found if isinstance(found, Facts) else None


def raw_type(data: bytes) -> str | None:
    """The media type of a camera RAW file, by its content; None for everything else."""
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


def opened(data: bytes, content_type: str, open_picture: OpenPicture) -> Image.Image:
    """What is shown of a RAW file: its header is read, and its EXIF says how it is turned.

    `open_picture` opens a JPEG or TIFF. Raises UnreadableImage where nothing can be shown.
    """
    found = directories(data)
    notes = maker_notes.of_container(data, found)
    raw = _libraw(data)
    sensor = _sensor(raw, found, notes)
    shown = _largest(data, found, raw, sensor)
    if shown is None:
        image = _undeveloped(raw, content_type, sensor, found)
        size, notes = sensor.displayed, notes.turned(1)
    else:
        if raw:
            raw.close()
        image = shown.open(open_picture)
        own = maker_notes.of_image(image)
        notes = own.and_over_them(notes)
        notes = notes.turned(shown.orientation or _orientation(shown.size, own, sensor))
        size = _whole_size(sensor.displayed, oriented_size(shown.size, notes.orientation or 1))
    maker_notes.write(notes, image)
    image.info[_FACTS] = Facts(content_type, size)
    return image


def _is_raw(found: Sequence[Directory]) -> bool:
    """Whether a TIFF holds what a sensor saw, or shows a thumbnail of what lies elsewhere in it."""
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
    """The file, opened by LibRaw; None if it does not know its kind or its camera, or is not there.

    There is no wheel of it for every machine; most files can be shown without it.
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


def _sensor(raw: RawPy | None, found: Sequence[Directory], notes: maker_notes.Notes) -> _Sensor:
    """As LibRaw knows it, else as the file's own tables have it."""
    if raw:
        sizes = raw.sizes
        whole = sizes.width, sizes.height
        cropped = sizes.crop_width, sizes.crop_height
        # What the maker wants to be seen; some files tell nonsense.
        sane = all(part <= all <= 2 * part for part, all in zip(cropped, whole, strict=True))
        flip = sizes.flip if 0 <= sizes.flip < len(_ORIENTATION_OF_FLIP) else 0
        size = cropped if sane else whole
        return _Sensor(size if all(size) else None, _ORIENTATION_OF_FLIP[flip])
    stored = [
        (each.number(Tag.WIDTH), each.number(Tag.HEIGHT)) for each in found if is_sensor(each)
    ]
    size = max(stored, key=_pixels, default=(0, 0))
    return _Sensor(size if all(size) else None, notes.orientation or 1)


def _largest(
    data: bytes, found: Sequence[Directory], raw: RawPy | None, sensor: _Sensor
) -> _Shown | None:
    """The largest preview, if it is large enough; all bytes are searched only if it must be."""
    shown = [_in_file(data, each) for each in declared_previews(data, found)]
    if raw and (thumb := _thumb(raw)):
        shown.append(thumb)
    largest = max(shown, key=lambda each: _pixels(each.size), default=None)
    if largest is None or not _is_enough(largest.size, sensor):
        shown = [_in_file(data, each) for each in undeclared_previews(data, found)]
        largest = max(shown, key=lambda each: _pixels(each.size), default=None)
    return largest if largest and _is_enough(largest.size, sensor) else None


def _is_enough(size: Size, sensor: _Sensor) -> bool:
    longest = max(size)
    part = longest / max(sensor.size) if sensor.size else 0
    return longest >= LEAST_SIDE or part >= _LEAST_PART


def _in_file(data: bytes, preview: Preview) -> _Shown:
    turned = preview.directory.number(Tag.ORIENTATION) if preview.directory else 0
    return _Shown(
        preview.size,
        lambda open_picture: open_picture(preview.content(data)),
        turned if 1 <= turned <= 8 else None,
    )


def _thumb(raw: RawPy) -> _Shown | None:
    """The largest preview that LibRaw finds; it knows makers' own tables."""
    try:
        thumb = raw.extract_thumb()
    except Exception:  # there is none, or of a kind that LibRaw does not pass on
        return None
    if not isinstance(thumb.data, bytes):
        bitmap = Image.fromarray(thumb.data)
        bitmap.format = BITMAP
        return _Shown(bitmap.size, lambda _: bitmap)
    found = jpeg(thumb.data)
    return _in_file(thumb.data, found) if found else None


def _orientation(preview: Size, own: maker_notes.Notes, sensor: _Sensor) -> int:
    """How a preview is to be turned: as it says itself, else as the file says of its picture.

    Some are upright already without saying so: the shape of the whole picture decides.
    """
    said = [own.orientation, sensor.orientation, 1]
    ways = [each for each in said if each]
    if sensor.displayed is None:
        return ways[0]
    fitting = (
        way for way in ways if _is_tall(oriented_size(preview, way)) == _is_tall(sensor.displayed)
    )
    return next(fitting, ways[0])


def _is_tall(size: Size) -> bool:
    return size[1] > size[0]


def _whole_size(sensor: Size | None, preview: Size) -> Size:
    """The size of the whole picture: a full preview lacks only the sensor's margins."""
    if sensor is None:
        return preview
    full = all(part >= _FULL * all for part, all in zip(preview, sensor, strict=True))
    return preview if full else sensor


def _pixels(size: Size) -> int:
    return size[0] * size[1]


def _undeveloped(
    raw: RawPy | None, content_type: str, sensor: _Sensor, found: Sequence[Directory]
) -> Image.Image:
    if raw is None or sensor.displayed is None:
        raise UnreadableImage(
            f"the camera RAW file ({content_type}) has no preview of at least {LEAST_SIDE} pixels,"
            " and LibRaw does not know how to develop it",
            "convert it to DNG or JPEG",
            code="unsupported_raw",
        )
    kept = any(each.number(Tag.PHOTOMETRIC) == _LINEAR_RAW for each in found)
    width, height = sensor.displayed
    size = (width, height) if kept else ((width + 1) // 2, (height + 1) // 2)
    return _Undeveloped(raw, content_type, size)


class _Undeveloped(Image.Image):
    """A RAW picture that is developed when its pixels are asked for, upright, at half its size.

    What has all colors in each of its pixels keeps its size.
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
        # LibRaw passes over damaged data, and leaves black what it cannot fill.
        if _share_of_black_lines(pixels) > _MOST_BLACK:
            raise self._failed("its sensor data is damaged or cut short")
        return Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[:, :, 0])

    def _failed(self, reason: str) -> UnreadableImage:
        return UnreadableImage(
            f"the camera RAW file ({self._content_type}) has no preview of at least"
            f" {LEAST_SIDE} pixels, and developing it fails: {reason}",
            "check that it opens in a viewer, or convert it to JPEG",
            code="damaged_image",
        )


def _share_of_black_lines(pixels: NDArray[np.uint8]) -> float:
    """Of the rows or of the columns, whichever are more."""
    lit = pixels.max(axis=2) > 0
    return max(1 - float(np.mean(lit.max(axis=other))) for other in (0, 1))
