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
from numpy.typing import NDArray

from imagesearch.duplicates.registration import Alignment

Grays: TypeAlias = NDArray[np.float32]
Sizes: TypeAlias = tuple[tuple[int, int], ...]
Spectra: TypeAlias = NDArray[np.complexfloating]

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
# value there, the other sizes do not count. The weights of `similarity` were fitted with this rule.
_MIN_ROUGH_OVERLAP = 0.55
# Strong edges have more weight than weak ones, but are not decisive alone.
_SOFTNESS = 0.5
# Below the energy of a single edge of one gray level: the correlations of even windows are noise.
_MIN_ENERGY = 0.5
_CACHED_PARTS = 128
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
        """[2, 24, 24]"""
        return _edges(self.grays)

    @cached_property
    def spectrum(self) -> Spectra:
        """The Fourier transform of the edges: [2, 24, 13]."""
        spectrum: Spectra = np.fft.rfft2(self.edges)
        return spectrum

    @cached_property
    def energy(self) -> Grays:
        """The squared length of the edge at each pixel: [24, 24]."""
        energy: Grays = np.square(self.edges).sum(axis=0)
        return energy


def overlap(one: Miniature, other: Miniature) -> float:
    """The highest correlation of the edges of both images over all positions and sizes: up to 1.

    Either image may be the part: a crop is part of its original, an original is part of a copy with
    a border. The part may be mirrored. Unrelated images have about 0.4.
    """
    inside, around = _sizes(one, other), _sizes(other, one)
    rough = max(_best(one, other, inside[::2]), _best(other, one, around[1::2]))
    if rough < _MIN_ROUGH_OVERLAP:
        return rough
    return max(rough, _best(one, other, inside[1::2]), _best(other, one, around[::2]))


def best_placement(one: Miniature, other: Miniature) -> tuple[Alignment, bool]:
    """The best placement of one image in the other, and whether `one` is the part."""
    inside, around = _sizes(one, other), _sizes(other, one)
    as_part, as_whole = _correlations(one, other, inside), _correlations(other, one, around)
    one_is_part = bool(as_part.max() >= as_whole.max())
    sizes, values = (inside, as_part) if one_is_part else (around, as_whole)
    size, mirrored, top, left = (int(i) for i in np.unravel_index(values.argmax(), values.shape))
    height, width = sizes[size]
    shares = (top / SIDE, left / SIDE, height / SIDE, width / SIDE)
    return Alignment(*shares, mirrored == 1), one_is_part


def _sizes(part: Miniature, whole: Miniature) -> Sizes:
    """Heights and widths of the part in a square whole, at all scales."""
    return _sizes_of(round(min(max(part.ratio / whole.ratio, _NARROWEST), _WIDEST), 2))


@cache
def _sizes_of(ratio: float) -> Sizes:
    """Heights and widths of parts with this aspect ratio in a miniature, at all scales."""
    height, width = min(1.0, 1 / ratio) * SIDE, min(1.0, ratio) * SIDE
    sizes = {(round(height * scale), round(width * scale)) for scale in _SCALES}
    return tuple(sorted({(max(_MIN_SIDE, high), max(_MIN_SIDE, wide)) for high, wide in sizes}))


def _best(part: Miniature, whole: Miniature, sizes: Sizes) -> float:
    return float(_correlations(part, whole, sizes).max())


def _correlations(part: Miniature, whole: Miniature, sizes: Sizes) -> Grays:
    """Correlations of a part with a whole: [sizes, as is and mirrored, top, left].

    They are 0 at positions where the part exceeds the whole. By Fourier transforms: a product for
    each size and position takes three times as long.
    """
    products = (_part_spectra(part, sizes) * whole.spectrum).sum(axis=2)
    correlations: Grays = np.fft.irfft2(products, (SIDE, SIDE)).astype(np.float32, copy=False)
    rows, columns, outside = _windows(sizes)
    energies = rows @ whole.energy @ columns + outside
    correlations /= np.sqrt(np.maximum(energies, _MIN_ENERGY))[:, None]
    return correlations


# Cached, because one image is compared with many.
@lru_cache(_CACHED_PARTS)
def _part_spectra(part: Miniature, sizes: Sizes) -> Spectra:
    """Conjugate spectra of the part's edges at each size: [sizes, as is and mirrored, 2, 24, 13].

    The edges have the length 1.
    """
    left, right = _resizing(sizes)
    differences: Grays = np.matmul(left @ part.grays, right)
    edges = _softened(differences, axis=2)
    lengths = np.sqrt(np.square(edges).sum(axis=(2, 3, 4), keepdims=True)) + 1e-6
    spectra: Spectra = np.fft.rfft2(edges / lengths).conj()
    return spectra


@cache
def _resizing(sizes: Sizes) -> tuple[Grays, Grays]:
    """Matrices that resize a miniature and take the differences of the result, padded with zeros.

    left @ grays @ right has the differences [sizes, as is and mirrored, 2, 24, 24].
    """
    left = np.zeros((len(sizes), 1, 2, SIDE, SIDE), np.float32)
    right = np.zeros((len(sizes), 2, 2, SIDE, SIDE), np.float32)
    for (height, width), rows, columns in zip(sizes, left, right, strict=True):
        rows[0, 0, :height] = _shrinking(height)
        rows[0, 1, :height] = _differences(height) @ _shrinking(height)
        columns[0, 0, :, :width] = (_differences(width) @ _shrinking(width)).T
        columns[0, 1, :, :width] = _shrinking(width).T
        columns[1, :, :, :width] = columns[0, :, :, width - 1 :: -1] * _MIRROR_SIGNS
    return left, right


@cache
def _windows(sizes: Sizes) -> tuple[Grays, Grays, Grays]:
    """Matrices that sum up the windows at all positions, of each size: [sizes, 24, 24] each.

    rows: the rows of the window at each top; columns: the columns at each left; outside: infinite
    where the window exceeds the whole, otherwise 0.
    """
    starts = np.arange(SIDE)
    ends = starts + np.array(sizes)[:, :, None]
    (rows, columns) = (
        ((starts[:, None] <= starts) & (starts < ends[:, axis, :, None])).astype(np.float32)
        for axis in (0, 1)
    )
    exceeds = (ends[:, 0, :, None] > SIDE) | (ends[:, 1, None, :] > SIDE)
    outside = np.where(exceeds, np.inf, 0).astype(np.float32)
    return rows, columns.transpose(0, 2, 1), outside


def _edges(grays: Grays) -> Grays:
    """Horizontal and vertical central differences [2, H, W], with strong ones attenuated."""
    height, width = grays.shape
    return _softened(np.stack([grays @ _differences(width).T, _differences(height) @ grays]), 0)


def _softened(differences: Grays, axis: int) -> Grays:
    """The differences with strong ones attenuated; `axis` is that of both directions."""
    strength = np.sqrt(np.square(differences).sum(axis=axis, keepdims=True))
    softened: Grays = differences / np.sqrt(strength + _SOFTNESS)
    return softened


@cache
def _differences(length: int) -> Grays:
    """[length, length]: the next line minus the previous; the outermost are their own neighbors."""
    lines, unit = np.arange(length), np.eye(length, dtype=np.float32)
    differences: Grays = unit[np.minimum(lines + 1, length - 1)] - unit[np.maximum(lines - 1, 0)]
    return differences


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
