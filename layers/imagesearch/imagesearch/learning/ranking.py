"""Ranks of liked images among all rated images, with and without a map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imagesearch.domain.images import Embedding
from imagesearch.learning.opinions import Opinion, RatedQuery

Move: TypeAlias = Callable[[Embedding], Embedding]


@dataclass(frozen=True)
class Pool:
    """The rated images of all queries: vectors [N, D], and their ids."""

    vectors: Embedding
    ids: NDArray[np.str_]

    @classmethod
    def of(cls, opinions: Sequence[Opinion]) -> Pool:
        images = {each.image_id: each.image for each in opinions}
        return cls(np.stack(list(images.values())), np.array(list(images)))

    def reciprocal_ranks(self, rated: Sequence[RatedQuery], move: Move | None = None) -> Embedding:
        """[Q]: 1 / the rank of the first liked image of each query, of which each has one."""
        queries = np.stack([each.query for each in rated])
        scores = (move(queries) if move else queries) @ self.vectors.T
        firsts = [self._first(row, each) for row, each in zip(scores, rated, strict=True)]
        return np.array(firsts, np.float32)

    def _first(self, scores: Embedding, rated: RatedQuery) -> float:
        liked = np.isin(self.ids, list(rated.liked_ids))
        # A tie counts as lower, so that equal vectors do not count as found.
        return 1 / (1 + int((scores[~liked] >= scores[liked].max()).sum()))
