"""Whether two pictures whose miniatures agree also agree in what is as fine as words.

Weights and limits come from drawn pages (`models/document_pages.py`), their scans, and photos.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imagesearch.contrast_maps import Contrasts
from imagesearch.contrast_maps import from_text as contrasts_of
from imagesearch.miniatures import Greys
from imagesearch.overlap import Miniature, best_placement
from imagesearch.registration import Blocks, registered

# The log-odds of the confidence that is asked for unless another one is: 0.95.
_SURE = 2.944
# Of any two pictures, the half of the blocks that agrees better has at least this correlation.
_LEAST_MEDIAN, _MEDIAN_SLOPE = 0.3, 30.0
# Pages may share a template: nearly all of their blocks must agree nearly as well as the others.
_LEAST_PAGE_MEDIAN = 0.6
_LEAST_RATIO, _RATIO_SLOPE = 0.78, 20.0
_LOW = 0.1
# What makes a page: see `_page_features`, and the constant last.
_PAGE_WEIGHTS = np.array([12.98, -8.29, -7.9, -6.22, -5.93, 4.16, 1.05, 1.0, 25.44, -9.91])
_PAGE_BIAS = -11.41
# Few sample photos and their copies come to more, on average of the two.
_PAGE_LIMIT = 2.5
# Root mean square of the contrasts; sample photos have 0.44 or more.
_BLANK = 0.25


@dataclass(frozen=True, eq=False)
class Detail:
    """A picture's miniature and its contrast map."""

    miniature: Miniature
    contrasts: Contrasts

    @classmethod
    def of(cls, miniature: Miniature, text: str) -> "Detail":
        """Raises ValueError for a text that is no contrast map."""
        return cls(miniature, contrasts_of(text))

    @cached_property
    def pageness(self) -> float:
        """The log-odds that it is text, a table, a chart or a screen rather than a photo."""
        features = _page_features(self.miniature.greys, self.contrasts)
        return float(features @ _PAGE_WEIGHTS) + _PAGE_BIAS

    @cached_property
    def is_blank(self) -> bool:
        """Whether there is next to nothing in it, such as a gradient or one line on a page."""
        return float(np.sqrt(np.mean(self.contrasts**2))) < _BLANK


def agreement_logit(one: Detail, other: Detail) -> float:
    """The log-odds that both are the same picture, by their details alone; -inf without any."""
    if one.is_blank and other.is_blank:
        return -math.inf
    placement, one_is_part = best_placement(one.miniature, other.miniature)
    part, whole = (one, other) if one_is_part else (other, one)
    blocks = registered(part.contrasts, whole.contrasts, placement)
    median = _quantile(blocks, np.minimum(blocks.energy, blocks.common), 0.5)
    if (one.pageness + other.pageness) / 2 < _PAGE_LIMIT:
        return _SURE + (median - _LEAST_MEDIAN) * _MEDIAN_SLOPE
    middle = _quantile(blocks, blocks.energy, 0.5)
    ratio = _quantile(blocks, blocks.energy, _LOW) / max(middle, 0.1)
    return min(
        _SURE + (median - _LEAST_PAGE_MEDIAN) * _MEDIAN_SLOPE,
        _SURE + (ratio - _LEAST_RATIO) * _RATIO_SLOPE,
    )


def _quantile(blocks: Blocks, weights: NDArray[np.float32], share: float) -> float:
    """The correlation that blocks with this share of the weight do not reach; 0 without weight."""
    if not weights.any():
        return 0.0
    order = np.argsort(blocks.correlation)
    reached = np.cumsum(weights[order]) / weights.sum()
    place = min(len(order) - 1, int(np.searchsorted(reached, share)))
    return float(blocks.correlation[order[place]])


_Features: TypeAlias = NDArray[np.float64]


def _page_features(greys: Greys, contrasts: Contrasts) -> _Features:
    """[10]: plain ground, smoothness at three scales, emptiness, contrast, lines along both axes,
    edges along the axes, and how black and white it is."""
    counts = np.bincount(greys.astype(np.intp).ravel(), minlength=64)
    ground = np.convolve(counts, np.ones(7), "same").max() / greys.size
    strengths = np.abs(contrasts)
    power = float(np.mean(contrasts**2)) + 1e-6
    height, width = contrasts.shape
    rows = np.mean(contrasts.mean(axis=1) ** 2) / power * width
    columns = np.mean(contrasts.mean(axis=0) ** 2) / power * height
    across, down = (
        np.abs(np.diff(contrasts, axis=1))[:-1],
        np.abs(np.diff(contrasts, axis=0))[:, :-1],
    )
    straight = np.abs(across - down).mean() / ((across + down).mean() + 1e-6)
    stark = (strengths > 0.9).mean() / ((strengths > 0.3).mean() + 1e-3)
    return np.array(
        [
            ground,
            _smoothness(greys - greys.mean(), 1),
            _smoothness(contrasts, 1),
            _smoothness(contrasts, 2),
            (strengths < 0.1).mean(),
            power**0.5,
            np.log(rows + 0.1),
            np.log(columns + 0.1),
            straight,
            stark,
        ]
    )


def _smoothness(values: NDArray[np.float32], step: int) -> float:
    """How much cells have in common with those that many rows and columns on, up to 1."""
    across = np.mean(values[:, step:] * values[:, :-step])
    down = np.mean(values[step:] * values[:-step])
    return float(across + down) / 2 / (float(np.mean(values**2)) + 1e-6)
