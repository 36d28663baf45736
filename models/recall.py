"""Text → image: for how many captions is their own photo among the first k?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.quantise import Floats

CUTS = (1, 5, 10)
Recall = dict[str, float]


def ranks(queries: Floats, items: Floats) -> npt.NDArray[np.int64]:
    """How many items score higher than the query's own, which has the same row number; [N].

    An item that ties with the own one counts as higher, so equal vectors cannot look like a find.
    """
    scores = queries @ items.T
    others = ~np.eye(len(scores), dtype=bool)
    return np.asarray(((scores >= np.diag(scores)[:, None]) & others).sum(axis=1), np.int64)


def recall(queries: Floats, items: Floats) -> Recall:
    """R@1, R@5 and R@10 in percent."""
    rank = ranks(queries, items)
    return {f"R@{k}": round(100 * float((rank < k).mean()), 1) for k in CUTS}


def mean_reciprocal_rank(queries: Floats, items: Floats) -> float:
    """In percent."""
    return 100 * float((1 / (1 + ranks(queries, items))).mean())


def top_overlap(
    queries: Floats, items: Floats, other_queries: Floats, other_items: Floats
) -> float:
    """How much of the other's first 10 is among the own first 10, in percent of all queries."""
    own, others = first_10(queries @ items.T), first_10(other_queries @ other_items.T)
    kept = [np.intersect1d(*pair).size / pair[0].size for pair in zip(own, others, strict=True)]
    return round(100 * float(np.mean(kept)), 1)


def first_10(scores: Floats) -> npt.NDArray[np.int64]:
    """[queries, items] → the items with the highest scores, [queries, 10], in any order."""
    return np.asarray(np.argpartition(-scores, min(10, scores.shape[1] - 1), axis=1)[:, :10])
