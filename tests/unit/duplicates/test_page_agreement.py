"""Pages with a common layout are not duplicates, and scans of one page are."""

import io
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from imagesearch.duplicates.contrast_maps import (
    LONGEST_SIDE,
    SHORTEST_SIDE,
    UNSURE,
    from_text,
    to_text,
)
from imagesearch.duplicates.similarity import THRESHOLD, Fingerprint, similarity
from imagesearch.embedding.decoding.details import miniature
from imagesearch.embedding.decoding.document_pages import MIN_SURE_LOGIT, contrast_map, page_logit
from imagesearch.embedding.decoding.perceptual_hash import perceptual_hash
from imagesearch.embedding.manifest import DuplicateWeights
from models.evaluation.document_pages import book_page, chat, letter, receipt

WEIGHTS = DuplicateWeights().weights
# Higher than the cosine of two pages of any model, so the claims apply to every model.
ALIKE = 0.9999
PAGES = [letter, book_page, receipt, chat]


DAMAGED = ["", "8x8:", "8x8:AAAA", "0x8:", "9999x9999:", "ax8:", "8x8:!!!", "12", "8x8:ä"]


def small(picture):
    copy = picture.copy()
    copy.thumbnail((320, 320))
    return copy


def fingerprint_of(picture):
    seen = small(picture)
    return Fingerprint(perceptual_hash(seen), miniature(seen), contrast_map(seen))


def page(kind, seed):
    return kind(random.Random(f"test {seed}"))


def confidence(one, other):
    found = similarity(WEIGHTS, ALIKE, one, other, 0.0)
    assert found
    return found.confidence


def scanned(picture):
    """The page rotated by a degree, with less contrast and some noise, reduced and recompressed."""
    turned = picture.rotate(1, Image.Resampling.BICUBIC, fillcolor=picture.getpixel((2, 2)))
    turned.thumbnail((800, 800))
    noise = np.random.default_rng(1).normal(0, 4, (turned.height, turned.width, 1))
    levels = np.clip(np.asarray(ImageEnhance.Contrast(turned).enhance(0.85)) + noise, 0, 255)
    file = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8)).save(file, "JPEG", quality=70)
    return Image.open(file).convert("RGB")


@pytest.mark.parametrize("kind", PAGES)
def test_different_pages_of_one_kind_are_not_duplicates(kind):
    fingerprints = [fingerprint_of(page(kind, seed)) for seed in range(4)]
    pairs = [
        (one, other) for place, one in enumerate(fingerprints) for other in fingerprints[:place]
    ]
    assert all(confidence(*pair) < THRESHOLD for pair in pairs)


@pytest.mark.parametrize("kind", [letter, receipt])
def test_a_scan_of_a_page_is_its_duplicate(kind):
    assert (
        confidence(fingerprint_of(scanned(page(kind, 1))), fingerprint_of(page(kind, 1)))
        > THRESHOLD
    )


@pytest.mark.parametrize("kind", PAGES)
def test_the_comparison_of_two_pages_is_symmetric(kind):
    one, other = fingerprint_of(page(kind, 1)), fingerprint_of(page(kind, 2))
    assert (confidence(one, other) < THRESHOLD) == (confidence(other, one) < THRESHOLD)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    shapes=st.tuples(*[st.integers(1, 60)] * 4),
    seed=st.integers(0, 99),
    plain=st.booleans(),
)
def test_pictures_of_any_shape_have_a_confidence(shapes, seed, plain):
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 1 if plain else 255, shapes[:2], np.uint8)
    other = rng.integers(0, 255, shapes[2:], np.uint8)
    assert (
        0
        <= confidence(fingerprint_of(Image.fromarray(one)), fingerprint_of(Image.fromarray(other)))
        <= 1
    )


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    height=st.integers(SHORTEST_SIDE, LONGEST_SIDE),
    width=st.integers(SHORTEST_SIDE, LONGEST_SIDE),
    seed=st.integers(0, 99),
)
def test_contrast_values_survive_encoding(height, width, seed):
    thirds = np.random.default_rng(seed).integers(-3, 4, (height, width))
    contrasts = thirds.astype(np.float32) / 3
    assert np.allclose(from_text(to_text(contrasts)), contrasts)


@pytest.mark.parametrize("text", DAMAGED)
def test_an_invalid_contrast_map_is_rejected(text):
    with pytest.raises(ValueError, match=r".+"):
        from_text(text)


@pytest.mark.parametrize("text", [*DAMAGED, None])
def test_a_pair_without_two_contrast_maps_is_compared_without_them(text):
    one, other = fingerprint_of(page(letter, 1)), fingerprint_of(page(letter, 2))
    without = confidence(Fingerprint(one.phash, one.miniature_text), other)
    assert without > THRESHOLD
    assert confidence(Fingerprint(one.phash, one.miniature_text, text), other) == without


ONE, OTHER = (fingerprint_of(page(letter, seed)) for seed in (1, 2))


@settings(max_examples=50, derandomize=True, deadline=None)
@given(text=st.text(max_size=40) | st.binary(max_size=40).map(lambda tail: f"8x8:{tail!r}"))
def test_an_invalid_text_affects_only_the_comparison(text):
    assert confidence(Fingerprint(ONE.phash, ONE.miniature_text, text), OTHER) > THRESHOLD


def unsure(fingerprint):
    return Fingerprint(
        fingerprint.phash, fingerprint.miniature_text, UNSURE + fingerprint.contrasts_text
    )


def test_a_page_and_a_possible_page_are_not_duplicates_without_agreement():
    assert confidence(unsure(ONE), OTHER) < THRESHOLD
    assert confidence(ONE, unsure(OTHER)) < THRESHOLD


def test_a_page_and_a_possible_scan_of_it_are_duplicates():
    scan = fingerprint_of(scanned(page(letter, 1)))
    assert confidence(unsure(scan), ONE) > THRESHOLD
    assert confidence(scan, unsure(ONE)) > THRESHOLD


def test_two_possible_photos_are_compared_as_photos():
    one, other = unsure(ONE), unsure(OTHER)
    without = confidence(*(Fingerprint(each.phash, each.miniature_text) for each in (one, other)))
    assert confidence(one, other) == without > THRESHOLD


@pytest.mark.parametrize("kind", PAGES)
def test_pages_are_recognized_as_pages(kind):
    assert all(page_logit(small(page(kind, seed))) > MIN_SURE_LOGIT for seed in range(4))
