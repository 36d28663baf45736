"""Opinions over weeks: simulated users give opinions on hits, and a map is fitted on them.

A user looks at the first hits of a page, the first ones more often, and rates what he looks at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from benchmarks.learning.collections import Collection, Sight
from imagesearch.calibration.evidence import CalibrationVectors
from imagesearch.calibration.relevance_fit import Backgrounds
from imagesearch.domain.images import Embedding
from imagesearch.learning.opinions import Opinion
from imagesearch.learning.tuning import Finding, found_for
from imagesearch.search.relevance import Modality

SIZES = (100, 200, 400, 800, 1600, 3200)
# Each query is searched by so many users.
ROUNDS = 4
PAGE = 20
# The share of queries that no opinion is ever given on.
UNSEEN = 3


def opinions(
    sight: Sight,
    collection: Collection,
    rows: Sequence[int],
    wrong: float = 0.0,
    seed: int = 0,
    rounds: int = ROUNDS,
) -> Iterator[Opinion]:
    """The opinions on the queries with these rows, one query after another.

    wrong: the share of opinions that are the opposite of the truth. rounds: the number of users who
        search each query.
    """
    draw = np.random.default_rng(seed)
    for number, row in product(range(rounds), rows):
        query, user = collection.queries[row], f"user {(row + number) % ROUNDS}"
        for rank, image in enumerate(_page(sight, query)):
            if draw.random() < 1 / (1 + 0.1 * rank):
                right = bool(collection.right(sight, row)[image])
                relevant = right != (draw.random() < wrong)
                yield Opinion(
                    f"2026-01-01T00:00:00.{row:06}",
                    Modality.TEXT,
                    query,
                    str(image),
                    sight.images[image],
                    relevant,
                    user,
                )


def _page(sight: Sight, query: Embedding) -> list[int]:
    """The first images, one of each photo: the others are its duplicates."""
    found: dict[int, int] = {}
    for image in np.argsort(-(sight.images @ query), kind="stable"):
        found.setdefault(int(sight.photo[image]), int(image))
        if len(found) == PAGE:
            break
    return list(found.values())


@dataclass(frozen=True)
class Point:
    """A point of the curve: what `tune` found, and the true MRR of queries without opinions."""

    opinions: int
    found: Finding
    unseen: tuple[float, float]


def curve(
    sight: Sight,
    collection: Collection,
    vectors: CalibrationVectors,
    backgrounds: Backgrounds,
    wrong: float = 0.0,
) -> Iterator[Point]:
    order = np.random.default_rng(1).permutation(len(collection.queries))
    cut = len(order) // UNSEEN
    unseen = order[:cut]
    given = list(opinions(sight, collection, order[cut:].tolist(), wrong))
    for size in SIZES:
        if size > len(given):
            break
        found = found_for(Modality.TEXT, given[:size], vectors, backgrounds)
        queries = collection.queries[unseen]
        after = found.map.applied(queries) if found.map else queries
        yield Point(
            size,
            found,
            (mrr(sight, collection, unseen, queries), mrr(sight, collection, unseen, after)),
        )


def mrr(sight: Sight, collection: Collection, rows: NDArray[np.int64], queries: Embedding) -> float:
    """The mean reciprocal rank of the first right image among all images."""
    ranked = np.argsort(-(queries @ sight.images.T), axis=1, kind="stable")
    firsts = [
        int(collection.right(sight, int(row))[order].argmax())
        for row, order in zip(rows, ranked, strict=True)
    ]
    return float(np.mean([1 / (1 + first) for first in firsts]))
