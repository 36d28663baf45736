"""Refinement of a query by the images that a user liked and disliked in the same session.

Method: Rocchio 1971. The query moves towards the mean of the liked images and away from the mean of
the disliked ones. The weights are fitted by simulated users, see docs/explanation/learning.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Embedding
from imagesearch.domain.queries import Search
from imagesearch.search.relevance import Modality

MAX_OPINIONS = 32


@dataclass(frozen=True, slots=True)
class RocchioWeights:
    """Weights of the mean of the liked and of the disliked images; that of the query is 1."""

    like: float
    unlike: float


# Fitted by `python -m benchmarks learning` with the starter model; mixtures have those of texts.
WEIGHTS: Mapping[Modality, RocchioWeights] = {
    Modality.TEXT: RocchioWeights(0.5, 0.25),
    Modality.IMAGE: RocchioWeights(0.75, 0.25),
    Modality.MIXED: RocchioWeights(0.5, 0.25),
}


def refined(
    query: Embedding, liked: Embedding, unliked: Embedding, weights: RocchioWeights
) -> Embedding:
    """The query [D] after opinions on images [L, D] and [U, D]: [D] float32, L2-normalized.

    All vectors are L2-normalized; `liked` or `unliked` may have no rows.
    """
    if not (len(liked) or len(unliked)):
        return query
    moved = query.astype(np.float64)
    if len(liked):
        moved = moved + weights.like * liked.mean(axis=0)
    if len(unliked):
        moved = moved - weights.unlike * unliked.mean(axis=0)
    # The weight of the disliked images is below 1, so that the sum is never zero.
    return np.asarray(moved / np.linalg.norm(moved), np.float32)


def check_opinions(search: Search) -> None:
    """Raises InvalidQuery for too many ids, or an id that is both liked and disliked."""
    for field, ids in (("like", search.like), ("unlike", search.unlike)):
        if len(ids) > MAX_OPINIONS:
            raise _invalid(f"{field} has {len(ids)} ids", f"send up to {MAX_OPINIONS}")
    if both := sorted(set(search.like) & set(search.unlike)):
        raise _invalid(f"{both[0]!r} is in like and in unlike", "send an id in one of them")


def _invalid(message: str, hint: str) -> InvalidQuery:
    return InvalidQuery(message, hint, "invalid_opinions")
