"""How well one contrast map lies on another, after it has been moved, turned and scaled to fit.

Registration by blocks: each block of one map is looked for near its place in the other, the moves
of all of them are fitted by one affine map, and so on from coarse to fine.
"""

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from imagesearch.duplicates.contrast_maps import Contrasts

Affine: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]

# Side of a block and how far it is looked for, in cells: at half the resolution, then at the full.
ROUGH = ((12, 6), (12, 3))
FINE = ((15, 2),)
BLOCK = 10
# Mean square of the contrasts of a block that is next to empty.
_EMPTY = 0.02
# A block this many cells away from where the others say counts half.
_TOLERANCE = 0.8
# What a block must show of the other map.
_COVERED = 0.5
_WHOLLY = 0.9
# Below this mean correlation two maps are not looked at more finely.
_HOPELESS = 0.5
LEAST_BLOCKS = 6
_FITTINGS = 4
_POLISHINGS = 3
_STEADINESS = 1e-3
# Cells that differ by this much of contrast count half.
_DIFFERENCE = 0.4
# A move that shrinks a map to less than this share of its area is no move of a copy.
_LEAST_SCALE = 0.25


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a part lies in a whole, in shares of the whole's height and width; maybe mirrored."""

    top: float
    left: float
    height: float
    width: float
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks [N] that both maps cover: correlation up to 1, and mean square of the contrasts.

    `energy` is that of the map with more of it, `common` that of the one with less.
    """

    correlation: Floats
    energy: Floats
    common: Floats


def registered(part: Contrasts, whole: Contrasts, placement: Placement) -> Blocks | None:
    """The blocks of the whole that the part covers, once it has been moved to fit best.

    None where next to nothing fits at half the resolution: most pairs of pages end there.
    """
    small_part, small_whole = _halved(part), _halved(whole)
    affine = _of_half(_affine(placement, part.shape, whole.shape))
    for block, reach in ROUGH:
        affine = _improved(small_part, small_whole, affine, block, reach)
    if _agreement(_matches(small_part, small_whole, affine, ROUGH[-1][0], 1)) < _HOPELESS:
        return None
    affine = _of_double(affine)
    for block, reach in FINE:
        affine = _improved(part, whole, affine, block, reach)
    for _ in range(_POLISHINGS):
        affine = _polished(part, whole, affine)
    matches = _matches(part, whole, affine, BLOCK, 1)
    seen = matches.cover > _WHOLLY
    return Blocks(
        matches.correlation.max(axis=(0, 1))[seen], matches.energy[seen], matches.common[seen]
    )


@dataclass(frozen=True, slots=True)
class _Matches:
    """Of blocks [Y, X]: the correlation at each move [M, M, Y, X], and how much is covered."""

    correlation: Floats
    strength: Floats
    energy: Floats
    common: Floats
    cover: Floats


def _agreement(matches: _Matches) -> float:
    """The mean of the blocks' best correlations, by how much is in them."""
    weights = matches.energy * (matches.cover > _WHOLLY)
    best = matches.correlation.max(axis=(0, 1))
    return float((best * weights).sum() / (weights.sum() + 1e-9))


def _affine(placement: Placement, part: tuple[int, ...], whole: tuple[int, ...]) -> Affine:
    """[2, 3]: from a cell (y, x, 1) of the whole to the cell of the part that lies there."""
    down = part[0] / (placement.height * whole[0])
    across = part[1] / (placement.width * whole[1])
    y = 0.5 * down - placement.top / placement.height * part[0] - 0.5
    x = 0.5 * across - placement.left / placement.width * part[1] - 0.5
    if placement.mirrored:
        across, x = -across, part[1] - 1 - x
    return np.array([[down, 0, y], [0, across, x]])


def _of_half(affine: Affine) -> Affine:
    """The same between maps of half the resolution."""
    half = affine.copy()
    half[:, 2] = (affine[:, :2].sum(axis=1) / 2 + affine[:, 2] - 0.5) / 2
    return half


def _of_double(affine: Affine) -> Affine:
    double = affine.copy()
    double[:, 2] = 2 * affine[:, 2] + 0.5 - affine[:, :2].sum(axis=1) / 2
    return double


