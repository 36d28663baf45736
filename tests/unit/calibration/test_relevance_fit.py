"""Claims about fitting relevance: its data, its figures, and models that cannot be fitted."""

from __future__ import annotations

import numpy as np
import pytest

from imagesearch.calibration.calibration_set import unanswerable_queries
from imagesearch.calibration.calibrator import fit
from imagesearch.calibration.evidence import (
    CHOOSING,
    REPORTING,
    CalibrationVectors,
    Edited,
    caption_evidence,
    edit_evidence,
    evidence,
    mixed_evidence,
    same_kind_evidence,
)
from imagesearch.calibration.logistic_regression import logistic_fit
from imagesearch.calibration.relevance_figures import Scored
from imagesearch.calibration.relevance_fit import (
    NEIGHBORS,
    PRIOR,
    Backgrounds,
    NothingToFit,
    background_rows,
    nearness_to_others,
    pair_weights,
)
from imagesearch.duplicates.similarity import Weights
from imagesearch.search.relevance import Modality, Relevance

DIMENSION = 32
WEIGHTS = Weights(20, 7, 11, -28)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors() -> CalibrationVectors:
    """Vectors of an ideal model."""
    dimension = DIMENSION
    rng = np.random.default_rng(5)

    def near(rows: np.ndarray, noise: float) -> np.ndarray:
        return unit(rows + noise * rng.normal(size=rows.shape) / dimension**0.5)

    kinds = np.array([f"kind {n // 3}" for n in range(24)])
    centers = np.repeat(unit(rng.normal(size=(8, dimension))), 3, axis=0)
    photos = near(centers, 1.2)
    noise = unit(rng.normal(size=(20, dimension)))
    return CalibrationVectors(
        captions=near(photos, 0.6),
        photos=photos,
        edits={
            "cropped to 60 %": Edited.every(near(photos, 0.4)),
            "mirrored": Edited.every(near(photos, 0.2)),
        },
        unanswerable={CHOOSING: noise[:10], REPORTING: noise[10:]},
        labels=near(np.repeat(centers, 4, axis=0), 1.0),
        kinds=kinds,
    )


def test_the_maximum_likelihood_coefficients_are_found() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal([3, -50], [2, 10], size=(20_000, 2))
    likely = 1 / (1 + np.exp(-(1.5 * features[:, 0] - 0.2 * features[:, 1] - 14)))
    right = rng.random(len(features)) < likely
    found = logistic_fit(features, right, np.full(len(features), 1 / len(features)))
    assert found == pytest.approx([1.5, -0.2, -14], rel=0.05)


def test_weights_count_as_repetitions() -> None:
    features = np.array([[0.0], [1.0], [2.0], [3.0]])
    right = np.array([False, True, False, True])
    times = np.array([1, 3, 2, 1])
    repeated = logistic_fit(
        np.repeat(features, times, axis=0), np.repeat(right, times), np.full(7, 1 / 7)
    )
    assert logistic_fit(features, right, times / 7) == pytest.approx(repeated, abs=1e-3)


def test_figures_of_a_small_case_equal_manual_results() -> None:
    found = Scored(
        np.array([[0.9, 0.6, 0.2], [0.7, 0.4, 0.1]]),
        right=np.array([[True, False, False], [False, True, False]]),
        wrong=np.array([[False, True, True], [True, False, False]]),
    )
    assert found.kept() == 50
    assert found.let_through() == 1
    # 0.9 is above 0.6, 0.2 and 0.7; 0.4 is above one of them.
    assert found.auc() == pytest.approx(4 / 6)


def test_equal_relevances_count_half_in_the_auc() -> None:
    mark = np.array([[True, False]])
    assert Scored(np.array([[0.5, 0.5]]), mark, ~mark).auc() == 0.5


def test_a_caption_has_one_relevant_photo(vectors: CalibrationVectors) -> None:
    captions = caption_evidence(vectors)
    assert (captions.right.sum(axis=1) == 1).all()
    assert (captions.wrong == ~captions.right).all()


