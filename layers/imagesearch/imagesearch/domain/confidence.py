"""The margin of error of a mean, which decides about everything that is learned from users."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def half_interval(differences: NDArray[np.floating]) -> float:
    """Half of the 95 % confidence interval of the mean; the quantile of Student is approximated."""
    count = len(differences)
    if count < 2:
        return np.inf
    quantile = 1.96 + 2.6 / (count - 1)
    return float(quantile * differences.std(ddof=1) / np.sqrt(count))
