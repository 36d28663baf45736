"""Ways to tell from a query's cosines whether a photo stands out, to be compared with each other.

Each makes features [Q, N, F] of queries, photos and a background; a logistic regression turns them
into relevance. Of several features all but the cosine are the query's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from imagesearch.relevance import Background
from models.logistic import Doubles
from models.quantise import Floats

Method = Callable[[Floats, Floats, Floats], Doubles]
TAIL = 0.1
TEMPERATURE = 0.05
MAD_TO_DEVIATION = 1.4826


def cosine(queries: Floats, photos: Floats, _: Floats) -> Doubles:
    return _stacked(queries @ photos.T)


def z_of_collection(queries: Floats, photos: Floats, _: Floats) -> Doubles:
    scores = queries @ photos.T
    return _stacked((scores - _column(scores.mean(axis=1))) / _column(scores.std(axis=1)))


def z_of_background(queries: Floats, photos: Floats, background: Floats) -> Doubles:
    near = queries @ background.T
    scores = queries @ photos.T
    return _stacked((scores - _column(near.mean(axis=1))) / _column(near.std(axis=1)))


def robust_z(queries: Floats, photos: Floats, background: Floats) -> Doubles:
    near = queries @ background.T
    middle = _column(np.median(near, axis=1))
    deviation = MAD_TO_DEVIATION * _column(np.median(np.abs(near - middle), axis=1))
    return _stacked((queries @ photos.T - middle) / deviation)


def tail_of_background(queries: Floats, photos: Floats, background: Floats) -> Doubles:
    """Minus the logarithm of the chance to exceed the score, by an exponential tail."""
    near = queries @ background.T
    begin = _column(np.quantile(near, 1 - TAIL, axis=1))
    above = np.where(near > begin, near - begin, 0)
    excess = _column(above.sum(axis=1) / (near > begin).sum(axis=1))
    return _stacked((queries @ photos.T - begin) / excess)


def csls(queries: Floats, photos: Floats, background: Floats) -> Doubles:
    """Conneau et al. 2018, the query's side: twice the cosine less the nearness."""
    near = Background(background, 10).nearness(queries)
    return _stacked(2 * (queries @ photos.T) - _column(near))


def inverted_softmax(queries: Floats, photos: Floats, background: Floats) -> Doubles:
    """Smith et al. 2017 (arXiv 1702.03859): each photo against all the background."""
    crowd = np.log(np.exp(queries @ background.T / TEMPERATURE).mean(axis=1))
    return _stacked(queries @ photos.T / TEMPERATURE - _column(crowd))


def with_mean(queries: Floats, photos: Floats, background: Floats) -> Doubles:
    return _stacked(queries @ photos.T, (queries @ background.T).mean(axis=1))


def with_mean_and_deviation(queries: Floats, photos: Floats, background: Floats) -> Doubles:
    near = queries @ background.T
    return _stacked(queries @ photos.T, near.mean(axis=1), near.std(axis=1))


def with_entropy(queries: Floats, photos: Floats, background: Floats) -> Doubles:
    shares = np.exp(queries @ background.T / TEMPERATURE)
    shares /= shares.sum(axis=1, keepdims=True)
    return _stacked(queries @ photos.T, -(shares * np.log(shares)).sum(axis=1))


def with_nearness(neighbours: int) -> Method:
    def features(queries: Floats, photos: Floats, background: Floats) -> Doubles:
        return _stacked(queries @ photos.T, Background(background, neighbours).nearness(queries))

    return features


def with_all(queries: Floats, photos: Floats, background: Floats) -> Doubles:
    near = queries @ background.T
    ten = Background(background, 10).nearness(queries)
    return _stacked(queries @ photos.T, ten, near.mean(axis=1), near.std(axis=1))


METHODS: dict[str, Method] = {
    "cosine": cosine,
    "z-score among the collection": z_of_collection,
    "z-score among the background": z_of_background,
    "the same by median and MAD": robust_z,
    "exponential tail of the background": tail_of_background,
    "CSLS, k = 10": csls,
    "inverted softmax, temperature 0.05": inverted_softmax,
    "cosine, mean": with_mean,
    "cosine, mean, deviation": with_mean_and_deviation,
    "cosine, entropy": with_entropy,
    "cosine, nearness of 1": with_nearness(1),
    "cosine, nearness of 5": with_nearness(5),
    "cosine, nearness of 10": with_nearness(10),
    "cosine, nearness of 20": with_nearness(20),
    "cosine, nearness of 40": with_nearness(40),
    "cosine, nearness of 10, mean, deviation": with_all,
}


def _column(values: Floats) -> Floats:
    return np.asarray(values[:, None])


def _stacked(scores: Floats, *of_query: Sequence[float] | Floats) -> Doubles:
    columns = [np.broadcast_to(np.asarray(one)[:, None], scores.shape) for one in of_query]
    return np.stack([scores, *columns], axis=-1).astype(np.float64)
