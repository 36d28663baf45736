"""Comparison of two pages with similar miniatures at the resolution of words.

The limits were fitted on synthetic pages and their scans (`models/evaluation/document_pages.py`).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imagesearch.duplicates.contrast_maps import UNSURE, Contrasts
from imagesearch.duplicates.contrast_maps import from_text as contrasts_of
from imagesearch.duplicates.miniatures import Miniature, best_placement
from imagesearch.duplicates.registration import Blocks, registered

# The log-odds of the default confidence, 0.95.
_DEFAULT_LOGIT = 2.944
# Pages may share a template: the worst tenth of the blocks must agree nearly as well as the rest.
_LOW, _MIDDLE = 0.1, 0.5
_MIDDLE_SHARE = 0.337
_MIN_AGREEMENT = 0.425
_SLOPE = 20.0
# Root mean square of the contrasts; sample photos have 0.44 or more.
_MAX_BLANK = 0.25


@dataclass(frozen=True, eq=False)
class Detail:
    """A page's miniature and contrast map; `is_unsure` if the image may be a photo."""

    miniature: Miniature
    contrasts: Contrasts
    is_unsure: bool = False

    @classmethod
    def of(cls, miniature: Miniature, text: str) -> "Detail":
        """Parse a contrast map; raises ValueError for an invalid text."""
        return cls(miniature, contrasts_of(text.removeprefix(UNSURE)), text.startswith(UNSURE))

    @cached_property
    def is_blank(self) -> bool:
        """True for a nearly empty image, such as a gradient or one line on a page."""
        return float(np.sqrt(np.mean(self.contrasts**2))) < _MAX_BLANK


def agreement_logit(one: Detail | None, other: Detail | None) -> float:
    """The log-odds that both are the same page, by their contrast maps only.

    -inf if both are blank or nothing matches. inf if the maps are no evidence: one is missing, both
    may be photos, or one may be a photo and partly matches the other, because a wide border may
    leave a copy no more than that in common.
    """
    if one is None or other is None or (one.is_unsure and other.is_unsure):
        return math.inf
    if one.is_blank and other.is_blank:
        return -math.inf
    placement, one_is_part = best_placement(one.miniature, other.miniature)
    part, whole = (one, other) if one_is_part else (other, one)
    blocks = registered(part.contrasts, whole.contrasts, placement)
    if blocks is None:
        return -math.inf
    if one.is_unsure or other.is_unsure:
        return math.inf
    low = _quantile(blocks, blocks.energy, _LOW)
    middle = _quantile(blocks, blocks.energy, _MIDDLE)
    return _DEFAULT_LOGIT + _SLOPE * (low - _MIDDLE_SHARE * max(middle, 0.0) - _MIN_AGREEMENT)


def _quantile(blocks: Blocks, weights: NDArray[np.float32], share: float) -> float:
    """The weighted quantile of the blocks' correlation at `share`; 0 without any weight."""
    if not weights.any():
        return 0.0
    order = np.argsort(blocks.correlation)
    reached = np.cumsum(weights[order]) / weights.sum()
    rank = min(len(order) - 1, int(np.searchsorted(reached, share)))
    return float(blocks.correlation[order[rank]])
