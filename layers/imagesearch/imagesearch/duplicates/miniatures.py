"""Whether one picture is cut out of another, by laying their miniatures over each other.

Their edges are compared (normalized cross-correlation of gradients): grays alone are alike in any
two pictures with a bright sky above.

A miniature: 24 x 24 grays of a picture, enough to see whether one is cut out of another.
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

from imagesearch.duplicates.registration import Placement

Grays: TypeAlias = NDArray[np.float32]

SIDE = 24
# Six bits make a digit of base64.
LEVELS = 64
CHARACTERS = SIDE * SIDE
# What three decimals can say: a picture of 1 x 30,000 pixels is narrower.
LEAST_RATIO = 0.001


def to_text(grays: Grays, ratio: float) -> str:
    """[24, 24] grays of a picture `ratio` times as wide as high, such as `1.500:` and 576 digits.

    They go from the darkest to the lightest in 64 levels, row by row, so that another brightness
    or contrast makes no difference.
    """
    low, high = float(grays.min()), float(grays.max())
    levels = np.round((grays - low) * ((LEVELS - 1) / max(high - low, 1.0))).astype(np.uint8)
    six_bits = np.unpackbits(levels.reshape(-1, 1), axis=1)[:, 2:]
    digits = urlsafe_b64encode(np.packbits(six_bits).tobytes()).decode()
    return f"{max(ratio, LEAST_RATIO):.3f}:{digits}"


def from_text(text: str) -> tuple[Grays, float]:
    """The grays in 0..63 and the ratio, above 0. Raises ValueError for what is no miniature.

    Older releases wrote 0.000 for a ratio below LEAST_RATIO.
    """
    written, _, digits = text.partition(":")
    if len(digits) != CHARACTERS:
        raise ValueError(f"a miniature has {CHARACTERS} digits, this one {len(digits)}")
    ratio = float(written)
    if not math.isfinite(ratio) or ratio < 0:
        raise ValueError(f"a miniature has no ratio of {written}")
    try:
        packed = np.frombuffer(urlsafe_b64decode(digits), np.uint8)
    except binascii.Error as error:
        raise ValueError("a miniature is written in base64") from error
    six_bits = np.unpackbits(packed).reshape(-1, 6)
    grays = (six_bits @ (1 << np.arange(5, -1, -1))).astype(np.float32).reshape(SIDE, SIDE)
    return grays, max(ratio, LEAST_RATIO)


Size: TypeAlias = tuple[int, int]
Places: TypeAlias = NDArray[np.int64]

# Shares of the sides, from the whole down to a quarter of the area.
SCALES = tuple(np.linspace(1.0, 0.5, 9).tolist())
LEAST_SIDE = 6
# The narrowest and the widest part that fills a whole in one direction: one that is narrower or
# wider still is compared as if it had this shape, being LEAST_SIDE pixels there at any scale.
NARROWEST, WIDEST = LEAST_SIDE / SIDE, SIDE / LEAST_SIDE
# Of copies that overlap by 0.7 at the right size, every second size shows at least 0.6: what is
# below this there is not worth the others.
HOPELESS = 0.55
# With this, strong edges count more than weak ones, and do not decide alone.
SOFTNESS = 0.5
PARTS_KEPT = 64
# In a mirror, what rises to the right falls.
_TURNED = np.array([-1, 1], np.float32).reshape(2, 1, 1)


@dataclass(frozen=True, eq=False)
class Miniature:
    """A picture's grays [24, 24], and how many times as wide as high the picture is."""

    grays: Grays
    ratio: float

    @classmethod
    def of(cls, text: str) -> "Miniature":
        """Raises ValueError for a text that is no miniature."""
        return cls(*from_text(text))

    @cached_property
    def edges(self) -> Grays:
        return _edges(self.grays)


def overlap(one: Miniature, other: Miniature) -> float:
    """How well one picture's edges lie on the other's at the best place and size: up to 1.

    Each may be the part: a crop lies in its original, and an original in a copy with a frame. A
    part may be mirrored. Pictures that have nothing to do with each other come to about 0.4.
    """
    ways = [
        (part, whole, size)
        for part, whole in ((one, other), (other, one))
        for size in _sizes(_shape(part.ratio, whole.ratio))
    ]
    rough = max(_best_place(*way) for way in ways[::2])
    if rough < HOPELESS:
        return rough
    return max(rough, *(_best_place(*way) for way in ways[1::2]))


