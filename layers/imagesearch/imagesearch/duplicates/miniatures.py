"""Miniatures: 24 x 24 grayscale thumbnails, and template matching of two of them.

Matching finds an image that was cropped from the other one. It compares edges by normalized
cross-correlation of gradients, because the gray levels of any two images with a bright sky are
similar.
"""

import binascii
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from imagesearch.duplicates.registration import Alignment

Grays: TypeAlias = NDArray[np.float32]
Size: TypeAlias = tuple[int, int]
Indexes: TypeAlias = NDArray[np.int64]

SIDE = 24
# Six bits are one character of base64.
LEVELS = 64
_CHARACTERS = SIDE * SIDE
# The lowest ratio with three decimals; an image of 1 x 30,000 pixels is narrower.
_MIN_RATIO = 0.001
# Sizes of a part in shares of the sides of the whole, down to a quarter of the area.
_SCALES = tuple(np.linspace(1.0, 0.5, 9).tolist())
_MIN_SIDE = 6
# The narrowest and widest part that spans the whole in one direction. Others are compared as if
# they had this ratio, with _MIN_SIDE pixels in the other direction at every scale.
_NARROWEST, _WIDEST = _MIN_SIDE / SIDE, SIDE / _MIN_SIDE
# Copies with an overlap of 0.7 at the best size have at least 0.6 at every second size: below this
# value there, the other sizes are not compared.
_MIN_ROUGH_OVERLAP = 0.55
# Strong edges have more weight than weak ones, but are not decisive alone.
_SOFTNESS = 0.5
_CACHED_PARTS = 64
# Mirroring inverts horizontal gradients.
_MIRROR_SIGNS = np.array([-1, 1], np.float32).reshape(2, 1, 1)


@dataclass(frozen=True, eq=False)
class Miniature:
    """The gray levels [24, 24] of an image and its aspect ratio, width / height."""

    grays: Grays
    ratio: float

    @classmethod
    def of(cls, text: str) -> "Miniature":
        """Parse a miniature; raises ValueError for an invalid text."""
        return cls(*from_text(text))

    @cached_property
    def edges(self) -> Grays:
        return _edges(self.grays)


def overlap(one: Miniature, other: Miniature) -> float:
    """The highest correlation of the edges of both images over all positions and sizes: up to 1.

    Either image may be the part: a crop is part of its original, an original is part of a copy with
    a border. The part may be mirrored. Unrelated images have about 0.4.
    """
    comparisons = [
        (part, whole, size)
        for part, whole in ((one, other), (other, one))
        for size in _sizes(_shape(part.ratio, whole.ratio))
    ]
    rough = max(_best_correlation(*each) for each in comparisons[::2])
    if rough < _MIN_ROUGH_OVERLAP:
        return rough
    return max(rough, *(_best_correlation(*each) for each in comparisons[1::2]))


def best_placement(one: Miniature, other: Miniature) -> tuple[Alignment, bool]:
    """The best placement of one image in the other, and whether `one` is the part."""
    best, found, one_is_part = -2.0, Alignment(0.0, 0.0, 1.0, 1.0, False), True
    for part, whole, first in ((one, other, True), (other, one, False)):
        for size in _sizes(_shape(part.ratio, whole.ratio)):
            windows, lengths = _windows(whole, size)
            correlations = (windows @ _shrunk(part, size)) / lengths[:, None]
            window, mirrored = divmod(int(correlations.argmax()), 2)
            if correlations.flat[2 * window + mirrored] > best:
                best = float(correlations.flat[2 * window + mirrored])
                top, left = divmod(window, SIDE - size[1] + 1)
                shares = (top / SIDE, left / SIDE, size[0] / SIDE, size[1] / SIDE)
                found, one_is_part = Alignment(*shares, mirrored == 1), first
    return found, one_is_part


def _shape(part: float, whole: float) -> float:
    """The aspect ratio of the part in a square whole, within the bounds, to two decimals."""
    return round(min(max(part / whole, _NARROWEST), _WIDEST), 2)


@cache
def _sizes(ratio: float) -> list[Size]:
    """Heights and widths of parts with this aspect ratio in a miniature, at all scales."""
    height, width = min(1.0, 1 / ratio) * SIDE, min(1.0, ratio) * SIDE
    sizes = {(round(height * scale), round(width * scale)) for scale in _SCALES}
    return sorted({(max(_MIN_SIDE, high), max(_MIN_SIDE, wide)) for high, wide in sizes})


