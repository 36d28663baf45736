"""Image registration: aligns one contrast map with another and compares them block by block.

Block matching searches each block of one map near its position in the other, and fits an affine
transform to the displacements of all blocks, from coarse to fine.
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

# Block sizes and search radii in cells: at half the resolution, then at the full resolution.
_ROUGH = ((12, 6), (12, 3))
_FINE = ((15, 2),)
_BLOCK = 10
# Mean square of the contrasts of a nearly empty block.
_EMPTY = 0.02
# Displacement in cells from the fitted transform at which the weight of a block is halved.
_TOLERANCE = 0.8
# The share of a block that the other map must cover: in fitting, and in the result.
_MIN_COVER = 0.5
_MIN_RESULT_COVER = 0.9
# Below this mean correlation at half the resolution, the maps are not aligned further.
_MIN_ROUGH_CORRELATION = 0.5
_MIN_BLOCKS = 6
_FIT_ITERATIONS = 4
_GAUSS_NEWTON_STEPS = 3
_DAMPING = 1e-3
# The difference in contrast at which the weight of a cell is halved.
_DIFFERENCE = 0.4
# A transform that shrinks the area below this share is discarded.
_MIN_SCALE = 0.25


@dataclass(frozen=True, slots=True)
class Alignment:
    """The rectangle of a part in a whole, in shares of the whole's height and width."""

    top: float
    left: float
    height: float
    width: float
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks [N] that both maps cover: the correlation, up to 1, and mean squares of contrasts.

    `energy` is the higher mean square of the two maps, `common` the lower one.
    """

    correlation: Floats
    energy: Floats
    common: Floats


def registered(part: Contrasts, whole: Contrasts, placement: Alignment) -> Blocks | None:
    """The blocks of the whole that the part covers after alignment.

    None if the maps do not match at half the resolution, as with most pairs of pages.
    """
    small_part, small_whole = _halved(part), _halved(whole)
    affine = _at_half(_affine(placement, part.shape, whole.shape))
    for block, reach in _ROUGH:
        affine = _matched(small_part, small_whole, affine, block, reach)
    if (
        _mean_correlation(_matches(small_part, small_whole, affine, _ROUGH[-1][0], 1))
        < _MIN_ROUGH_CORRELATION
    ):
        return None
    affine = _at_double(affine)
    for block, reach in _FINE:
        affine = _matched(part, whole, affine, block, reach)
    for _ in range(_GAUSS_NEWTON_STEPS):
        affine = _refined(part, whole, affine)
    matches = _matches(part, whole, affine, _BLOCK, 1)
    seen = matches.cover > _MIN_RESULT_COVER
    return Blocks(
        matches.correlation.max(axis=(0, 1))[seen], matches.energy[seen], matches.common[seen]
    )


@dataclass(frozen=True, slots=True)
class _Matches:
    """Blocks [Y, X] with the correlation at each displacement [M, M, Y, X] and the cover."""

    correlation: Floats
    strength: Floats
    energy: Floats
    common: Floats
    cover: Floats


def _mean_correlation(matches: _Matches) -> float:
    """The mean of the blocks' best correlations, weighted by energy."""
    weights = matches.energy * (matches.cover > _MIN_RESULT_COVER)
    best = matches.correlation.max(axis=(0, 1))
    return float((best * weights).sum() / (weights.sum() + 1e-9))


def _affine(placement: Alignment, part: tuple[int, ...], whole: tuple[int, ...]) -> Affine:
    """[2, 3]: maps a cell (y, x, 1) of the whole to coordinates in the part."""
    down = part[0] / (placement.height * whole[0])
    across = part[1] / (placement.width * whole[1])
    y = 0.5 * down - placement.top / placement.height * part[0] - 0.5
    x = 0.5 * across - placement.left / placement.width * part[1] - 0.5
    if placement.mirrored:
        across, x = -across, part[1] - 1 - x
    return np.array([[down, 0, y], [0, across, x]])


def _at_half(affine: Affine) -> Affine:
    """The transform between maps of half the resolution."""
    half = affine.copy()
    half[:, 2] = (affine[:, :2].sum(axis=1) / 2 + affine[:, 2] - 0.5) / 2
    return half


