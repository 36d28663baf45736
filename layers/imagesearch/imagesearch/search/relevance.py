"""How far a hit stands out for its query: cosines made comparable between queries.

The cosine of a right picture depends on the query: one that lies amid much comes near to every
picture, one that the model hardly understands comes near to none. The mean cosine to its nearest
background vectors says which it is (the query's side of CSLS, Conneau et al. 2018, arXiv
1710.04087). The background ships with the model, so what is relevant does not depend on what else
a collection holds.

Which scores a search asks for, and how relevant its hits are, where the model is calibrated.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Embedding
from imagesearch.domain.queries import Hit, Query, TextQuery, parts

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


@dataclass(frozen=True, slots=True)
class Background:
    """What queries stand out from: `vectors` [N, D], L2-normalized, N ≥ `neighbours` ≥ 1."""

    vectors: Embedding
    neighbours: int

    def nearness(self, queries: Embedding) -> Embedding:
        """The mean cosine of each of [Q, D] to its nearest `neighbours`: [Q]."""
        # Not by matmul: on a busy machine BLAS threads wait a hundred times longer than one works.
        cosines = np.einsum("qd,bd->qb", queries, self.vectors)
        nearest = np.partition(cosines, -self.neighbours, axis=1)[:, -self.neighbours :]
        return np.asarray(nearest.mean(axis=1), np.float32)


class Relevance:
    """A model's calibration: for each kind of query its background and its curve."""

    def __init__(self, kinds: Mapping[Kind, tuple[Background, Curve]]) -> None:
        self._kinds = dict(kinds)

    def for_query(self, embedding: Embedding, kind: Kind) -> QueryRelevance:
        """For a query's embedding [D], L2-normalized."""
        background, curve = self._kinds[kind]
        nearness = float(background.nearness(embedding[None])[0])
        return QueryRelevance(curve.slope, curve.base + curve.nearness * nearness)


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the hits of one query; without `relevance` they have a score alone."""

    relevance: QueryRelevance | None

    def min_score(self, least: float | None) -> float | None:
        """The least score of a hit that is as relevant as `least`; None for any."""
        return self.relevance.min_score(least) if self.relevance and least else None

    def judged(self, hits: Sequence[Hit]) -> list[Hit]:
        """The hits with their relevance."""
        relevance = self.relevance
        if relevance is None:
            return list(hits)
        return [replace(hit, relevance=relevance.of(hit.score)) for hit in hits]


def judge(relevance: Relevance | None, embedding: Embedding, query: Query) -> Judge:
    if relevance is None:
        return Judge(None)
    return Judge(relevance.for_query(embedding, _kind(query)))


def _kind(query: Query) -> Kind:
    """A mixture of words alone lies where words lie, one of images alone where images do."""
    words = {isinstance(part, TextQuery) for part in parts(query)}
    return Kind.MIXED if len(words) > 1 else Kind.TEXT if words == {True} else Kind.IMAGE


def check_min_relevance(least: float | None, relevance: Relevance | None, model: str) -> None:
    """Raises InvalidQuery."""
    if least is None:
        return
    if not 0 <= least <= 1:
        raise InvalidQuery(
            f"min_relevance is {least}", "say a number from 0 to 1", code="invalid_min_relevance"
        )
    if relevance is None:
        raise InvalidQuery(
            f"min_relevance is {least}, and the hits of {model} have no relevance: it is not"
            " calibrated",
            "search without min_relevance, or calibrate the model (docs/how-to/tune-relevance.md)",
            code="no_relevance",
        )