def _best_correlation(part: Miniature, whole: Miniature, size: Size) -> float:
    windows, lengths = _windows(whole, size)
    correlations = (windows @ _shrunk(part, size)).max(axis=1) / lengths
    return float(correlations.max())


# Cached, because one image is compared with many.
@lru_cache(_CACHED_PARTS)
def _shrunk(part: Miniature, size: Size) -> Grays:
    """Edges of the part resized to `size`, as is and mirrored: [2 H W, 2], columns of length 1."""
    height, width = size
    small = _shrinking(height) @ part.grays @ _shrinking(width).T
    edges = _edges(np.asarray(small, np.float32))
    mirrored = edges[:, :, ::-1] * _MIRROR_SIGNS
    both = np.stack([edges.ravel(), mirrored.ravel()], axis=1)
    unit: Grays = both / (np.sqrt(np.vdot(edges, edges)) + 1e-6)
    return unit


@lru_cache(_CACHED_PARTS)
def _windows(whole: Miniature, size: Size) -> tuple[Grays, Grays]:
    """The edges in each window of that size: [N, 2 H W], and the lengths of these vectors: [N]."""
    views = sliding_window_view(whole.edges, size, axis=(1, 2)).transpose(1, 2, 0, 3, 4)
    windows = views.reshape(-1, 2 * size[0] * size[1])
    return windows, np.sqrt(np.einsum("ij,ij->i", windows, windows)) + 1e-6


def _edges(grays: Grays) -> Grays:
    """Horizontal and vertical central differences [2, H, W], with strong ones attenuated."""
    height, width = grays.shape
    differences = np.empty((2, height, width), np.float32)
    (left, right), (above, below) = _neighbors(width), _neighbors(height)
    np.subtract(grays[:, right], grays[:, left], out=differences[0])
    np.subtract(grays[below], grays[above], out=differences[1])
    strength = np.sqrt(np.einsum("ijk,ijk->jk", differences, differences))
    differences /= np.sqrt(strength + _SOFTNESS)
    return differences


@cache
def _neighbors(length: int) -> tuple[Indexes, Indexes]:
    """The previous and the next line of each; the outermost lines are their own neighbors."""
    lines = np.arange(length)
    return np.maximum(lines - 1, 0), np.minimum(lines + 1, length - 1)


@cache
def _shrinking(side: int) -> Grays:
    """[side, 24]: a matrix that resizes by area averaging."""
    borders, lines = np.linspace(0, SIDE, side + 1), np.arange(SIDE)
    ends = np.minimum(borders[1:, None], lines + 1) - np.maximum(borders[:-1, None], lines)
    covered = np.clip(ends, 0, None)
    shares: Grays = (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def to_text(grays: Grays, ratio: float) -> str:
    """Gray levels [24, 24] and the aspect ratio as text: `1.500:` and 576 characters of base64.

    The 64 levels range from the darkest to the lightest value, so that brightness and contrast of
    the image do not matter.
    """
    low, high = float(grays.min()), float(grays.max())
    levels = np.round((grays - low) * ((LEVELS - 1) / max(high - low, 1.0))).astype(np.uint8)
    six_bits = np.unpackbits(levels.reshape(-1, 1), axis=1)[:, 2:]
    digits = urlsafe_b64encode(np.packbits(six_bits).tobytes()).decode()
    return f"{max(ratio, _MIN_RATIO):.3f}:{digits}"


def from_text(text: str) -> tuple[Grays, float]:
    """Gray levels from 0 to 63 and the aspect ratio. Raises ValueError for an invalid text.

    Older releases wrote 0.000 for a ratio below _MIN_RATIO.
    """
    written, _, digits = text.partition(":")
    if len(digits) != _CHARACTERS:
        raise ValueError(f"a miniature has {_CHARACTERS} characters, not {len(digits)}")
    ratio = float(written)
    if not math.isfinite(ratio) or ratio < 0:
        raise ValueError(f"a miniature has no aspect ratio of {written}")
    try:
        packed = np.frombuffer(urlsafe_b64decode(digits), np.uint8)
    except binascii.Error as error:
        raise ValueError("a miniature is encoded in base64") from error
    six_bits = np.unpackbits(packed).reshape(-1, 6)
    grays = (six_bits @ (1 << np.arange(5, -1, -1))).astype(np.float32).reshape(SIDE, SIDE)
    return grays, max(ratio, _MIN_RATIO)
