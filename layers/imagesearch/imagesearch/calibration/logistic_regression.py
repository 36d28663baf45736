"""Weighted logistic regression by Newton's method."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Doubles: TypeAlias = npt.NDArray[np.float64]
STEPS, NEAR_ENOUGH = 100, 1e-10
# A small ridge keeps the step finite if a feature separates right from wrong.
RIDGE = 1e-5


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
