"""Fits the curves from a cosine, and how near its query is to the background, to relevance.

Relevance is the chance that a picture is a right one, if `PRIOR` of those that a person looks at
are right. So 0.5 lies where right pictures are (1 − PRIOR) / PRIOR times as dense as wrong ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from imagesearch.relevance import Curve, Kind, nearness
from models.logistic import Doubles, logistic_fit
from models.quantise import Floats
from models.relevance_evidence import Evidence

PRIOR = 0.19
# The k of CSLS (Conneau et al. 2018).
NEIGHBOURS = 10


class NothingToFit(Exception):
    """The model does not tell right pictures from wrong ones."""


def background_rows(vectors: Floats) -> np.ndarray:
    """int8 [N, D] with the directions of the vectors; each row has a scale of its own."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    return np.asarray(np.rint(vectors / largest * 127), np.int8)


def fit_curves(
    evidence: Mapping[Kind, Sequence[Evidence]], photos: Floats, background: Floats
) -> dict[Kind, Curve]:
    """Raises NothingToFit."""
    return {kind: fit_curve(sorts, photos, background) for kind, sorts in evidence.items()}


def fit_curve(sorts: Sequence[Evidence], photos: Floats, background: Floats) -> Curve:
    """Every sort of evidence weighs the same, and in it every query with an answer."""
    parts = [_pairs(sort, photos, background) for sort in sorts]
    features, right, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    slope, near, intercept = map(float, logistic_fit(features, right, weights))
    if not slope > 0:
        raise NothingToFit(
            "right pictures have no higher cosines than wrong ones: the model has not been trained,"
            " or the captions are not of these photos"
        )
    # More digits would mean nothing; with these, fits that are equal look equal.
    return Curve(
        round(slope, 3), base=round(-intercept / slope, 4), nearness=round(-near / slope, 4)
    )


def pair_weights(sort: Evidence) -> Doubles:
    """What each photo weighs for each query, [Q, N]: 1 for a query, `PRIOR` of it for the right."""
    right = sort.right * PRIOR / sort.right.sum(axis=1, keepdims=True)
    wrong = sort.wrong * (1 - PRIOR) / sort.wrong.sum(axis=1, keepdims=True)
    return np.asarray(right + wrong, np.float64)


def _pairs(sort: Evidence, photos: Floats, background: Floats) -> tuple[np.ndarray, ...]:
    """Of queries and photos: cosine and nearness [P, 2], whether it is right [P], weight [P]."""
    sort = sort.answered()
    cosines = sort.queries @ photos.T
    near = nearness(sort.queries, background, NEIGHBOURS)[:, None]
    features = np.stack([cosines, np.broadcast_to(near, cosines.shape)], axis=-1)
    counted = sort.right | sort.wrong
    weights = pair_weights(sort) / max(1, len(sort.queries))
    return features[counted], sort.right[counted], weights[counted]
