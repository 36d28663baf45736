"""Opinions within a session: simulated users, and the weights of Rocchio fitted on them.

A user searches, gives opinions on the first hits of the page in their order, and searches again.
The second answer is measured on the images of photos without an opinion, so that an edit of a liked
photo does not count. The weights that a session is measured with are fitted on the other groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.learning.collections import Collection, Sight
from imagesearch.domain.images import Embedding
from imagesearch.search.refinement import RocchioWeights, refined

OPINIONS = (1, 2, 5)
# The first pair is the search without opinions.
GRID = tuple(
    RocchioWeights(like, unlike)
    for like in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
    for unlike in (0.0, 0.1, 0.25, 0.5, 0.75)
)
# Weights whose figures differ by less are as good as each other.
EQUAL = 0.003
Figures: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Second:
    """One session: a query, the opinions, and the images that are left to find."""

    query: Embedding
    liked: Embedding
    unliked: Embedding
    images: Embedding
    right: NDArray[np.bool_]
    group: int

    def figures(self, weights: RocchioWeights) -> tuple[float, float]:
        """The reciprocal rank of the first right image, and R@10."""
        query = refined(self.query, self.liked, self.unliked, weights)
        found = self.right[np.argsort(-(self.images @ query), kind="stable")]
        first = 1 / (1 + int(found.argmax()))
        return first, float(found[:10].sum() / min(10, found.sum()))


def sessions(
    sight: Sight, queries: Embedding, wanted: Rows, own: Rows, opinions: int
) -> Iterator[Second]:
    """The sessions of queries [Q, D], each for a group; `own` is the photo of the query, or -1."""
    for query, group, photo in zip(queries, wanted, own, strict=True):
        others = sight.photo != photo
        images, photos = sight.images[others], sight.photo[others]
        right = sight.group[others] == group
        page: list[int] = []
        for row in np.argsort(-(images @ query), kind="stable"):
            # A page shows one image of a photo: the others are its duplicates.
            if photos[row] not in photos[page]:
                page.append(int(row))
            if len(page) == opinions:
                break
        rest = ~np.isin(photos, photos[page])
        if not (right & rest).any():
            continue
        given = np.array(page)
        yield Second(
            query,
            images[given[right[given]]],
            images[given[~right[given]]],
            images[rest],
            right[rest],
            int(group),
        )


def text_sessions(sight: Sight, collection: Collection, opinions: int) -> list[Second]:
    none = np.full(len(collection.queries), -1)
    return list(sessions(sight, collection.queries, collection.wanted, none, opinions))


def image_sessions(sight: Sight, opinions: int) -> list[Second]:
    """Queries by an edit of each photo that has others of its kind; its own photo is removed."""
    rows = np.flatnonzero((sight.group >= 0) & (np.arange(len(sight.photo)) % 3 == 0))
    return list(sessions(sight, sight.images[rows], sight.group[rows], sight.photo[rows], opinions))


def grid_figures(found: Sequence[Second]) -> Figures:
    """[S, G, 2]: reciprocal rank and R@10 of each session with each pair of weights of the grid."""
    return np.array([[session.figures(weights) for weights in GRID] for session in found])


def fitted(figures: Figures, groups: Rows) -> RocchioWeights:
    """The smallest weights whose mean of MRR and R@10 is the highest, or `EQUAL` to it.

    Every group counts the same.
    """
    return GRID[_best(figures, groups)]


def gains(figures: Figures, groups: Rows, counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """[4]: MRR and R@10 without and with the opinions, of the sessions [S] that are `counted`.

    The weights of a session are fitted on the sessions of the other groups.
    """
    chosen = np.zeros(len(groups), np.int64)
    for group in np.unique(groups):
        chosen[groups == group] = _best(figures[groups != group], groups[groups != group])
    before, after = figures[:, 0], figures[np.arange(len(groups)), chosen]
    return np.concatenate([before[counted].mean(axis=0), after[counted].mean(axis=0)])


def _best(figures: Figures, groups: Rows) -> int:
    means = [figures[groups == group].mean(axis=(0, 2)) for group in np.unique(groups)]
    mean = np.mean(means, axis=0)
    good = np.flatnonzero(mean >= mean.max() - EQUAL)
    return int(min(good, key=lambda row: GRID[row].like + GRID[row].unlike))