def test_a_photo_is_excluded_from_its_own_query(vectors: CalibrationVectors) -> None:
    photos = same_kind_evidence(vectors)
    assert (photos.right.sum(axis=1) == 2).all()
    assert (photos.wrong.sum(axis=1) == 21).all()


def test_edits_and_mixtures_have_their_source_photo_as_relevant(
    vectors: CalibrationVectors,
) -> None:
    for sort in (edit_evidence(vectors), mixed_evidence(vectors)):
        assert (sort.right.argmax(axis=1) == sort.made_from).all()
        assert (sort.right.sum(axis=1) == 1).all()
        assert (sort.wrong.sum(axis=1) == 21).all()
        assert np.linalg.norm(sort.queries, axis=1) == pytest.approx(1, abs=1e-5)


def test_the_two_halves_are_disjoint(vectors: CalibrationVectors) -> None:
    half = np.arange(24) % 2 == 0
    for sorts in evidence(vectors).values():
        for sort in sorts:
            some = sort.within(half)
            assert half[some.made_from].all()
            assert not (some.right | some.wrong)[:, ~half].any()


def test_a_photo_is_not_background_of_its_edits(vectors: CalibrationVectors) -> None:
    backgrounds = Backgrounds(vectors.labels, vectors.photos)
    photos = same_kind_evidence(vectors)
    found = nearness_to_others(Modality.IMAGE, photos, vectors.photos, backgrounds)
    cosines = vectors.photos @ vectors.photos.T
    expected = [np.delete(row, place).mean() for place, row in enumerate(cosines)]
    assert found == pytest.approx(expected, abs=1e-5)


def test_queries_have_equal_weights_and_the_prior_is_the_share_of_relevant_photos(
    vectors: CalibrationVectors,
) -> None:
    sort = same_kind_evidence(vectors)
    weights = pair_weights(sort)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert (weights * sort.right).sum(axis=1) == pytest.approx(PRIOR)


def test_rows_of_int8_keep_their_directions() -> None:
    rows = unit(np.random.default_rng(2).normal(size=(50, 512)) ** 3)
    kept = unit(background_rows(rows).astype(np.float32))
    assert (rows * kept).sum(axis=1).min() > 0.999


def test_the_two_sets_of_unanswerable_queries_are_large_and_disjoint() -> None:
    queries = unanswerable_queries()
    choosing, reporting = queries[CHOOSING], queries[REPORTING]
    assert min(len(choosing), len(reporting)) >= 40
    assert len({*choosing, *reporting}) == len(choosing) + len(reporting)


def test_text_is_compared_with_labels_and_images_with_photos(
    vectors: CalibrationVectors,
) -> None:
    found = fit(vectors, 0.01, WEIGHTS)
    assert (len(found.labels), len(found.photos)) == (len(vectors.labels), len(vectors.photos))
    assert found.neighbors[Modality.TEXT] == NEIGHBORS
    assert found.neighbors[Modality.IMAGE] == found.neighbors[Modality.MIXED] == 24


def test_a_calibration_keeps_relevant_hits_and_excludes_others(vectors: CalibrationVectors) -> None:
    found = fit(vectors, 0.01, WEIGHTS)
    for figures in (found.held_out, found.on_all):
        assert figures.text_kept >= 80
        assert figures.nonsense_let_through <= 1
        assert figures.text_auc >= 0.95
        assert figures.edits_kept >= 90
    backgrounds = Backgrounds.of_rows(found.labels, found.photos)
    curves = {kind: (backgrounds.of(kind), curve) for kind, curve in found.curves.items()}
    query = Relevance(curves).for_query(vectors.captions[0], Modality.TEXT)
    scores = vectors.photos @ vectors.captions[0]
    assert query.of(float(scores[0])) > 0.5 > query.of(float(np.median(scores)))


def test_a_model_without_discrimination_cannot_be_fitted(vectors: CalibrationVectors) -> None:
    blind = CalibrationVectors(**(vars(vectors) | {"captions": -vectors.captions}))
    with pytest.raises(NothingToFit, match="no higher cosines"):
        fit(blind, 0.01, WEIGHTS)
