"""Similarity: a duplicate needs the evidence of embedding and appearance."""

from dataclasses import astuple

import pytest

from imagesearch.duplicates.similarity import COPY_COSINES, Fingerprint, similarity
from imagesearch.embedding.manifest import DuplicateWeights
from tests.support.images.drawings import drawing, fingerprint_of

WEIGHTS = DuplicateWeights().weights
ORIGINAL, CROP = fingerprint_of(drawing(1)), fingerprint_of(drawing(1).crop((20, 30, 300, 220)))
OTHER = fingerprint_of(drawing(2))


def confidence(score: float, one: Fingerprint, other: Fingerprint) -> float:
    found = similarity(WEIGHTS, score, one, other, 0.0)
    assert found
    return found.confidence


def test_a_copy_has_high_confidence():
    found = similarity(WEIGHTS, 1.0, ORIGINAL, ORIGINAL, 0.95)
    assert found
    assert (found.score, found.distance) == (1.0, 0)
    assert found.confidence > 0.99


def test_a_crop_has_high_confidence():
    assert confidence(0.96, ORIGINAL, CROP) > 0.95


def test_two_pictures_of_the_same_subject_are_not_duplicates():
    """Two different red cars have nearly equal embeddings."""
    assert confidence(0.97, ORIGINAL, OTHER) < 0.8


def test_two_pictures_of_similar_appearance_only_are_not_duplicates():
    assert confidence(0.3, ORIGINAL, ORIGINAL) < 0.5


@pytest.mark.parametrize("score", [0.2, 0.6, 0.9, 0.95])
def test_a_confidence_below_the_minimum_is_none_for_any_score(score):
    sure = confidence(score, ORIGINAL, CROP)
    assert similarity(WEIGHTS, score, ORIGINAL, CROP, sure + 1e-6) is None
    assert similarity(WEIGHTS, score, ORIGINAL, CROP, sure - 1e-6) is not None


def test_records_of_an_older_release_are_not_evidence():
    bare = Fingerprint(None, None)
    found = similarity(WEIGHTS, 1.0, bare, ORIGINAL, 0.0)
    assert found
    assert found.distance is None
    assert found.confidence < 0.5


def test_confidence_and_cosine_of_copies_are_bounded_for_any_weights():
    assert WEIGHTS.copy_cosine == pytest.approx(0.845, abs=0.001)
    for weight in (1e6, -1e6, 0):
        weights = type(WEIGHTS)(*[weight] * len(astuple(WEIGHTS)))
        found = similarity(weights, 1.0, ORIGINAL, ORIGINAL, 0.0)
        assert found
        assert 0 <= found.confidence <= 1
        assert COPY_COSINES[0] <= weights.copy_cosine <= COPY_COSINES[1]


@pytest.mark.parametrize("text", ["nonsense", "nan:" + "A" * 768, "1.000:" + "\u00e9" * 768])
def test_an_invalid_miniature_is_not_evidence(text):
    odd = Fingerprint(ORIGINAL.phash, text)
    without = Fingerprint(ORIGINAL.phash, None)
    assert similarity(WEIGHTS, 0.9, odd, ORIGINAL, 0.0) == similarity(
        WEIGHTS, 0.9, without, ORIGINAL, 0.0
    )


@pytest.mark.parametrize("phash", ["no hash", "0x", "", None])
def test_an_invalid_hash_is_not_evidence(phash):
    odd = Fingerprint(phash, ORIGINAL.miniature_text)
    found = similarity(WEIGHTS, 0.9, odd, ORIGINAL, 0.0)
    assert found
    assert found.distance is None
