"""Fits the curves from cosine and nearness of the query to a background, to relevance.

Relevance is the probability that an image is right, if a share of `PRIOR` of the images that a
person views is right: at 0.5, right images are (1 − PRIOR) / PRIOR times as dense as wrong ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagesearch.calibration.evidence import Evidence, Marks
from imagesearch.calibration.logistic_regression import Doubles, logistic_fit
from imagesearch.domain.images import Embedding
from imagesearch.search.relevance import Background, Curve, Modality, Relevance

PRIOR = 0.19
# The k of CSLS (Conneau et al. 2018).
NEIGHBORS = 10


class NothingToFit(Exception):
    """The model does not separate right from wrong images."""


@dataclass(frozen=True)
class Backgrounds:
    """Label sentences for text queries, of which the nearest count; photos for all others."""

    labels: Embedding
    photos: Embedding

    def of(self, kind: Modality) -> Background:
        if kind is Modality.TEXT:
            return Background(self.labels, NEIGHBORS)
        return Background(self.photos, len(self.photos))

    @classmethod
    def of_rows(cls, labels: npt.NDArray[np.int8], photos: npt.NDArray[np.int8]) -> Backgrounds:
        """The backgrounds as the product reads them from their files."""
        return cls(unit_rows(labels), unit_rows(photos))

    def some(self, photos: Marks) -> Backgrounds:
        return Backgrounds(self.labels, self.photos[photos])


def unit_rows(rows: npt.NDArray[np.int8]) -> Embedding:
    """int8 [N, D] with normalized rows."""
    wide = rows.astype(np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True), np.float32)


def background_rows(vectors: Embedding) -> npt.NDArray[np.int8]:
    """int8 [N, D], with a scale per row, which keeps only directions."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    return np.asarray(np.rint(vectors / largest * 127), np.int8)


def fit_relevance(
    evidence: Mapping[Modality, Sequence[Evidence]], photos: Embedding, backgrounds: Backgrounds
) -> tuple[Relevance, dict[Modality, Curve]]:
    """Raises NothingToFit."""
    curves = {kind: fit_curve(kind, sorts, photos, backgrounds) for kind, sorts in evidence.items()}
    kinds = {kind: (backgrounds.of(kind), curve) for kind, curve in curves.items()}
    return Relevance(kinds), curves


def fit_curve(
    kind: Modality, sorts: Sequence[Evidence], photos: Embedding, backgrounds: Backgrounds
) -> Curve:
    """All sorts of evidence have equal weight, and so have the queries with a match of one sort."""
    parts = [_pairs(kind, sort.answered(), photos, backgrounds) for sort in sorts]
    features, right, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    slope, near, intercept = map(float, logistic_fit(features, right, weights))
    if not slope > 0:
        raise NothingToFit(
            "right pictures have no higher cosines than wrong ones: the model has not been trained,"
            " or the captions are not of these photos"
        )
    # More digits are not significant, and would differ between equal fits.
    base, weight = -intercept / slope, -near / slope
    return Curve(round(slope, 3), round(base, 4), round(weight, 4))


def pair_weights(sort: Evidence) -> Doubles:
    """Weights of photos, [Q, N]: 1 in total per query, of which `PRIOR` for right photos."""
    right = sort.right * PRIOR / sort.right.sum(axis=1, keepdims=True)
    wrong = sort.wrong * (1 - PRIOR) / sort.wrong.sum(axis=1, keepdims=True)
    return np.asarray(right + wrong, np.float64)


def nearness_to_others(
    kind: Modality, sort: Evidence, photos: Embedding, backgrounds: Backgrounds
) -> Embedding:
    """[Q]. Excludes the photo that a query is made from, as users' photos are no background."""
    background = backgrounds.of(kind)
    near = background.nearness(sort.queries)
    if kind is Modality.TEXT:
        return near
    own = np.einsum("qd,qd->q", sort.queries, photos[sort.made_from])
    return np.asarray((near * len(background.vectors) - own) / (len(background.vectors) - 1))


def _pairs(
    kind: Modality, sort: Evidence, photos: Embedding, backgrounds: Backgrounds
) -> tuple[np.ndarray, ...]:
    """Pairs of queries and photos: cosine and nearness [P, 2], right or wrong [P], weight [P]."""
    cosines = sort.queries @ photos.T
    near = nearness_to_others(kind, sort, photos, backgrounds)[:, None]
    features = np.stack([cosines, np.broadcast_to(near, cosines.shape)], axis=-1)
    counted = sort.right | sort.wrong
    weights = pair_weights(sort) / max(1, len(sort.queries))
    return features[counted], sort.right[counted], weights[counted]