def _at_double(affine: Affine) -> Affine:
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
    """The part resampled to the grid of the whole, bilinearly, and a mask of the covered cells."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    y = affine[0, 0] * rows + affine[0, 1] * columns + affine[0, 2]
    x = affine[1, 0] * rows + affine[1, 1] * columns + affine[1, 2]
    height, width = part.shape
    inside = (y > -0.5) & (y < height - 0.5) & (x > -0.5) & (x < width - 0.5)
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    above, left = y.astype(np.intp), x.astype(np.intp)
    low, aside = (y - above).astype(np.float32), (x - left).astype(np.float32)
    # One row and column of padding keep the four neighbors of every cell at fixed offsets.
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
    # In a loop, because the data of one displacement fits into the CPU cache.
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
        np.sqrt(own) * (cover > _MIN_COVER),
        np.maximum(own, there) / cells,
        np.minimum(own, there) / cells,
        cover,
    )


def _block_sums(values: Floats, block: int) -> Floats:
    """The sums of all blocks at every offset, by a summed-area table."""
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    np.cumsum(values, axis=0, out=sums[1:, 1:])
    np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
    blocks = sums[block:, block:] - sums[:-block, block:] - sums[block:, :-block]
    return np.asarray(np.maximum(blocks + sums[:-block, :-block], 0), np.float32)


@cache
def _summing(length: int, block: int) -> Floats:
    """[length / block, length]: a matrix that sums the cells of each block."""
    return np.kron(np.eye(length // block), np.ones((1, block))).astype(np.float32)


def _matched(part: Contrasts, whole: Contrasts, affine: Affine, block: int, reach: int) -> Affine:
    """A better transform, fitted to the displacements at which the blocks match best."""
    matches = _matches(part, whole, affine, block, reach)
    moves = matches.correlation.shape[0]
    together = (matches.correlation * matches.strength).sum(axis=(2, 3))
    common = np.array(np.unravel_index(together.argmax(), together.shape), np.float64)
    places = np.indices((moves, moves)).reshape(2, -1).T
    # Lines of text are similar: among equal matches, the displacement of most blocks is preferred.
    farness = ((places - common) ** 2).sum(axis=1) / (2 * reach) ** 2
    found = matches.correlation.reshape(moves * moves, -1)
    best = (found - farness[:, None]).argmax(axis=0)
    peaks = found[best, np.arange(found.shape[1])]
    trust = np.clip(peaks, 0, None) ** 3 * matches.strength.ravel()
    move = np.zeros((2, 3))
    move[:, 2] = common - reach
    if (trust > 0).sum() >= _MIN_BLOCKS:
        centers = _centers(*matches.cover.shape, block)
        move = _fitted(centers, places[best] - reach, trust, common - reach)
    forward = np.vstack([np.eye(2, 3) + move, [0, 0, 1]])
    if abs(np.linalg.det(forward)) < _MIN_SCALE:
        return affine
    closer: Affine = (np.vstack([affine, [0, 0, 1]]) @ np.linalg.inv(forward))[:2]
    return closer


def _refined(part: Contrasts, whole: Contrasts, affine: Affine) -> Affine:
    """A better transform at sub-cell precision, by one Gauss-Newton step."""
    moved, inside = _moved(part, affine, whole.shape)
    difference = whole - moved
    weights = inside / (1 + (difference / _DIFFERENCE) ** 2)
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in whole.shape)
    slopes = np.gradient(moved)
    terms = np.stack([term for slope in slopes for term in (slope * y[:, None], slope * x, slope)])
    terms = terms.reshape(6, -1)
    weighted = terms * weights.ravel()
    normal = (weighted @ terms.T).astype(np.float64)
    normal += np.eye(6) * (_DAMPING * np.trace(normal) + 1e-6)
    step = np.linalg.solve(normal, weighted @ difference.ravel()).reshape(2, 3)
    height, width = whole.shape
    unit = np.array([[2 / (height - 1), 0, -1], [0, 2 / (width - 1), -1], [0, 0, 1]])
    move = np.vstack([step @ unit, np.zeros(3)]) + np.eye(3)
    closer: Affine = affine @ move
    return closer


@cache
def _centers(rows: int, columns: int, block: int) -> Affine:
    """[rows * columns, 3]: the center (y, x, 1) of each block."""
    y, x = np.mgrid[:rows, :columns].reshape(2, -1) * float(block) + (block - 1) / 2
    return np.column_stack([y, x, np.ones_like(y)])


def _fitted(centers: Affine, moves: NDArray[np.float64], trust: Floats, common: Affine) -> Affine:
    """[2, 3]: an affine fit to the displacements, by iteratively reweighted least squares."""
    prior = np.vstack([np.zeros((2, 2)), common])
    ridge = np.diag([50.0, 50.0, 5e-4]) * float(trust.mean())
    weights = trust.astype(np.float64)
    for _ in range(_FIT_ITERATIONS):
        weighted = centers.T * weights
        step = np.linalg.solve(weighted @ centers + ridge, weighted @ (moves - centers @ prior))
        left = ((moves - centers @ (prior + step)) ** 2).sum(axis=1)
        weights = trust / (1 + left / _TOLERANCE**2)
    return np.asarray((prior + step).T, np.float64)