def _halved(contrasts: Contrasts) -> Contrasts:
    height, width = (side // 2 * 2 for side in contrasts.shape)
    cells = contrasts[:height, :width].reshape(height // 2, 2, width // 2, 2)
    return np.asarray(cells.mean(axis=(1, 3)), np.float32)


def _moved(
    part: Contrasts, affine: Affine, shape: tuple[int, ...]
) -> tuple[Contrasts, NDArray[np.bool_]]:
    """The part as it lies in the whole, by bilinear interpolation, and where it lies."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    y = affine[0, 0] * rows + affine[0, 1] * columns + affine[0, 2]
    x = affine[1, 0] * rows + affine[1, 1] * columns + affine[1, 2]
    height, width = part.shape
    inside = (y > -0.5) & (y < height - 0.5) & (x > -0.5) & (x < width - 0.5)
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    above, left = y.astype(np.intp), x.astype(np.intp)
    low, aside = (y - above).astype(np.float32), (x - left).astype(np.float32)
    # A further row and column, so that all four neighbours are at fixed distances.
    cells = np.pad(part, ((0, 1), (0, 1)), "edge").ravel()
    corner = above * (width + 1) + left
    upper, upper_right = cells.take(corner), cells.take(corner + 1)
    corner += width + 1
    lower, lower_right = cells.take(corner), cells.take(corner + 1)
    upper += (upper_right - upper) * aside
    lower += (lower_right - lower) * aside
    return np.asarray((upper * (1 - low) + lower * low) * inside, np.float32), inside


def _matches(part: Contrasts, whole: Contrasts, affine: Affine, block: int, reach: int) -> _Matches:
    moved, inside = _moved(part, affine, whole.shape)
    height, width = (-(-side // block) * block for side in whole.shape)
    room = ((0, height - whole.shape[0]), (0, width - whole.shape[1]))
    moved, covered = np.pad(moved, room), np.pad(inside.astype(np.float32), room)
    around = np.pad(whole, [(reach, reach + more) for _, more in room])
    moves = 2 * reach + 1
    rows, columns = _summing(height, block), _summing(width, block).T
    own = rows @ moved**2 @ columns
    others = _block_sums(around**2, block)
    others = sliding_window_view(others, (height - block + 1, width - block + 1))
    others = others[:moves, :moves, ::block, ::block]
    products = np.empty((moves, moves, *own.shape), np.float32)
    # One move at a time: its cells stay in the processor's cache.
    for down in range(moves):
        for across in range(moves):
            window = around[down : down + height, across : across + width]
            products[down, across] = rows @ (window * moved) @ columns
    cells = block * block
    correlation = np.asarray(products / (np.sqrt(own * others) + _EMPTY * cells), np.float32)
    cover = np.asarray(rows @ covered @ columns / cells, np.float32)
    there = others[reach, reach]
    return _Matches(
        correlation,
        np.sqrt(own) * (cover > _COVERED),
        np.maximum(own, there) / cells,
        np.minimum(own, there) / cells,
        cover,
    )


def _block_sums(values: Floats, block: int) -> Floats:
    """The sum over each block that lies in the values, wherever it begins."""
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    np.cumsum(values, axis=0, out=sums[1:, 1:])
    np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
    blocks = sums[block:, block:] - sums[:-block, block:] - sums[block:, :-block]
    return np.asarray(np.maximum(blocks + sums[:-block, :-block], 0), np.float32)


@cache
def _summing(length: int, block: int) -> Floats:
    """[length / block, length]: sums over the cells of each block."""
    return np.kron(np.eye(length // block), np.ones((1, block))).astype(np.float32)


def _improved(part: Contrasts, whole: Contrasts, affine: Affine, block: int, reach: int) -> Affine:
    """Closer to how the part lies, from the moves at which its blocks are found."""
    matches = _matches(part, whole, affine, block, reach)
    moves = matches.correlation.shape[0]
    together = (matches.correlation * matches.strength).sum(axis=(2, 3))
    common = np.array(np.unravel_index(together.argmax(), together.shape), np.float64)
    places = np.indices((moves, moves)).reshape(2, -1).T
    # Lines of text are alike: of several places that fit, the one that most blocks share.
    farness = ((places - common) ** 2).sum(axis=1) / (2 * reach) ** 2
    found = matches.correlation.reshape(moves * moves, -1)
    best = (found - farness[:, None]).argmax(axis=0)
    peaks = found[best, np.arange(found.shape[1])]
    trust = np.clip(peaks, 0, None) ** 3 * matches.strength.ravel()
    move = np.zeros((2, 3))
    move[:, 2] = common - reach
    if (trust > 0).sum() >= LEAST_BLOCKS:
        centers = _centers(*matches.cover.shape, block)
        move = _fitted(centers, places[best] - reach, trust, common - reach)
    forward = np.vstack([np.eye(2, 3) + move, [0, 0, 1]])
    if abs(np.linalg.det(forward)) < _LEAST_SCALE:
        return affine
    closer: Affine = (np.vstack([affine, [0, 0, 1]]) @ np.linalg.inv(forward))[:2]
    return closer


def _polished(part: Contrasts, whole: Contrasts, affine: Affine) -> Affine:
    """Closer to how the part lies by fractions of a cell: one step of Gauss and Newton."""
    moved, inside = _moved(part, affine, whole.shape)
    difference = whole - moved
    weights = inside / (1 + (difference / _DIFFERENCE) ** 2)
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in whole.shape)
    slopes = np.gradient(moved)
    terms = np.stack([term for slope in slopes for term in (slope * y[:, None], slope * x, slope)])
    terms = terms.reshape(6, -1)
    weighted = terms * weights.ravel()
    normal = (weighted @ terms.T).astype(np.float64)
    normal += np.eye(6) * (_STEADINESS * np.trace(normal) + 1e-6)
    step = np.linalg.solve(normal, weighted @ difference.ravel()).reshape(2, 3)
    height, width = whole.shape
    unit = np.array([[2 / (height - 1), 0, -1], [0, 2 / (width - 1), -1], [0, 0, 1]])
    move = np.vstack([step @ unit, np.zeros(3)]) + np.eye(3)
    closer: Affine = affine @ move
    return closer


@cache
def _centers(rows: int, columns: int, block: int) -> Affine:
    """[rows columns, 3]: y, x and 1 of each block."""
    y, x = np.mgrid[:rows, :columns].reshape(2, -1) * float(block) + (block - 1) / 2
    return np.column_stack([y, x, np.ones_like(y)])


def _fitted(centers: Affine, moves: NDArray[np.float64], trust: Floats, common: Affine) -> Affine:
    """[2, 3]: the affine move nearest to those of most blocks; outliers count less and less."""
    prior = np.vstack([np.zeros((2, 2)), common])
    ridge = np.diag([50.0, 50.0, 5e-4]) * float(trust.mean())
    weights = trust.astype(np.float64)
    for _ in range(_FITTINGS):
        weighted = centers.T * weights
        step = np.linalg.solve(weighted @ centers + ridge, weighted @ (moves - centers @ prior))
        left = ((moves - centers @ (prior + step)) ** 2).sum(axis=1)
        weights = trust / (1 + left / _TOLERANCE**2)
    return np.asarray((prior + step).T, np.float64)
