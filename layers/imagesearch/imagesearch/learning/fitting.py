"""Fits a query map on rated queries: ridge regression towards what the opinions ask for.

A query should move towards the mean of its liked images and away from that of its disliked ones,
both relative to the mean of all rated images: the direction of Rocchio. The map Δ minimizes

    Σ w‖Δq − step · target‖² + ridge · (mean over ordinary queries of ‖Δc‖² + FLOOR · ‖Δ‖²),

so that it is zero without opinions, and hardly moves ordinary queries at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagesearch.domain.images import Embedding
from imagesearch.learning.opinions import RatedQuery
from imagesearch.search.query_adapter import QueryMap, shifted

MAX_RANK = 32
FLOOR = 0.01
DISLIKED = 0.25
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Strength:
    """`ridge` is the strength of the shrinkage to the identity, `step` the length of targets."""

    ridge: float
    step: float


# The weakest first: of equally good ones, the first is chosen.
RIDGES = (1000.0, 100.0, 10.0)
STRENGTHS = tuple(Strength(ridge, step) for ridge in RIDGES for step in (0.5, 1.0, 2.0))


class Ordinary:
    """Ordinary queries [N, D], which a map should not move; `metric` [D, D] weighs directions."""

    def __init__(self, queries: Embedding) -> None:
        rows = queries.astype(np.float64)
        penalty = rows.T @ rows / len(rows) + FLOOR * np.eye(rows.shape[1])
        self.metric: Doubles = np.asarray(np.linalg.inv(penalty), np.float64)


@dataclass(frozen=True, slots=True)
class Shift:
    """The map as Δq = `targets`ᵀ · (`queries` · q); both are [Q, D], a row for each rated query."""

    targets: Doubles
    queries: Doubles

    def __call__(self, queries: Embedding) -> Embedding:
        """Queries [Q, D] after the map, L2-normalized."""
        return shifted(queries, (queries @ self.queries.T) @ self.targets)

    def times(self, step: float) -> Shift:
        return Shift(step * self.targets, self.queries)

    def low_rank(self) -> QueryMap:
        """The nearest map of at most `MAX_RANK`, as float16 stores it."""
        matrix = self.targets.T @ self.queries
        # The SVD of a matrix of low rank does not always converge; these eigenvectors do.
        squares, vectors = np.linalg.eigh(matrix @ matrix.T)
        lengths = np.sqrt(np.maximum(squares[::-1], 0))
        # A direction that moves no query by a thousandth changes no rank.
        rank = max(1, min(MAX_RANK, int((lengths > 1e-3).sum())))
        left = vectors[:, ::-1][:, :rank].T
        return QueryMap(_stored(left), _stored(left @ matrix))


def fitted_shift(rated: Sequence[RatedQuery], ordinary: Ordinary, ridge: float) -> Shift:
    """The map for targets of a step of 1; it is proportional to the step.

    Solved in the space of the rated queries, of which there are fewer than dimensions.
    """
    queries = np.stack([each.query for each in rated]).astype(np.float64)
    weighed = queries @ ordinary.metric
    kernel = weighed @ queries.T
    kernel[np.diag_indices(len(rated))] += ridge / np.array([each.weight for each in rated])
    return Shift(np.asarray(np.linalg.solve(kernel, _targets(rated)), np.float64), weighed)


def _stored(rows: Doubles) -> Embedding:
    return np.asarray(rows, np.float16).astype(np.float32)


def _targets(rated: Sequence[RatedQuery]) -> Doubles:
    """[Q, D]."""
    middle = np.concatenate([np.concatenate([each.liked, each.disliked]) for each in rated])
    mean = middle.mean(axis=0, dtype=np.float64)
    return np.stack([_target(each, mean) for each in rated])


def _target(rated: RatedQuery, mean: Doubles) -> Doubles:
    target = np.zeros_like(mean)
    if len(rated.liked):
        target += rated.liked.mean(axis=0, dtype=np.float64) - mean
    if len(rated.disliked):
        target -= DISLIKED * (rated.disliked.mean(axis=0, dtype=np.float64) - mean)
    return target
