"""Metrics of relevance: how many right results it keeps, and how many wrong ones it cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from imagesearch.calibration.evidence import (
    CHOOSING,
    REPORTING,
    CalibrationVectors,
    Evidence,
    Marks,
    caption_evidence,
    edit_evidence,
    evidence,
    mixed_evidence,
    same_kind_evidence,
)
from imagesearch.calibration.relevance_fit import Backgrounds, fit_relevance
from imagesearch.domain.images import Embedding
from imagesearch.search.relevance import Modality, Relevance

AT = 0.5
Trial = tuple[Marks, Relevance]


@dataclass(frozen=True)
class Scored:
    """Relevance [Q, N] of photos for queries, with masks of right and wrong photos."""

    relevance: npt.NDArray[np.float64]
    right: Marks
    wrong: Marks

    def kept(self, least: float = AT) -> float:
        """The share of right photos with at least this relevance, in percent."""
        relevant = self.relevance[self.right] >= least
        return 100 * float(relevant.mean()) if len(relevant) else 0.0

    def let_through(self, least: float = AT) -> float:
        """The mean number of wrong photos per query with at least this relevance."""
        return float(((self.relevance >= least) & self.wrong).sum(axis=1).mean())

    def auc(self) -> float:
        """Area under the ROC curve of all queries pooled: the probability that a right photo is
        more relevant than a wrong one. A tie counts half; 0 without right photos."""
        right, wrong = self.relevance[self.right], np.sort(self.relevance[self.wrong])
        if not len(right):
            return 0.0
        below = np.searchsorted(wrong, right, "left") + np.searchsorted(wrong, right, "right")
        return float(below.mean() / 2 / len(wrong))


@dataclass(frozen=True)
class Figures:
    """Figures at relevance 0.5: the share of right photos kept, in percent, and the mean number of
    wrong photos kept per query; and the areas under the ROC curves."""

    text_kept: float
    text_let_through: float
    text_auc: float
    nonsense_let_through: float
    nonsense_let_through_while_choosing: float
    edits_kept: float
    same_kind_kept: float
    other_kinds_let_through: float
    same_kind_auc: float
    mixed_kept: float
    mixed_let_through: float
    mixed_auc: float

    def as_manifest(self) -> dict[str, float]:
        return asdict(self)


def on_all(vectors: CalibrationVectors, relevance: Relevance) -> Figures:
    """Figures of one calibration on all queries, including those it was fitted on."""
    return figures(vectors, [(np.ones(len(vectors.photos), bool), relevance)])


def held_out(
    vectors: CalibrationVectors, backgrounds: Backgrounds, half: Marks | None = None
) -> Figures:
    """Two-fold cross-validation: fitted on one half of the photos, measured on the other half.

    Queries search all photos; the background has the first half only. The default half is every
    second photo.
    """
    return figures(vectors, halves(vectors, backgrounds, half))


def halves(
    vectors: CalibrationVectors, backgrounds: Backgrounds, half: Marks | None = None
) -> list[Trial]:
    """Each half of the photos, with the calibration fitted on the other half."""
    half = np.arange(len(vectors.photos)) % 2 == 0 if half is None else half
    return [(test, _fitted(vectors, ~test, backgrounds)) for test in (half, ~half)]


def figures(vectors: CalibrationVectors, trials: Sequence[Trial]) -> Figures:
    """Each trial is a set of photos to query, and the calibration to evaluate."""
    text = scored(caption_evidence(vectors), Modality.TEXT, vectors.photos, trials)
    edits = scored(edit_evidence(vectors), Modality.IMAGE, vectors.photos, trials)
    alike = scored(same_kind_evidence(vectors), Modality.IMAGE, vectors.photos, trials)
    mixed = scored(mixed_evidence(vectors), Modality.MIXED, vectors.photos, trials)
    return Figures(
        text_kept=round(text.kept(), 1),
        text_let_through=round(text.let_through(), 2),
        text_auc=round(text.auc(), 4),
        nonsense_let_through=round(nonsense(vectors, REPORTING, trials).let_through(), 2),
        nonsense_let_through_while_choosing=round(
            nonsense(vectors, CHOOSING, trials).let_through(), 2
        ),
        edits_kept=round(edits.kept(), 1),
        same_kind_kept=round(alike.kept(), 1),
        other_kinds_let_through=round(alike.let_through(), 2),
        same_kind_auc=round(alike.auc(), 4),
        mixed_kept=round(mixed.kept(), 1),
        mixed_let_through=round(mixed.let_through(), 2),
        mixed_auc=round(mixed.auc(), 4),
    )


def scored(sort: Evidence, kind: Modality, photos: Embedding, trials: Sequence[Trial]) -> Scored:
    """The product's relevance of each query and photo."""
    asked = [(sort.of_queries(of), relevance) for of, relevance in trials]
    return Scored(
        np.concatenate([_relevance(some.queries, kind, photos, by) for some, by in asked]),
        np.concatenate([some.right for some, _ in asked]),
        np.concatenate([some.wrong for some, _ in asked]),
    )


def nonsense(vectors: CalibrationVectors, which: str, trials: Sequence[Trial]) -> Scored:
    """For queries without a match, which are not used for fitting, every photo is wrong."""
    queries = vectors.unanswerable[which]
    found = [_relevance(queries, Modality.TEXT, vectors.photos, by) for _, by in trials]
    relevance = np.concatenate(found)
    wrong = np.ones(relevance.shape, bool)
    return Scored(relevance, ~wrong, wrong)


def _relevance(
    queries: Embedding, kind: Modality, photos: Embedding, relevance: Relevance
) -> npt.NDArray[np.float64]:
    """[Q, N]."""
    rows = []
    for query in queries:
        of = relevance.for_query(query, kind).of
        rows.append([of(float(score)) for score in photos @ query])
    return np.array(rows, np.float64).reshape(len(queries), len(photos))


def _fitted(vectors: CalibrationVectors, photos: Marks, backgrounds: Backgrounds) -> Relevance:
    half = {
        kind: [sort.within(photos) for sort in sorts] for kind, sorts in evidence(vectors).items()
    }
    return fit_relevance(half, vectors.photos, backgrounds.some(photos))[0]
