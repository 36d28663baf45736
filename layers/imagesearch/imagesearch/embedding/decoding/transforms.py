"""From a decoded picture to the model's tensor, without a second picture of full size."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor
from typing import Literal

import numpy as np
from PIL import Image

from imagesearch.domain.images import Embedding
from imagesearch.embedding.colours import to_rgb
from imagesearch.embedding.decoding.preprocessing import Box, Preprocessing, Size

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
    # In the tensor's own order first: numpy is six times as fast along rows as along three colours.
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
