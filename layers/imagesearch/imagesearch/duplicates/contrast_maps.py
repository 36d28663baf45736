"""Contrast maps: the local contrast of an image at a resolution that shows words of a page.

Miniatures of all pages of text are nearly equal; contrast maps distinguish them.
"""

import binascii
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Contrasts: TypeAlias = NDArray[np.float32]

LONGEST_SIDE = 192
SHORTEST_SIDE = 8
# Prefix of the text for an image that may be a page or a photo.
UNSURE = "?"
# Contrasts from -1 to 1 are stored in steps of a third.
_STEPS = 3


def to_text(contrasts: Contrasts) -> str:
    """Contrasts [H, W] from -1 to 1 as text: `136x192:` and up to 10,000 characters of base64."""
    height, width = contrasts.shape
    levels = (np.round(contrasts * _STEPS) + _STEPS).astype(np.uint8)
    packed = zlib.compress(_pairs(levels.ravel()).tobytes(), 9)
    return f"{width}x{height}:{urlsafe_b64encode(packed).decode()}"


def from_text(text: str) -> Contrasts:
    """The contrasts [H, W] float32 in steps of a third. Raises ValueError for an invalid text."""
    size, _, digits = text.partition(":")
    width, height = (int(side) for side in size.split("x"))
    if not all(SHORTEST_SIDE <= side <= LONGEST_SIDE for side in (width, height)):
        raise ValueError(
            f"a contrast map has {SHORTEST_SIDE} to {LONGEST_SIDE} columns and rows, not {size}"
        )
    cells = width * height
    try:
        packed = zlib.decompressobj().decompress(urlsafe_b64decode(digits), cells)
    except (binascii.Error, zlib.error) as error:
        raise ValueError("a contrast map is compressed with deflate, in base64") from error
    pairs = np.frombuffer(packed, np.uint8)
    if len(pairs) != (cells + 1) // 2:
        raise ValueError(f"a contrast map of {size} has {cells} cells, not {2 * len(pairs)}")
    levels = np.column_stack([pairs >> 4, pairs & 15]).ravel()[:cells].reshape(height, width)
    contrasts: Contrasts = (levels.astype(np.float32) - _STEPS) / np.float32(_STEPS)
    return contrasts


def _pairs(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two levels in each byte, because deflate is faster with half the bytes."""
    even = np.append(levels, np.zeros(len(levels) % 2, np.uint8)).reshape(-1, 2)
    return (even[:, 0] * 16 + even[:, 1]).astype(np.uint8)
