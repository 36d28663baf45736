"""How far a hit stands out for its query: cosines made comparable between queries.

The cosine of a right picture depends on the query: one that lies close to things which the model
tells apart comes near to every picture, one that it hardly understands comes near to none. The
mean cosine to its nearest background vectors says which it is (the query's side of CSLS, Conneau
et al. 2018, arXiv 1710.04087). The background ships with the model, so what is relevant does not
depend on what else a collection holds.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from imagesearch.domain import Embedding

LEAST_COSINE = -1.0
ABOVE_ALL_COSINES = 2.0


class Kind(StrEnum):
    """What a query's embedding was made of: cosines between words and pictures are other ones."""

    TEXT = "text"
    IMAGE = "image"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Curve:
    """Relevance is sigmoid(slope · (cosine − middle)), where middle = base + nearness · the mean
    cosine of the query to its nearest background vectors.

    `slope` is above 0, so that a higher score is always more relevant.
    """

    slope: float
    base: float
    nearness: float


@dataclass(frozen=True, slots=True)
class QueryRelevance:
    """The relevance of scores for one query, which is 0.5 at the score `middle`."""

    slope: float
    middle: float

    def of(self, score: float) -> float:
        """In [0, 1], and strictly higher for a higher score as far as floats can tell."""
        # By tanh: exp would overflow for a score far below.
        return 0.5 + 0.5 * math.tanh(self.slope * (score - self.middle) / 2)

    def min_score(self, relevance: float) -> float:
        """The least score with this relevance, from -1, which keeps everything, to above 1, where
        no cosine is: nothing is relevant for certain."""
        if relevance <= 0:
            return LEAST_COSINE
        if relevance >= 1:
            return ABOVE_ALL_COSINES
        score = self.middle + math.log(relevance / (1 - relevance)) / self.slope
        return max(LEAST_COSINE, min(ABOVE_ALL_COSINES, score))


class Relevance:
    """A model's calibration: its background vectors, and a curve for each kind of query."""

    def __init__(
        self, background: Embedding, neighbours: int, curves: Mapping[Kind, Curve]
    ) -> None:
        """`background` is [N, D], L2-normalised, with N ≥ `neighbours` ≥ 1."""
        self._background = background
        self._neighbours = neighbours
        self._curves = dict(curves)

    def for_query(self, embedding: Embedding, kind: Kind) -> QueryRelevance:
        """For a query's embedding [D], L2-normalised."""
        curve = self._curves[kind]
        near = float(nearness(embedding[None], self._background, self._neighbours)[0])
        return QueryRelevance(curve.slope, curve.base + curve.nearness * near)


def nearness(queries: Embedding, background: Embedding, neighbours: int) -> Embedding:
    """The mean cosine of each of [N, D] to the nearest `neighbours` of background [B, D]: [N]."""
    nearest = np.partition(queries @ background.T, -neighbours, axis=1)[:, -neighbours:]
    return np.asarray(nearest.mean(axis=1), np.float32)
