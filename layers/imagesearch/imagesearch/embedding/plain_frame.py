"""The part of a picture inside a frame of one colour: bars of a screenshot, a white border."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# JPEG blurs a frame's edge and roughens its colour by this many levels of 255.
_TOLERANCE = 12
# What would leave less than this share of a side is no frame but an empty picture.
_LEAST_LEFT = 0.25


def inside_frame(grey: Image.Image) -> Image.Image:
    """The grey picture without its frame, or as it is where it has none."""
    levels = np.asarray(grey, np.int16)
    top, bottom = _plain_lines(levels), _plain_lines(levels[::-1])
    left, right = _plain_lines(levels.T), _plain_lines(levels.T[::-1])
    width, height = grey.width - left - right, grey.height - top - bottom
    if width < _LEAST_LEFT * grey.width or height < _LEAST_LEFT * grey.height:
        return grey
    return grey.crop((left, top, left + width, top + height))


def _plain_lines(lines: NDArray[np.int16]) -> int:
    """How many lines at the beginning have the colour of the first one throughout."""
    uneven = (np.abs(lines - int(np.median(lines[0]))) > _TOLERANCE).any(axis=1)
    return int(uneven.argmax()) if uneven.any() else len(lines)
