"""Document pages: detection of pages, screenshots and charts, and their contrast maps.

The classifier's weights were fitted on synthetic pages, their scans and sample photos by
`models/evaluation/document_pages.py`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from imagesearch.duplicates.contrast_maps import LONGEST_SIDE, SHORTEST_SIDE, to_text
from imagesearch.embedding.decoding.transforms import without_border

# Of the features in the order of `_features`.
_WEIGHTS = np.array([-15.99, -1.57, 16.7, 17.14, 10.65, -13.84, -13.13])
_BIAS = -8.08
# Nearly all pages and one of 85 sample photos have a higher logit.
MIN_SURE_LOGIT = 0.7
# Noisy scans of pages have a higher logit, nearly all edited photos a lower one.
MIN_LOGIT = 0.1
# Differences between neighboring pixels, in levels of 255.
_EVEN, _SLIGHT, _MIDDLING, _STRONG = 3, 8, 32, 48
_BLOCK = 16
# A block has a uniform background if this many of its 256 pixels are within this many levels.
_GROUND, _GROUND_LEVELS = 96, 6
# Two box blurs of 13 and 11 cells give the surroundings, about three lines of a letter.
_RADII = (6, 5)
# Contrast of this many levels of 255 is noise.
_NOISE = 3.0
# The share of the image's RMS contrast at which a contrast is halved.
_SOFTNESS = 0.7


def page_logit(small: Image.Image) -> float:
    """The log-odds of a page; `small` is the image at about 320 pixels on the longer side."""
    gray = small.convert("L")
    if min(gray.size) < _BLOCK:
        return -math.inf
    return float(_features(np.asarray(gray)) @ _WEIGHTS) + _BIAS


def _features(gray: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[7]: shares of even pixels, strong edges (log), edges along the axes, uniform background,
    horizontal and vertical line structure, and soft edges among all edges."""
    levels = gray.astype(np.float32)
    across = np.abs(np.diff(levels, axis=1))[:-1]
    down = np.abs(np.diff(levels, axis=0))[:, :-1]
    edges = np.maximum(across, down)
    strong = float((edges > _STRONG).mean())
    soft = float(((edges > _SLIGHT) & (edges <= _MIDDLING)).mean())
    rows = np.abs(np.diff(levels.mean(axis=1))).mean() / (down.mean() + 0.5)
    columns = np.abs(np.diff(levels.mean(axis=0))).mean() / (across.mean() + 0.5)
    return np.array(
        [
            (edges <= _EVEN).mean(),
            np.log(strong + 0.003),
            np.abs(across - down).sum() / ((across + down).sum() + 1e-3),
            _ground(gray),
            rows,
            columns,
            soft / (strong + soft + 0.003),
        ]
    )


def _ground(gray: NDArray[np.uint8]) -> float:
    """The share of blocks with a uniform background."""
    height, width = (side // _BLOCK for side in gray.shape)
    blocks = gray[: height * _BLOCK, : width * _BLOCK].reshape(height, _BLOCK, width, _BLOCK)
    pixels = blocks.transpose(0, 2, 1, 3).reshape(height * width, -1)
    # NumPy's stable sort of bytes is a radix sort, which takes a sixteenth of the default's time.
    ordered = np.sort(pixels, axis=1, kind="stable")
    ranges = (ordered[:, _GROUND:] - ordered[:, :-_GROUND]).min(axis=1)
    return float((ranges <= _GROUND_LEVELS).mean())


def contrast_map(upright: Image.Image) -> str:
    """The contrast map of an upright image, without its border.

    Format: `imagesearch.duplicates.contrast_maps`.
    """
    inside = without_border(upright.convert("L"))
    scale = LONGEST_SIDE / max(inside.size)
    size = (
        max(SHORTEST_SIDE, round(inside.width * scale)),
        max(SHORTEST_SIDE, round(inside.height * scale)),
    )
    gray = inside.resize(size, Image.Resampling.BOX)
    around = gray
    for radius in _RADII:
        around = around.filter(ImageFilter.BoxBlur(radius))
    difference = np.asarray(gray, np.float32) - np.asarray(around, np.float32)
    soft = max(_NOISE, _SOFTNESS * float(np.sqrt(np.mean(difference**2))))
    return to_text(difference / np.sqrt(difference**2 + soft**2))
