"""Few-shot classification: kernel ridge regression from zero-shot shares to labeled examples.

With the zero-shot shares p(x) of the labels, and examples S with labels Y as 0 and 1, they are

    p(x) + k(x, S) · (K + ridge · I)⁻¹ · (Y − p(S)),    k(a, b) = exp(−(1 − cos(a, b)) / width),

the closed form of ProKeR (Bendou et al. 2025, https://arxiv.org/abs/2501.11175) with the shares as
its base learner. Far from all examples it is the zero-shot classifier, and near them a vote of the
nearest ones, as in Tip-Adapter (Zhang et al. 2022, https://arxiv.org/abs/2207.09519).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imagesearch.domain.confidence import half_interval
from imagesearch.domain.counts import counted
from imagesearch.domain.images import Embedding

FOLDS = 5
# With fewer, the interval of the gain says nothing.
MIN_EXAMPLES = 10
# About that of the starter model; classification passes the one of its model.
COPY_COSINE = 0.85
# The strongest shrinkage to zero-shot first: of equally good ones, the first is chosen. Widths are
# relative to the mean distance of the examples.
RIDGES = (1.0, 0.3, 0.1)
WIDTHS = (2.0, 0.5)
_LEAST_SHARE = 1e-4
_LEAST_DISTANCE = 1e-3
Shares = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Strength:
    """`width` of the kernel, as a distance 1 − cosine, and `ridge`."""

    width: float
    ridge: float


@dataclass(frozen=True, slots=True)
class Examples:
    """Images [N, D], the column [N] of their labels, and their zero-shot shares [N, C].

    copy_cosine: images of a label with this cosine, or a higher one, are copies of each other.
    """

    images: Embedding
    labels: Rows
    zero_shot: Shares
    copy_cosine: float = COPY_COSINE

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, rows: Rows) -> Examples:
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            zero_shot=self.zero_shot[rows],
        )

    @property
    def residuals(self) -> Shares:
        """[N, C]: what the zero-shot shares lack of the truth."""
        return np.eye(self.zero_shot.shape[1])[self.labels] - self.zero_shot


@dataclass(frozen=True, slots=True)
class Regression:
    """Fitted to examples [N, D]; `coefficients` are [N, C]."""

    images: Embedding
    coefficients: Shares
    width: float

    def shares(self, images: Embedding, zero_shot: Shares) -> Shares:
        """The shares [Q, C] of images [Q, D] with these zero-shot shares; a row sums to 1."""
        corrections = kernel(images, self.images, self.width) @ self.coefficients
        return _as_shares(zero_shot + corrections)


@dataclass(frozen=True, slots=True)
class Learned:
    """The result for some examples; `strength` is None if zero-shot remains.

    held_out: the number of examples that were tested, copies included.
    accuracy: the share of held-out images with the right label first, before and after; copies
        count as one image. None for too few to test.
    margin: half of the 95 % interval of the gain.
    reason: why zero-shot remains; empty if it does not.
    """

    examples: int
    held_out: int
    accuracy: tuple[float, float] | None
    margin: float
    strength: Strength | None
    reason: str = ""

    @property
    def used(self) -> bool:
        return self.strength is not None

    def sentence(self) -> str:
        return sentence(self.examples, self.accuracy, self.margin, self.reason)


def sentence(
    examples: int, accuracy: tuple[float | None, float | None] | None, margin: float, reason: str
) -> str:
    """Such as `48 examples: accuracy 0.41 → 0.75 on held-out examples (+0.34 ± 0.14): used.`"""
    parts = [counted(examples, "example")]
    before, after = accuracy or (None, None)
    if before is not None and after is not None:
        parts.append(
            f"accuracy {before:.2f} → {after:.2f} on held-out examples"
            f" ({after - before:+.2f} ± {margin:.2f})"
        )
    parts.append(f"zero-shot remains: {reason}" if reason else "used")
    return f"{': '.join(parts)}."


def kernel(first: Embedding, second: Embedding, width: float) -> Shares:
    """[N, M] of [N, D] and [M, D]."""
    return np.exp((first @ second.T - 1).astype(np.float64) / width)


def learned(examples: Examples) -> Learned:
    """Decide by cross-validation if the regression is used: if it is better by more than chance.

    The strength is chosen inside each training part. Copies of an image are held out together and
    count as one image, so that they neither prove each other nor narrow the interval. The only
    image of a label is never held out.
    """
    count, groups = len(examples), _testable(examples)
    tested = sum(map(len, groups))
    if len(groups) < MIN_EXAMPLES:
        reason = (
            f"{len(groups)} images are not the only one of their label, at least {MIN_EXAMPLES}"
            " are needed"
        )
        return Learned(count, tested, None, 0.0, None, reason)
    right = np.zeros((count, 2))
    for train, test in _folds(groups, count):
        fitted = regression(examples.of(train), best_strength(examples.of(train)))
        part = examples.of(test)
        after = fitted.shares(part.images, part.zero_shot)
        for column, shares in enumerate((part.zero_shot, after)):
            right[test, column] = shares.argmax(axis=1) == part.labels
    of_image = np.array([right[group].mean(axis=0) for group in groups])
    before, after = of_image.mean(axis=0).tolist()
    margin = half_interval(of_image[:, 1] - of_image[:, 0])
    if after - before <= margin:
        reason = "the gain on held-out examples is not above its margin of error"
        return Learned(count, tested, (before, after), margin, None, reason)
    return Learned(count, tested, (before, after), margin, best_strength(examples))


def regression(examples: Examples, strength: Strength) -> Regression:
    """Fit the regression to examples."""
    solved = np.linalg.solve(_ridged(examples.images, strength), examples.residuals)
    return Regression(examples.images, np.asarray(solved, np.float64), strength.width)


def best_strength(examples: Examples) -> Strength:
    """The strength with the least squared error on left-out examples, computed without refitting.

    Without a group G of examples, the error on it is (C_GG)⁻¹ · (C · residuals)_G, where C is the
    inverse of K + ridge · I.
    """
    cosines = examples.images @ examples.images.T
    distance = float(1 - (cosines.sum() - len(examples)) / max(1, cosines.size - len(examples)))
    scale = max(distance, _LEAST_DISTANCE)
    grid = [Strength(width * scale, ridge) for ridge in RIDGES for width in WIDTHS]
    groups, residuals = _testable(examples), examples.residuals
    copied = [each for each in groups if len(each) > 1]
    single = np.array([each[0] for each in groups if len(each) == 1], np.int64)

    def error(strength: Strength) -> float:
        inverse = np.linalg.inv(_ridged(examples.images, strength))
        solved = inverse @ residuals
        errors = [np.linalg.solve(inverse[np.ix_(each, each)], solved[each]) for each in copied]
        errors.append(solved[single] / inverse[single, single, None])
        return float(sum((each**2).sum() for each in errors))

    return min(grid, key=error)


def _ridged(images: Embedding, strength: Strength) -> Shares:
    """K + ridge · I."""
    return kernel(images, images, strength.width) + strength.ridge * np.eye(len(images))


def _as_shares(rows: Shares) -> Shares:
    """A correction can exceed 0 and 1 a little."""
    kept = np.maximum(rows, _LEAST_SHARE)
    return np.asarray(kept / kept.sum(axis=1, keepdims=True), np.float64)


def _testable(examples: Examples) -> list[Rows]:
    """The rows of each image and its copies, of labels with several images.

    All images of a label follow each other.
    """
    found: list[Rows] = []
    for label in np.unique(examples.labels):
        rows = np.flatnonzero(examples.labels == label)
        groups = _copies(examples.images[rows], examples.copy_cosine)
        if len(groups) > 1:
            found += [rows[group] for group in groups]
    return found


def _folds(groups: Sequence[Rows], count: int) -> Iterator[tuple[Rows, Rows]]:
    """Rows to train with and rows to test, of `count`.

    The images of a label, which follow each other, are in different folds.
    """
    for number in range(FOLDS):
        test = np.concatenate(groups[number::FOLDS])
        yield np.setdiff1d(np.arange(count), test), test


def _copies(images: Embedding, copy_cosine: float) -> list[Rows]:
    """The rows of each image with its copies, and the copies of these."""
    near = images @ images.T >= copy_cosine
    rest = np.ones(len(images), bool)
    groups = []
    for row in range(len(images)):
        if not rest[row]:
            continue
        members, added = np.zeros(len(images), bool), np.arange(len(images)) == row
        while added.any():
            members |= added
            added = near[added].any(axis=0) & rest & ~members
        rest &= ~members
        groups.append(np.flatnonzero(members))
    return groups
