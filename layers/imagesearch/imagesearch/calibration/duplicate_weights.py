"""Fits the weights of the evidence for duplicates, see `imagesearch.duplicates.similarity`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagesearch.calibration.logistic_regression import Doubles, logistic_fit
from imagesearch.domain.images import Embedding
from imagesearch.duplicates.miniatures import Miniature, overlap
from imagesearch.duplicates.similarity import FAR, Weights, hash_distance

# The number of candidates that indexing compares; all others have no overlap.
CANDIDATES = 10
# Keeps the photos that are not used for fitting away from the threshold.
RIDGE = 1e-3
# Fitted on the nearest other photos, which an index would return, not on easy pairs.
NEAREST = 5


@dataclass(frozen=True)
class Fingerprints:
    """Embeddings [N, D], hashes and miniatures of N images."""

    embeddings: Embedding
    hashes: Sequence[str]
    miniatures: Sequence[Miniature]


def compared(cosines: Embedding) -> list[int]:
    """The columns of the nearest images, which indexing compares; `cosines` is [M]."""
    return [int(column) for column in np.argsort(-cosines)[: CANDIDATES + 1]]


def fitted_columns(cosines: Embedding, own: int, *, is_copy: bool) -> list[int]:
    """The images that the weights are fitted on: the nearest others, and the original of a copy."""
    others = [int(column) for column in np.argsort(-cosines) if column != own][:NEAREST]
    return [*others, own] if is_copy else others


def evidence_of_pair(
    copies: Fingerprints, row: int, images: Fingerprints, column: int
) -> tuple[float, float]:
    """The similarity of the hashes, in [0, 1], and the overlap of the miniatures."""
    distance = hash_distance(copies.hashes[row], images.hashes[column])
    shared = overlap(copies.miniatures[row], images.miniatures[column])
    return 1 - min(distance, FAR) / FAR, shared


def training_pairs(
    copies: Fingerprints, images: Fingerprints, originals: Sequence[int], *, is_copy: bool
) -> tuple[Embedding, NDArray[np.bool_]]:
    """Features [P, 3] of the pairs to fit on, and a mask [P] of copies with their originals.

    `originals` are the rows in `images` of the copies' originals, or of the images themselves.
    """
    features, same = [], []
    for row, own in enumerate(originals):
        cosines = images.embeddings @ copies.embeddings[row]
        near = compared(cosines)
        for column in fitted_columns(cosines, own, is_copy=is_copy):
            other = evidence_of_pair(copies, row, images, column) if column in near else (0.0, 0.0)
            features.append((cosines[column], *other))
            same.append(column == own)
    return np.array(features, np.float32).reshape(-1, 3), np.array(same, bool)


def fit_weights(features: Embedding, same: NDArray[np.bool_]) -> Doubles:
    """The weights of cosine, hash and overlap, and the bias; copies weigh as much as others."""
    shares = np.where(same, 0.5 / max(1, same.sum()), 0.5 / max(1, (~same).sum()))
    return logistic_fit(features, same, shares, RIDGE)


def rounded(weights: Doubles) -> Weights:
    """More digits are not significant."""
    return Weights(*(round(float(weight), 2) for weight in weights))
