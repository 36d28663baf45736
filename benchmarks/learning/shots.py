"""Labels that learn: accuracy with 1 to 16 examples per label, on photos without an example.

A half of the photos of each group gives the examples: its photos first, then their edited copies.
The other half is classified.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.learning.collections import Sight
from imagesearch.classification.few_shot import Examples, best_strength, learned, regression
from imagesearch.classification.prompts import LabelEncoder

SHOTS = (1, 2, 4, 8, 16)
# Each time, another half of the photos gives the examples.
DRAWS = 5


@dataclass(frozen=True)
class Labeling:
    """A label for each group of photos; `group` [P] is the group of each photo, or -1."""

    name: str
    labels: Sequence[str]
    group: NDArray[np.int64]


@dataclass(frozen=True)
class Accuracy:
    """Shares of right labels: zero-shot, with the regression, and with what is adopted.

    adopted: of `DRAWS`.
    """

    labeling: str
    shots: int
    zero_shot: float
    regression: float
    adopted: int
    served: float


def accuracies(
    sight: Sight, encoder: LabelEncoder, labelings: Sequence[Labeling]
) -> Iterator[Accuracy]:
    for labeling in labelings:
        vectors = encoder.encode_labels(labeling.labels)
        shares = np.stack(
            [encoder.probabilities(row) for row in (sight.images @ vectors.T).tolist()]
        )
        group = labeling.group[sight.photo]
        for shots in SHOTS:
            every = Examples(sight.images, group, shares, encoder.copy_cosine)
            found = [_accuracy(sight, every, labeling, shots, seed) for seed in range(DRAWS)]
            zero_shot, fitted, used = np.array(found).T
            served = np.where(used, fitted, zero_shot)
            yield Accuracy(
                labeling.name,
                shots,
                float(zero_shot.mean()),
                float(fitted.mean()),
                int(used.sum()),
                float(served.mean()),
            )


def _accuracy(
    sight: Sight, every: Examples, labeling: Labeling, shots: int, seed: int
) -> tuple[float, float, bool]:
    """Accuracy zero-shot and with the regression, and whether it is adopted."""
    train, test = _rows(sight, labeling, shots, np.random.default_rng(seed))
    given, asked = every.of(train), every.of(test)
    fitted = regression(given, best_strength(given)).shares(asked.images, asked.zero_shot)
    before, after = (
        float((shares.argmax(axis=1) == asked.labels).mean())
        for shares in (asked.zero_shot, fitted)
    )
    return before, after, learned(given).used


def _rows(
    sight: Sight, labeling: Labeling, shots: int, draw: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of the examples, and those of the photos to classify."""
    train, test = [], []
    count = len(labeling.group)
    for number in range(len(labeling.labels)):
        photos = draw.permutation(np.flatnonzero(labeling.group == number))
        half = len(photos) // 2
        copies = draw.permutation(np.flatnonzero(np.isin(sight.photo, photos[:half])))
        # The first `count` images are the photos.
        train.append(np.concatenate([copies[copies < count], copies[copies >= count]])[:shots])
        test.append(photos[half:])
    return np.concatenate(train), np.concatenate(test)
