"""Retrieval metrics of queries and items with the same row numbers."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from imagesearch.domain.images import Embedding

CUTS = (1, 5, 10)
Recall: TypeAlias = dict[str, float]


def ranks(queries: Embedding, items: Embedding) -> npt.NDArray[np.int64]:
    """The number of items that score higher than the query's own, which has the same row; [N].

    A tie counts as higher, so that equal vectors do not count as found.
    """
    scores = queries @ items.T
    others = ~np.eye(len(scores), dtype=bool)
    return np.asarray(((scores >= np.diag(scores)[:, None]) & others).sum(axis=1), np.int64)


def recall(queries: Embedding, items: Embedding) -> Recall:
    """R@1, R@5 and R@10 in percent."""
    rank = ranks(queries, items)
    return {f"R@{k}": round(100 * float((rank < k).mean()), 1) for k in CUTS}


def mean_reciprocal_rank(queries: Embedding, items: Embedding) -> float:
    """In percent."""
    return 100 * float((1 / (1 + ranks(queries, items))).mean())


def top_overlap(
    queries: Embedding, items: Embedding, other_queries: Embedding, other_items: Embedding
) -> float:
    """Overlap of the first 10 results of both, in percent, as a mean of the queries."""
    own, others = first_10(queries @ items.T), first_10(other_queries @ other_items.T)
    kept = [np.intersect1d(*pair).size / pair[0].size for pair in zip(own, others, strict=True)]
    return round(100 * float(np.mean(kept)), 1)


def first_10(scores: Embedding) -> npt.NDArray[np.int64]:
    """Scores [queries, items] → the 10 items with the highest scores, [queries, 10], unordered."""
    return np.asarray(np.argpartition(-scores, min(10, scores.shape[1] - 1), axis=1)[:, :10])
