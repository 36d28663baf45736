"""A perceptual hash: pictures that look alike differ in few of its bits."""

from __future__ import annotations

import numpy as np
from PIL import Image

_SIDE = 32
_FREQUENCIES = 8
# DCT-II without its scale, which changes no sign.
_COSINES = np.cos(np.pi * np.outer(np.arange(_FREQUENCIES), 2 * np.arange(_SIDE) + 1) / (2 * _SIDE))
# Of a picture in one color nothing but rounding errors is left.
_DIGITS = 6


def perceptual_hash(upright: Image.Image) -> str:
    """The 64 bits of an upright picture's pHash as 16 hexadecimal digits.

    A bit says whether one of the 8 x 8 lowest frequencies of 32 x 32 grays is positive, row by row,
    the mean first: Zauner 2010, https://www.phash.org/docs/pubs/thesis_zauner.pdf, who takes their
    median for zero; without it, a mirrored picture's hash follows from the picture's.
    """
    small = upright.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    lowest = np.round(_COSINES @ np.asarray(small, np.float64) @ _COSINES.T, _DIGITS)
    return np.packbits(lowest > 0).tobytes().hex()
