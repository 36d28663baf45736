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
