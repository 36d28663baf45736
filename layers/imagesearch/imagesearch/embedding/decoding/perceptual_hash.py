"""Perceptual hash (pHash): the hashes of similar images differ in few bits."""

from __future__ import annotations

import numpy as np
from PIL import Image

_SIDE = 32
_FREQUENCIES = 8
# DCT-II without scale factors, which do not change signs.
_COSINES = np.cos(np.pi * np.outer(np.arange(_FREQUENCIES), 2 * np.arange(_SIDE) + 1) / (2 * _SIDE))
# Rounded, because an image of one color leaves only rounding errors.
_DIGITS = 6


def perceptual_hash(upright: Image.Image) -> str:
    """The 64 bits of an upright image's pHash as 16 hexadecimal digits.

    Each bit is the sign of one of the 8 x 8 lowest frequencies of 32 x 32 gray levels, row by row,
    the mean first. Zauner (2010, https://www.phash.org/docs/pubs/thesis_zauner.pdf) compares with
    the median instead; with signs, the hash of a mirrored image follows from that of the image.
    """
    small = upright.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    lowest = np.round(_COSINES @ np.asarray(small, np.float64) @ _COSINES.T, _DIGITS)
    return np.packbits(lowest > 0).tobytes().hex()
