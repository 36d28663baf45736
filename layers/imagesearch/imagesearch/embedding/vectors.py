"""Vectors leave here with length 1, or not at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imagesearch.domain.images import Embedding

SMALLEST_LENGTH = 1e-12


def normalised(vectors: Embedding) -> tuple[Embedding, NDArray[np.bool_]]:
    """[N, D] with every row L2-normalised, and [N]: which rows have a direction at all.

    A row without one (zero or not finite) has no meaningful values. Lengths are taken in float64:
    the square of a large float32 overflows.
    """
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    good = np.isfinite(lengths) & (lengths > SMALLEST_LENGTH)
    unit = np.divide(wide, lengths, out=np.zeros_like(wide), where=good)
    return unit.astype(np.float32), good[:, 0]
