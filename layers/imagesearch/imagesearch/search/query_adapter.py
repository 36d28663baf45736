"""Query adapters: a linear map of a model's query vectors that was fitted on relevance feedback.

The vectors of the images do not change, so that an index never depends on an adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagesearch.domain.images import Embedding
from imagesearch.search.relevance import Curve, Modality

# No query vector moves by more than this length before it is normalized: by at most 64.2 degrees.
MAX_SHIFT = 0.9


@dataclass(frozen=True, slots=True)
class QueryMap:
    """The identity plus a matrix of low rank: q + `left` · (`right` · q); both are [R, D]."""

    left: Embedding
    right: Embedding

    def applied(self, queries: Embedding) -> Embedding:
        """Queries [Q, D], L2-normalized, after the map: [Q, D] float32, L2-normalized."""
        # Not matmul: on a busy machine, synchronizing BLAS threads takes 100 times the computation.
        shifts = np.einsum("qr,rd->qd", np.einsum("qd,rd->qr", queries, self.right), self.left)
        return shifted(queries, shifts)


def shifted(queries: Embedding, shifts: NDArray[np.floating]) -> Embedding:
    """Queries [Q, D] moved by vectors [Q, D], which are shortened to `MAX_SHIFT`, L2-normalized."""
    lengths = np.linalg.norm(shifts, axis=1, keepdims=True)
    moved = queries + shifts * (MAX_SHIFT / np.maximum(lengths, MAX_SHIFT))
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), np.float32)


@dataclass(frozen=True, slots=True)
class QueryAdapter:
    """The maps of text and of image queries; a modality without a map does not change.

    `curves` replace the model's relevance curves, which were fitted without the maps.
    """

    name: str
    maps: Mapping[Modality, QueryMap]
    curves: Mapping[Modality, Curve]

    def adapted(self, query: Embedding, modality: Modality) -> Embedding:
        """The vector [D] of a text or of an image after its map: [D] float32, L2-normalized."""
        found = self.maps.get(modality)
        return found.applied(query[None])[0] if found else query
