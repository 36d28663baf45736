"""Whether two pages whose miniatures agree also agree in what is as fine as words.

The limits come from drawn pages (`models/evaluation/document_pages.py`) and their scans.
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

# The log-odds of the confidence that is asked for unless another one is: 0.95.
_SURE = 2.944
# Pages may share a template: the worst tenth of the blocks must agree nearly as well as the rest.
_LOW, _MIDDLE = 0.1, 0.5
_MIDDLE_SHARE = 0.337
_LEAST_AGREEMENT = 0.425
_SLOPE = 20.0
# Root mean square of the contrasts; sample photos have 0.44 or more.
_BLANK = 0.25


@dataclass(frozen=True, eq=False)
class Detail:
    """A page's miniature and its contrast map; whether it may be a photo as well."""

    miniature: Miniature
    contrasts: Contrasts
    is_unsure: bool = False

    @classmethod
    def of(cls, miniature: Miniature, text: str) -> "Detail":
        """Raises ValueError for a text that is no contrast map."""
        return cls(miniature, contrasts_of(text.removeprefix(UNSURE)), text.startswith(UNSURE))

    @cached_property
    def is_blank(self) -> bool:
        """Whether there is next to nothing in it, such as a gradient or one line on a page."""
        return float(np.sqrt(np.mean(self.contrasts**2))) < _BLANK


def agreement_logit(one: Detail | None, other: Detail | None) -> float:
    """The log-odds that both are the same page, by their details alone; -inf without any.

    inf where they say nothing: one is missing, both may be photos, or one may be and something
    of it is in the other: in a photo with a wide frame that is all a copy has in common.
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
    return _SURE + _SLOPE * (low - _MIDDLE_SHARE * max(middle, 0.0) - _LEAST_AGREEMENT)


def _quantile(blocks: Blocks, weights: NDArray[np.float32], share: float) -> float:
    """The correlation that blocks with this share of the weight do not reach; 0 without weight."""
    if not weights.any():
        return 0.0
    order = np.argsort(blocks.correlation)
    reached = np.cumsum(weights[order]) / weights.sum()
    place = min(len(order) - 1, int(np.searchsorted(reached, share)))
    return float(blocks.correlation[order[place]])
