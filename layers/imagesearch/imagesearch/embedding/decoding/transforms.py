"""From a decoded picture to the model's tensor, without a second picture of full size.

Between a picture as it is stored and as it is displayed (Exif orientations 1 to 8).

From every mode that Pillow decodes to RGB over white.
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

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_MIRRORED_X = (2, 3, 7, 8)
_MIRRORED_Y = (3, 4, 6, 7)


def oriented_size(size: Size, orientation: int) -> Size:
    """Width and height after turning, or before: it is its own inverse."""
    return (size[1], size[0]) if orientation in _SIDEWAYS else size


def stored_box(box: Box, stored: Size, orientation: int) -> Box:
    """Where a box of the displayed picture lies in the stored one of size `stored`."""
    left, top, right, bottom = box
    if orientation in _SIDEWAYS:
        left, top, right, bottom = top, left, bottom, right
    if orientation in _MIRRORED_X:
        left, right = stored[0] - right, stored[0] - left
    if orientation in _MIRRORED_Y:
        top, bottom = stored[1] - bottom, stored[1] - top
    return left, top, right, bottom


def oriented(image: Image.Image, orientation: int) -> Image.Image:
    """The picture as displayed."""
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


_GRAYS = ("1", "L", "LA", "La")
_BYTE, _WORD = 255, 65_535


def to_rgb(image: Image.Image) -> Convert:
    """How parts of this loaded picture become RGB; parts of one picture are all treated alike.

    Of a profile that is left in `info` (srgb.py) the colors are converted, too.
    """
    profile = image.info.get("icc_profile")
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        low, high = _levels(image)
        curve = gray_curve(profile)
        return lambda part: _scaled(part, low, high, curve)
    plain = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode in _GRAYS:
        return _from_gray(gray_curve(profile), plain)
    mode = "CMYK" if image.mode == "CMYK" else plain
    # Pillow converts Lab itself, and a Lab profile has nothing to add.
    convert = None if image.mode == "LAB" else conversion(profile, mode)

    def rgb(part: Image.Image) -> Image.Image:
        given = part.convert(mode) if convert and part.mode != mode else part
        return _over_white(convert(given) if convert else given)

    return rgb


def _from_gray(curve: Curve | None, plain: str) -> Convert:
    """Alpha stays as it is."""
    table = [*curve * 3, *range(256)][: 256 * len(plain)] if curve else None

    def rgb(part: Image.Image) -> Image.Image:
        # Pillow takes premultiplied gray to RGBA by way of LA alone.
        straight = part.convert("LA") if part.mode == "La" else part
        return _over_white(straight.convert(plain).point(table) if table else straight)

    return rgb


def _over_white(part: Image.Image) -> Image.Image:
    if not part.has_transparency_data:
        return part if part.mode == "RGB" else part.convert("RGB")
    rgba = part.convert("RGBA")
    white = Image.new("RGB", part.size, "white")
    white.paste(rgba, mask=rgba)
    return white


def _levels(image: Image.Image) -> tuple[float, float]:
    """Which values mean black and white.

    16-bit grays say so by their type. Of 32-bit ones nothing says it: a range in common use that
    holds all values is taken, else the values' own.
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
    """The least and the greatest finite value, row by row: a whole copy may be 400 MB."""
    low, high = np.inf, -np.inf
    for top in range(image.height):
        row = np.asarray(image.crop((0, top, image.width, top + 1)))
        finite = row[np.isfinite(row)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0, 1)


def _scaled(part: Image.Image, low: float, high: float, curve: Curve | None) -> Image.Image:
    values = np.nan_to_num(np.asarray(part, np.float64), nan=low, posinf=high, neginf=low)
    gray = np.clip((values - low) * (_BYTE / ((high - low) or 1)), 0, _BYTE)
    if curve:
        gray = np.interp(gray, np.arange(_BYTE + 1), curve)
    return Image.fromarray(np.rint(gray).astype(np.uint8)).convert("RGB")


