"""Transforms of a decoded image: EXIF orientation, conversion to RGB, resampling, border removal.

No transform creates a second image of full size.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagesearch.domain.images import Embedding
from imagesearch.embedding.decoding.color.srgb import Convert, Curve, conversion, gray_curve
from imagesearch.embedding.decoding.preprocessing import Box, Preprocessing, Size

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TRANSPOSED = (5, 6, 7, 8)
_MIRRORED_X = (2, 3, 7, 8)
_MIRRORED_Y = (3, 4, 6, 7)
_GRAYSCALE_MODES = ("1", "L", "LA", "La")
_BYTE, _WORD = 255, 65_535
# Reducing by averaging to three times the target size before resampling gives results that are
# indistinguishable from resampling alone (Pillow's documentation of `reducing_gap`).
REDUCING_GAP = 3
_FILTER_SUPPORT = 2
_CHUNK_PIXELS = 1_000_000
_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
}
# JPEG compression changes the uniform color of a border by up to this many levels of 255.
_BORDER_TOLERANCE = 12
# An image with less than this share of a side inside the border is blank instead.
_MIN_REMAINING = 0.25


def resample(
    image: Image.Image,
    box: Box,
    size: Size,
    filter: Literal["bicubic", "bilinear", "hamming"],
    gap: float = REDUCING_GAP,
) -> Image.Image:
    """Resample `box` of a loaded image of any mode to RGB of `size`.

    The image is first reduced by averaging to at least `gap` times `size`; lower values are faster.
    """
    left, top, right, bottom = box
    scale = (right - left) / size[0], (bottom - top) / size[1]
    factor = max(1, int(scale[0] / gap)), max(1, int(scale[1] / gap))
    if factor == (1, 1) and _is_plain_rgb(image):
        return image.resize(size, _FILTERS[filter], box)
    x0, x1 = _span(left, right, scale[0], factor[0], image.width)
    y0, y1 = _span(top, bottom, scale[1], factor[1], image.height)
    reduced = _reduced(image, (x0, y0, x1, y1), factor)
    inner = (
        max(0, (left - x0) / factor[0]),
        max(0, (top - y0) / factor[1]),
        min(reduced.width, (right - x0) / factor[0]),
        min(reduced.height, (bottom - y0) / factor[1]),
    )
    return reduced.resize(size, _FILTERS[filter], inner)


def tensor(square: Image.Image, preprocessing: Preprocessing) -> Embedding:
    """[3, size, size] float32 from RGB: (x / 255 − mean) / std."""
    # Transposed first: NumPy is six times as fast along rows as along three channels.
    values = np.asarray(square).transpose(2, 0, 1).astype(np.float32, order="C")
    values /= np.float32(255)
    values -= np.asarray(preprocessing.mean, np.float32)[:, None, None]
    values /= np.asarray(preprocessing.std, np.float32)[:, None, None]
    return values


def _is_plain_rgb(image: Image.Image) -> bool:
    """True for an image whose pixels need no conversion, and are resampled without a copy."""
    has_profile = image.info.get("icc_profile") is not None
    return image.mode == "RGB" and not (has_profile or image.has_transparency_data)


def _span(low: float, high: float, scale: float, factor: int, length: int) -> tuple[int, int]:
    """The pixels within the box and the support of the filter, in multiples of `factor`."""
    margin = _FILTER_SUPPORT * max(scale, 1) + 1
    first = max(0, floor((low - margin) / factor) * factor)
    return first, min(length, ceil((high + margin) / factor) * factor)


def _reduced(image: Image.Image, region: tuple[int, int, int, int], factor: Size) -> Image.Image:
    left, top, right, bottom = region
    size = ceil((right - left) / factor[0]), ceil((bottom - top) / factor[1])
    whole, convert = Image.new("RGB", size), to_rgb(image)
    for chunk in _chunks(region, factor):
        rgb = convert(image.crop(chunk))
        smaller = rgb if factor == (1, 1) else rgb.reduce(factor)
        whole.paste(smaller, ((chunk[0] - left) // factor[0], (chunk[1] - top) // factor[1]))
    return whole


def _chunks(region: tuple[int, int, int, int], factor: Size) -> Iterator[tuple[int, int, int, int]]:
    """The region divided into chunks of bounded size, at multiples of the factor."""
    left, top, right, bottom = region
    columns = factor[0] * max(1, min(right - left, _CHUNK_PIXELS // factor[1]) // factor[0])
    rows = factor[1] * max(1, _CHUNK_PIXELS // (min(columns, right - left) * factor[1]))
    for y in range(top, bottom, rows):
        for x in range(left, right, columns):
            yield x, y, min(x + columns, right), min(y + rows, bottom)


def to_rgb(image: Image.Image) -> Convert:
    """A function that converts chunks of this loaded image to RGB over white, of any mode.

    Colors are converted by the profile that `to_srgb` left in `info`, if any. All chunks of an
    image must be converted by the same function.
    """
    profile = image.info.get("icc_profile")
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        low, high = _levels(image)
        curve = gray_curve(profile)
        return lambda chunk: _scaled(chunk, low, high, curve)
    plain = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode in _GRAYSCALE_MODES:
        return _from_gray(gray_curve(profile), plain)
    mode = "CMYK" if image.mode == "CMYK" else plain
    # Pillow converts Lab without a profile.
    convert = None if image.mode == "LAB" else conversion(profile, mode)

    def rgb(chunk: Image.Image) -> Image.Image:
        converted = chunk.convert(mode) if convert and chunk.mode != mode else chunk
        return over_white(convert(converted) if convert else converted)

    return rgb


def _from_gray(curve: Curve | None, plain: str) -> Convert:
    """Converts grayscale by a curve; alpha does not change."""
    table = [*curve * 3, *range(256)][: 256 * len(plain)] if curve else None

    def rgb(chunk: Image.Image) -> Image.Image:
        return over_white(_straight(chunk).convert(plain).point(table) if table else chunk)

    return rgb


def over_white(chunk: Image.Image) -> Image.Image:
    """RGB, with transparency flattened over white."""
    if not chunk.has_transparency_data:
        return chunk if chunk.mode == "RGB" else chunk.convert("RGB")
    rgba = _straight(chunk).convert("RGBA")
    white = Image.new("RGB", chunk.size, "white")
    white.paste(rgba, mask=rgba)
    return white


def _straight(chunk: Image.Image) -> Image.Image:
    """Pillow converts premultiplied gray (La) to RGBA only via LA."""
    return chunk.convert("LA") if chunk.mode == "La" else chunk


def _levels(image: Image.Image) -> tuple[float, float]:
    """The values of black and white.

    Modes with 16 bits define them. For 32 bits, the smallest common range that contains all values
    is used, else the range of the values.
    """
    if image.mode.startswith("I;16"):
        return 0, _WORD
    low, high = _extrema(image)
    usual = (1, _BYTE) if image.mode == "F" else (_BYTE, _WORD)
    for white in usual:
        if low >= 0 and high <= white:
            return 0, white
    return low, high


def _extrema(image: Image.Image) -> tuple[float, float]:
    """The lowest and highest finite values, by rows because a copy of the image may have 400 MB."""
    low, high = np.inf, -np.inf
    for top in range(image.height):
        row = np.asarray(image.crop((0, top, image.width, top + 1)))
        finite = row[np.isfinite(row)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0, 1)


def _scaled(chunk: Image.Image, low: float, high: float, curve: Curve | None) -> Image.Image:
    values = np.nan_to_num(np.asarray(chunk, np.float64), nan=low, posinf=high, neginf=low)
    gray = np.clip((values - low) * (_BYTE / ((high - low) or 1)), 0, _BYTE)
    if curve:
        gray = np.interp(gray, np.arange(_BYTE + 1), curve)
    if (transparent := chunk.info.get("transparency")) is not None:
        gray[values == transparent] = _BYTE
    return Image.fromarray(np.rint(gray).astype(np.uint8)).convert("RGB")


def oriented_size(size: Size, orientation: int) -> Size:
    """Width and height after applying an EXIF orientation; the inverse is the same."""
    return (size[1], size[0]) if orientation in _TRANSPOSED else size


def stored_box(box: Box, stored: Size, orientation: int) -> Box:
    """A box of the displayed image in coordinates of the stored image of size `stored`."""
    left, top, right, bottom = box
    if orientation in _TRANSPOSED:
        left, top, right, bottom = top, left, bottom, right
    if orientation in _MIRRORED_X:
        left, right = stored[0] - right, stored[0] - left
    if orientation in _MIRRORED_Y:
        top, bottom = stored[1] - bottom, stored[1] - top
    return left, top, right, bottom


def oriented(image: Image.Image, orientation: int) -> Image.Image:
    """The image as displayed, by its EXIF orientation, 1 to 8."""
    method = _TRANSPOSITIONS.get(orientation)
    return image if method is None else image.transpose(method)


def without_border(gray: Image.Image) -> Image.Image:
    """A grayscale image without its uniform border, if it has one."""
    levels = np.asarray(gray, np.int16)
    top, bottom = _uniform_lines(levels), _uniform_lines(levels[::-1])
    left, right = _uniform_lines(levels.T), _uniform_lines(levels.T[::-1])
    width, height = gray.width - left - right, gray.height - top - bottom
    if width < _MIN_REMAINING * gray.width or height < _MIN_REMAINING * gray.height:
        return gray
    return gray.crop((left, top, left + width, top + height))


def _uniform_lines(lines: NDArray[np.int16]) -> int:
    """The number of lines at the start that are uniform in the color of the first one."""
    uneven = (np.abs(lines - int(np.median(lines[0]))) > _BORDER_TOLERANCE).any(axis=1)
    return int(uneven.argmax()) if uneven.any() else len(lines)
