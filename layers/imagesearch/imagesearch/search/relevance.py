"""Relevance: cosine similarities converted to scores that are comparable between queries.

The cosine of a correct match depends on the query: some queries are close to every image, others
to none. The mean cosine of a query to its nearest background vectors measures this (the query side
of CSLS, Conneau et al. 2018, https://arxiv.org/abs/1710.04087). The background vectors ship with
the model, so relevance does not depend on the other images of a collection.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Embedding
from imagesearch.domain.queries import Hit, Query, Search, TextQuery, leaf_queries

_MIN_COSINE = -1.0
_ABOVE_ALL_COSINES = 2.0


class Modality(StrEnum):
    """The inputs of a query's embedding, each with a curve of its own in a model's calibration.

    Text-to-image cosines are lower than image-to-image ones. A `QueryKind` in contrast is the form
    of the request: a mixture of texts alone is `terms` there and TEXT here.
    """

    TEXT = "text"
    IMAGE = "image"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Curve:
    """Parameters of relevance = sigmoid(slope · (cosine − middle)).

    middle = base + nearness · (mean cosine of the query to its nearest background vectors).
    `slope` is above 0: relevance increases with the score.
    """

    slope: float
    base: float
    nearness: float


@dataclass(frozen=True, slots=True)
class QueryRelevance:
    """Converts the scores of one query to relevance and back; relevance is 0.5 at `middle`."""

    slope: float
    middle: float

    def of(self, score: float) -> float:
        """The relevance of a score: in [0, 1], strictly increasing up to float precision."""
        # tanh in place of exp, which overflows for scores far below the middle.
        return 0.5 + 0.5 * math.tanh(self.slope * (score - self.middle) / 2)

    def min_score(self, relevance: float) -> float:
        """The lowest score with this relevance.

        -1, which every cosine reaches, for a relevance of 0; above 1, which none reaches, for 1.
        """
        if relevance <= 0:
            return _MIN_COSINE
        if relevance >= 1:
            return _ABOVE_ALL_COSINES
        score = self.middle + math.log(relevance / (1 - relevance)) / self.slope
        return max(_MIN_COSINE, min(_ABOVE_ALL_COSINES, score))


@dataclass(frozen=True, slots=True)
class Background:
    """Background vectors [N, D], L2-normalized, with N ≥ `neighbors` ≥ 1."""

    vectors: Embedding
    neighbors: int

    def nearness(self, queries: Embedding) -> Embedding:
        """[Q]: the mean cosine of each query of [Q, D] to its `neighbors` nearest vectors."""
        # Not matmul: on a busy machine, synchronizing BLAS threads takes 100 times the computation.
        cosines = np.einsum("qd,bd->qb", queries, self.vectors)
        nearest = np.partition(cosines, -self.neighbors, axis=1)[:, -self.neighbors :]
        return np.asarray(nearest.mean(axis=1), np.float32)


class Relevance:
    """A model's calibration: the background vectors and the curve of each modality."""

    def __init__(self, calibration: Mapping[Modality, tuple[Background, Curve]]) -> None:
        self._calibration = dict(calibration)

    def background(self, modality: Modality) -> Background:
        return self._calibration[modality][0]

    def with_curves(self, curves: Mapping[Modality, Curve]) -> "Relevance":
        """The calibration with some curves replaced."""
        return Relevance(
            {
                modality: (background, curves.get(modality, curve))
                for modality, (background, curve) in self._calibration.items()
            }
        )

    def for_query(self, embedding: Embedding, modality: Modality) -> QueryRelevance:
        """The conversion for a query's embedding [D], L2-normalized."""
        background, curve = self._calibration[modality]
        nearness = float(background.nearness(embedding[None])[0])
        return QueryRelevance(curve.slope, curve.base + curve.nearness * nearness)


def query_relevance(
    relevance: Relevance | None, embedding: Embedding, search: Search
) -> QueryRelevance | None:
    """The conversion for a search with this embedding [D]; None if the model is not calibrated.

    A text with liked images has the scores of a mixture; disliked images hardly change the scores.
    """
    if relevance is None:
        return None
    modality = modality_of(search.query)
    if search.like and modality is Modality.TEXT:
        modality = Modality.MIXED
    return relevance.for_query(embedding, modality)


def with_relevance(hits: Sequence[Hit], relevance: QueryRelevance | None) -> list[Hit]:
    """The hits with their relevance set; unchanged if the model is not calibrated."""
    if relevance is None:
        return list(hits)
    return [replace(hit, relevance=relevance.of(hit.score)) for hit in hits]


def modality_of(query: Query) -> Modality:
    is_text = {isinstance(term, TextQuery) for term in leaf_queries(query)}
    if len(is_text) > 1:
        return Modality.MIXED
    return Modality.TEXT if is_text == {True} else Modality.IMAGE


def check_min_relevance(value: float | None, relevance: Relevance | None, model: str) -> None:
    """Raises InvalidQuery for a value outside [0, 1], or any value if there is no calibration."""
    if value is None:
        return
    if not 0 <= value <= 1:
        raise InvalidQuery(
            f"min_relevance is {value}",
            "use a number from 0 to 1",
            code="invalid_min_relevance",
        )
    if relevance is None:
        raise InvalidQuery(
            f"min_relevance is {value}, but the model {model} is not calibrated: its hits have no"
            " relevance",
            "search without min_relevance, or calibrate the model (docs/how-to/tune-relevance.md)",
            code="no_relevance",
        )
