"""Fits the curves from cosine and nearness of the query to a background, to relevance.

Relevance is the probability that an image is right, if a share of `PRIOR` of the images that a
person views is right: at 0.5, right images are (1 − PRIOR) / PRIOR times as dense as wrong ones.
The fit is a weighted logistic regression by Newton's method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagesearch.search.relevance import Background, Curve, Modality, Relevance
from models import Floats
from models.relevance.evidence import Evidence, Marks

Doubles = npt.NDArray[np.float64]
STEPS, NEAR_ENOUGH = 100, 1e-10
# A small ridge keeps the step finite if a feature separates right from wrong.
RIDGE = 1e-5
PRIOR = 0.19
# The k of CSLS (Conneau et al. 2018).
NEIGHBORS = 10


def logistic_fit(
    features: npt.NDArray[np.floating],
    right: npt.NDArray[np.bool_],
    weights: Doubles,
    ridge: float = RIDGE,
) -> Doubles:
    """Coefficients of features [N, F] and, last, the intercept: [F + 1].

    They make sigmoid(features · coefficients + intercept) the likeliest for right [N] under the
    weights [N], whose sum is about 1; a larger `ridge` keeps the coefficients smaller.
    """
    center, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    design = np.column_stack([(features - center) / spread, np.ones(len(features))])
    found = _newton(design.astype(np.float64), right.astype(np.float64), weights, ridge)
    coefficients = found[:-1] / spread
    return np.append(coefficients, found[-1] - coefficients @ center)


def _newton(design: Doubles, right: Doubles, weights: Doubles, ridge: float) -> Doubles:
    penalty = np.diag(np.append(np.full(design.shape[1] - 1, ridge), 0))
    found = np.zeros(design.shape[1])
    for _ in range(STEPS):
        likely = 0.5 + 0.5 * np.tanh(design @ found / 2)
        gradient = design.T @ (weights * (right - likely)) - penalty @ found
        curvature = (design * (weights * likely * (1 - likely))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        found += step
        if np.abs(step).max() < NEAR_ENOUGH:
            break
    return found


class NothingToFit(Exception):
    """The model does not separate right from wrong images."""


@dataclass(frozen=True)
class Backgrounds:
    """Label sentences for text queries, of which the nearest count; photos for all others."""

    labels: Floats
    photos: Floats

    def of(self, kind: Modality) -> Background:
        if kind is Modality.TEXT:
            return Background(self.labels, NEIGHBORS)
        return Background(self.photos, len(self.photos))

    def some(self, photos: Marks) -> Backgrounds:
        return Backgrounds(self.labels, self.photos[photos])


def background_rows(vectors: Floats) -> np.ndarray:
    """int8 [N, D], with a scale per row, which keeps only directions."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    return np.asarray(np.rint(vectors / largest * 127), np.int8)


def fit_relevance(
    evidence: Mapping[Modality, Sequence[Evidence]], photos: Floats, backgrounds: Backgrounds
) -> tuple[Relevance, dict[Modality, Curve]]:
    """Raises NothingToFit."""
    curves = {kind: fit_curve(kind, sorts, photos, backgrounds) for kind, sorts in evidence.items()}
    kinds = {kind: (backgrounds.of(kind), curve) for kind, curve in curves.items()}
    return Relevance(kinds), curves


def fit_curve(
    kind: Modality, sorts: Sequence[Evidence], photos: Floats, backgrounds: Backgrounds
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
    kind: Modality, sort: Evidence, photos: Floats, backgrounds: Backgrounds
) -> Floats:
    """[Q]. Excludes the photo that a query is made from, as users' photos are no background."""
    background = backgrounds.of(kind)
    near = background.nearness(sort.queries)
    if kind is Modality.TEXT:
        return near
    own = np.einsum("qd,qd->q", sort.queries, photos[sort.made_from])
    return np.asarray((near * len(background.vectors) - own) / (len(background.vectors) - 1))


def _pairs(
    kind: Modality, sort: Evidence, photos: Floats, backgrounds: Backgrounds
) -> tuple[np.ndarray, ...]:
    """Pairs of queries and photos: cosine and nearness [P, 2], right or wrong [P], weight [P]."""
    cosines = sort.queries @ photos.T
    near = nearness_to_others(kind, sort, photos, backgrounds)[:, None]
    features = np.stack([cosines, np.broadcast_to(near, cosines.shape)], axis=-1)
    counted = sort.right | sort.wrong
    weights = pair_weights(sort) / max(1, len(sort.queries))
    return features[counted], sort.right[counted], weights[counted]
