"""The directions of the second block: where the classifier's weights tell labels apart."""

from __future__ import annotations

import numpy as np

from models.quantise import Floats


def singular_directions(classifier: Floats, count: int) -> tuple[Floats, Floats]:
    """First right singular vectors [features, count] of the centred weights, and their values.

    What all labels share is taken off first, because softmax does not see it. Signs are fixed
    (largest entry positive): they are free in an SVD, and the file should not depend on them.
    """
    centred = (classifier - classifier.mean(axis=0)).astype(np.float64)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    kept = directions[:count]
    largest = np.take_along_axis(kept, np.abs(kept).argmax(axis=1)[:, None], axis=1)
    kept = kept * np.sign(largest)
    return kept.T.astype(np.float32), values[:count].astype(np.float32)


def looks_directions(classifier: Floats, count: int) -> Floats:
    """[features, count], each direction as long as the square root of its singular value."""
    directions, values = singular_directions(classifier, count)
    return directions * np.sqrt(values)