def best_placement(one: Miniature, other: Miniature) -> tuple[Placement, bool]:
    """Where one lies best in the other, and whether it is `one` that is the part."""
    best, found, one_is_part = -2.0, Placement(0.0, 0.0, 1.0, 1.0, False), True
    for part, whole, first in ((one, other, True), (other, one, False)):
        for size in _sizes(_shape(part.ratio, whole.ratio)):
            places, strengths = _places(whole, size)
            fits = (places @ _shrunk(part, size)) / strengths[:, None]
            place, mirrored = divmod(int(fits.argmax()), 2)
            if fits.flat[2 * place + mirrored] > best:
                best = float(fits.flat[2 * place + mirrored])
                top, left = divmod(place, SIDE - size[1] + 1)
                shares = (top / SIDE, left / SIDE, size[0] / SIDE, size[1] / SIDE)
                found, one_is_part = Placement(*shares, mirrored == 1), first
    return found, one_is_part


def _shape(part: float, whole: float) -> float:
    """How many times one ratio goes into another, as far as a part can be that shape."""
    return round(min(max(part / whole, NARROWEST), WIDEST), 2)


@cache
def _sizes(ratio: float) -> list[Size]:
    """Heights and widths of a part in a miniature whose ratio goes so many times into its own."""
    height, width = min(1.0, 1 / ratio) * SIDE, min(1.0, ratio) * SIDE
    sizes = {(round(height * scale), round(width * scale)) for scale in SCALES}
    return sorted({(max(LEAST_SIDE, high), max(LEAST_SIDE, wide)) for high, wide in sizes})


def _best_place(part: Miniature, whole: Miniature, size: Size) -> float:
    places, strengths = _places(whole, size)
    likeness = (places @ _shrunk(part, size)).max(axis=1) / strengths
    return float(likeness.max())


# One picture is compared with many: what is made of it is kept meanwhile.


@lru_cache(PARTS_KEPT)
def _shrunk(part: Miniature, size: Size) -> Grays:
    """The edges of the part in that size, as it is and mirrored: [2 H W, 2], of length 1."""
    height, width = size
    small = _shrinking(height) @ part.grays @ _shrinking(width).T
    edges = _edges(np.asarray(small, np.float32))
    mirrored = edges[:, :, ::-1] * _TURNED
    both = np.stack([edges.ravel(), mirrored.ravel()], axis=1)
    unit: Grays = both / (np.sqrt(np.vdot(edges, edges)) + 1e-6)
    return unit


@lru_cache(PARTS_KEPT)
def _places(whole: Miniature, size: Size) -> tuple[Grays, Grays]:
    """The edges at each place where a part of that size can lie: [N, 2 H W], and their lengths."""
    windows = sliding_window_view(whole.edges, size, axis=(1, 2)).transpose(1, 2, 0, 3, 4)
    places = windows.reshape(-1, 2 * size[0] * size[1])
    return places, np.sqrt(np.einsum("ij,ij->i", places, places)) + 1e-6


def _edges(grays: Grays) -> Grays:
    """Differences between the neighbours across and down, [2, H, W], strong ones toned down."""
    height, width = grays.shape
    differences = np.empty((2, height, width), np.float32)
    (left, right), (above, below) = _neighbours(width), _neighbours(height)
    np.subtract(grays[:, right], grays[:, left], out=differences[0])
    np.subtract(grays[below], grays[above], out=differences[1])
    strength = np.sqrt(np.einsum("ijk,ijk->jk", differences, differences))
    differences /= np.sqrt(strength + SOFTNESS)
    return differences


@cache
def _neighbours(length: int) -> tuple[Places, Places]:
    """Of each line the one before and the one behind; the outermost ones are their own."""
    lines = np.arange(length)
    return np.maximum(lines - 1, 0), np.minimum(lines + 1, length - 1)


@cache
def _shrinking(side: int) -> Grays:
    """[side, 24]: each new line is the mean of the old ones that it covers."""
    borders, lines = np.linspace(0, SIDE, side + 1), np.arange(SIDE)
    ends = np.minimum(borders[1:, None], lines + 1) - np.maximum(borders[:-1, None], lines)
    covered = np.clip(ends, 0, None)
    shares: Grays = (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
