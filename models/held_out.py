"""What a way to tell relevance does on photos that it was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.calibrate_relevance import unit_rows
from models.fit_relevance import background_rows, pair_weights
from models.logistic import Doubles, logistic_fit
from models.quantise import Floats
from models.relevance_evidence import Evidence, Marks
from models.relevance_figures import Judged
from models.relevance_methods import Method
from models.relevance_vectors import RelevanceVectors
from models.unanswerable_queries import CHOOSING, REPORTING

KEPT_ALIKE = 80


@dataclass(frozen=True)
class Held:
    """What a method says of the other half's queries, and of queries without an answer.

    As logarithms of odds: 0 is a relevance of a half.
    """

    answers: Judged
    nonsense: dict[str, Doubles]

    def row(self) -> tuple[str, ...]:
        alike = float(np.percentile(self.answers.relevance[self.answers.right], 100 - KEPT_ALIKE))
        return (
            f"{self.answers.auc():.4f}",
            f"{self.answers.kept(0):.1f}",
            f"{self.answers.let_through(0):.2f}",
            f"{self.answers.let_through(alike):.2f}",
            *(f"{self.let_through(which, 0):.2f}" for which in (REPORTING, CHOOSING)),
        )

    def let_through(self, which: str, least: float) -> float:
        return float((self.nonsense[which] >= least).sum(axis=1).mean())


def held(
    vectors: RelevanceVectors, method: Method, sorts: Sequence[Evidence], background: str
) -> Held:
    """Fitted on all sorts of one half, measured on the first sort of the other, both ways."""
    even = np.arange(len(vectors.photos)) % 2 == 0
    tests = [sorts[0].of_queries(test) for test in (even, ~even)]
    fits = [_Fit(vectors, method, sorts, background, half) for half in (~even, even)]
    pairs = list(zip(tests, fits, strict=True))
    answers = Judged(
        np.concatenate([fit.odds(some.queries) for some, fit in pairs]),
        np.concatenate([some.right for some in tests]),
        np.concatenate([some.wrong for some in tests]),
    )
    nonsense = {
        which: np.concatenate([fit.odds(asked) for fit in fits])
        for which, asked in vectors.unanswerable.items()
    }
    return Held(answers, nonsense)


class _Fit:
    """A method fitted on some photos and what is made of them, with a background of these alone."""

    def __init__(
        self,
        vectors: RelevanceVectors,
        method: Method,
        sorts: Sequence[Evidence],
        background: str,
        photos: Marks,
    ) -> None:
        self._vectors, self._method, self._photos = vectors, method, photos
        self._labels = unit_rows(background_rows(vectors.labels))
        self._of_photos = background == "photos"
        parts = [self._pairs(sort.within(photos).answered()) for sort in sorts]
        features, right, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
        self._fit = logistic_fit(features, right, weights)

    def odds(self, queries: Floats) -> Doubles:
        """Logarithms of the odds that photos are right for queries, [Q, N]."""
        features = self._method(queries, self._vectors.photos, self._background())
        return np.asarray(features @ self._fit[:-1] + self._fit[-1], np.float64)

    def _background(self, without: int | None = None) -> Floats:
        if not self._of_photos:
            return self._labels
        others = np.arange(len(self._photos)) != without
        return np.asarray(self._vectors.photos[self._photos & others])

    def _pairs(self, sort: Evidence) -> tuple[np.ndarray, ...]:
        """The photo that a query is made from is no background of it."""
        photos = self._vectors.photos
        if self._of_photos:
            each = zip(sort.queries, sort.made_from, strict=True)
            alone = [
                self._method(one[None], photos, self._background(int(own))) for one, own in each
            ]
            features = np.concatenate(alone)
        else:
            features = self._method(sort.queries, photos, self._labels)
        counted = sort.right | sort.wrong
        weights = pair_weights(sort) / max(1, len(sort.queries))
        return features[counted], sort.right[counted], weights[counted]
