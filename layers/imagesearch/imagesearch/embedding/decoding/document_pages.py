"""Whether a picture looks like a page, a screen or a chart rather than a photo.

Weights come from `models/evaluation/document_pages.py`, other drawn pages, their scans, and sample photos.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# What `_features` returns, in its order.
_WEIGHTS = np.array([-15.99, -1.57, 16.7, 17.14, 10.65, -13.84, -13.13])
_BIAS = -8.08
# One of 85 sample photos comes to more, and nearly all pages do.
LEAST_SURE = 0.7
# Noisy scans of drawn pages come to more; nearly all edited photos come to less.
LEAST = 0.1
# Differences between neighbouring pixels, in levels of 255.
_EVEN, _SLIGHT, _MIDDLING, _STRONG = 3, 8, 32, 48
_BLOCK = 16
# A block has a ground if so many of its 256 pixels are within so many levels.
_GROUND, _GROUND_LEVELS = 96, 6


def page_logit(small: Image.Image) -> float:
    """The log-odds of a page; `small` is a picture of some 320 pixels along its longer side."""
    grey = small.convert("L")
    if min(grey.size) < _BLOCK:
        return -math.inf
    return float(_features(np.asarray(grey)) @ _WEIGHTS) + _BIAS


def _features(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[7]: even pixels, strong edges, edges along the axes, plain ground, lines along both axes,
    and how many of the edges are soft."""
    levels = grey.astype(np.float32)
    across = np.abs(np.diff(levels, axis=1))[:-1]
    down = np.abs(np.diff(levels, axis=0))[:, :-1]
    edges = np.maximum(across, down)
    strong = float((edges > _STRONG).mean())
    soft = float(((edges > _SLIGHT) & (edges <= _MIDDLING)).mean())
    rows = np.abs(np.diff(levels.mean(axis=1))).mean() / (down.mean() + 0.5)
    columns = np.abs(np.diff(levels.mean(axis=0))).mean() / (across.mean() + 0.5)
    return np.array(
        [
            (edges <= _EVEN).mean(),
            np.log(strong + 0.003),
            np.abs(across - down).sum() / ((across + down).sum() + 1e-3),
            _ground(grey),
            rows,
            columns,
            soft / (strong + soft + 0.003),
        ]
    )


def _ground(grey: NDArray[np.uint8]) -> float:
    """The share of the blocks that have a ground."""
    height, width = (side // _BLOCK for side in grey.shape)
    blocks = grey[: height * _BLOCK, : width * _BLOCK].reshape(height, _BLOCK, width, _BLOCK)
    ordered = np.sort(blocks.transpose(0, 2, 1, 3).reshape(height * width, -1), axis=1)
    ranges = (ordered[:, _GROUND:] - ordered[:, :-_GROUND]).min(axis=1)
    return float((ranges <= _GROUND_LEVELS).mean())