# Averaging whole pixels down to three times the target, then resampling once, cannot be told
# from resampling alone (Pillow's documentation of `reducing_gap`).
REDUCING_GAP = 3
_SUPPORT = 2
_PART_PIXELS = 1_000_000
_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}


def resample(
    image: Image.Image,
    box: Box,
    size: Size,
    filter: Literal["bicubic", "bilinear"],
    gap: float = REDUCING_GAP,
) -> Image.Image:
    """`box` of a loaded picture in any mode as RGB of `size`.

    Whole pixels are averaged down to `gap` times the size first: the smaller, the faster.
    """
    left, top, right, bottom = box
    scale = (right - left) / size[0], (bottom - top) / size[1]
    factor = max(1, int(scale[0] / gap)), max(1, int(scale[1] / gap))
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


def tensor(square: Image.Image, wanted: Preprocessing) -> Embedding:
    """[3, size, size] float32 from RGB: (x / 255 − mean) / std."""
    # In the tensor's own order first: numpy is six times as fast along rows as along three colors.
    values = np.asarray(square).transpose(2, 0, 1).astype(np.float32, order="C")
    values /= np.float32(255)
    values -= np.asarray(wanted.mean, np.float32)[:, None, None]
    values /= np.asarray(wanted.std, np.float32)[:, None, None]
    return values


def _span(low: float, high: float, scale: float, factor: int, length: int) -> tuple[int, int]:
    """The pixels that count: the box and what the filter sees beside it, in whole factors."""
    margin = _SUPPORT * max(scale, 1) + 1
    first = max(0, floor((low - margin) / factor) * factor)
    return first, min(length, ceil((high + margin) / factor) * factor)


def _reduced(image: Image.Image, region: tuple[int, int, int, int], factor: Size) -> Image.Image:
    left, top, right, bottom = region
    size = ceil((right - left) / factor[0]), ceil((bottom - top) / factor[1])
    whole, convert = Image.new("RGB", size), to_rgb(image)
    for part in _parts(region, factor):
        rgb = convert(image.crop(part))
        smaller = rgb if factor == (1, 1) else rgb.reduce(factor)
        whole.paste(smaller, ((part[0] - left) // factor[0], (part[1] - top) // factor[1]))
    return whole


def _parts(region: tuple[int, int, int, int], factor: Size) -> Iterator[tuple[int, int, int, int]]:
    """The region cut into parts of bounded size, at multiples of the factor."""
    left, top, right, bottom = region
    columns = factor[0] * max(1, min(right - left, _PART_PIXELS // factor[1]) // factor[0])
    rows = factor[1] * max(1, _PART_PIXELS // (min(columns, right - left) * factor[1]))
    for y in range(top, bottom, rows):
        for x in range(left, right, columns):
            yield x, y, min(x + columns, right), min(y + rows, bottom)


# JPEG blurs a frame's edge and roughens its color by this many levels of 255.
_TOLERANCE = 12
# What would leave less than this share of a side is no frame but an empty picture.
_LEAST_LEFT = 0.25


def inside_frame(gray: Image.Image) -> Image.Image:
    """The gray picture without its frame, or as it is where it has none."""
    levels = np.asarray(gray, np.int16)
    top, bottom = _plain_lines(levels), _plain_lines(levels[::-1])
    left, right = _plain_lines(levels.T), _plain_lines(levels.T[::-1])
    width, height = gray.width - left - right, gray.height - top - bottom
    if width < _LEAST_LEFT * gray.width or height < _LEAST_LEFT * gray.height:
        return gray
    return gray.crop((left, top, left + width, top + height))


def _plain_lines(lines: NDArray[np.int16]) -> int:
    """How many lines at the beginning have the color of the first one throughout."""
    uneven = (np.abs(lines - int(np.median(lines[0]))) > _TOLERANCE).any(axis=1)
    return int(uneven.argmax()) if uneven.any() else len(lines)
