"""A contrast map: where a picture is lighter or darker than its surroundings, as fine as words.

In a miniature all pages of text are the same gray lines. In a contrast map their words differ.
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
# Contrasts from -1 to 1 are kept in steps of a third.
STEPS = 3
# The text of a picture that may be a photo as well as a page begins with it.
UNSURE = "?"


def to_text(contrasts: Contrasts) -> str:
    """[H, W] contrasts from -1 to 1, such as `136x192:` and up to about 10,000 digits of base64."""
    height, width = contrasts.shape
    levels = (np.round(contrasts * STEPS) + STEPS).astype(np.uint8)
    packed = zlib.compress(_pairs(levels.ravel()).tobytes(), 9)
    return f"{width}x{height}:{urlsafe_b64encode(packed).decode()}"


def from_text(text: str) -> Contrasts:
    """The contrasts in steps of a third. Raises ValueError for what is no contrast map."""
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
        raise ValueError("a contrast map is deflated and written in base64") from error
    pairs = np.frombuffer(packed, np.uint8)
    if len(pairs) != (cells + 1) // 2:
        raise ValueError(f"a contrast map of {size} has {cells} cells, this one {2 * len(pairs)}")
    levels = np.column_stack([pairs >> 4, pairs & 15]).ravel()[:cells].reshape(height, width)
    contrasts: Contrasts = (levels.astype(np.float32) - STEPS) / np.float32(STEPS)
    return contrasts


def _pairs(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two levels in a byte: deflate packs half as many bytes in less time."""
    even = np.append(levels, np.zeros(len(levels) % 2, np.uint8)).reshape(-1, 2)
    return (even[:, 0] * 16 + even[:, 1]).astype(np.uint8)
