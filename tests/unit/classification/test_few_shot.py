"""Claims about few-shot classification: when examples are used, and the shares they give."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesearch.classification import few_shot
from imagesearch.classification.few_shot import (
    FOLDS,
    MIN_EXAMPLES,
    RIDGES,
    WIDTHS,
    Examples,
    Strength,
    best_strength,
    kernel,
    learned,
    regression,
)
from imagesearch.embedding.manifest import load_manifest
from tests.support.paths import REPOSITORY, STARTER_MODEL

DIMENSION, LABELS = 16, 4


def unit(rows):
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def examples(each, *, known_words=False, wrong=0.0, seed=0):
    """`each` images of four labels; zero-shot shares are right, or of unrelated words."""
    draw = np.random.default_rng(seed)
    centers = unit(np.random.default_rng(9).normal(size=(LABELS, DIMENSION)))
    words = centers if known_words else unit(draw.normal(size=centers.shape))
    labels = np.repeat(np.arange(LABELS), each)
    images = unit(centers[labels] + 0.13 * draw.normal(size=(len(labels), DIMENSION)))
    logits = images @ words.T / 0.1
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    given = np.where(
        draw.random(len(labels)) < wrong, draw.integers(LABELS, size=len(labels)), labels
    )
    return Examples(images, given, shares.astype(np.float64))


def accuracy(shares, labels):
    return (shares.argmax(axis=1) == labels).mean()


def test_words_that_the_model_does_not_know_are_learned_from_a_few_examples():
    train, test = examples(4), examples(10, seed=0)
    result = learned(train)
    before, after = result.accuracy
    assert result.used
    assert after - before > result.margin > 0
    fitted = regression(train, result.strength)
    assert accuracy(fitted.shares(test.images, test.zero_shot), test.labels) > 0.9


def test_zero_shot_remains_where_nothing_is_to_be_gained():
    result = learned(examples(4, known_words=True))
    assert not result.used
    assert result.reason == "the gain on held-out examples is not above its margin of error"


def test_zero_shot_remains_where_the_examples_are_wrong():
    assert not learned(examples(6, known_words=True, wrong=0.9)).used


@pytest.mark.parametrize("each", [1, 2])
def test_the_only_images_of_labels_are_no_proof(each):
    result = learned(examples(each))
    assert not result.used
    assert result.accuracy is None
    assert f"at least {MIN_EXAMPLES} are needed" in result.reason


def test_edits_of_an_image_do_not_prove_each_other():
    few = examples(1)
    edits = few.of(np.repeat(np.arange(LABELS), 8))
    assert learned(edits).held_out == 0


def with_copies(few, copies, *, noise, seed=0):
    """Each example, followed by edited copies of it."""
    draw = np.random.default_rng(seed)
    every = few.of(np.repeat(np.arange(len(few)), copies))
    moved = unit(every.images + noise * draw.normal(size=every.images.shape))
    return replace(every, images=moved.astype(np.float32))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4), st.booleans())
def test_copies_of_the_examples_prove_nothing(seed, copies, known_words):
    few = replace(examples(4, known_words=known_words, seed=seed), copy_cosine=0.999)
    once, often = learned(few), learned(few.of(np.repeat(np.arange(len(few)), copies)))
    assert often.held_out == copies * once.held_out
    assert often.accuracy[0] == pytest.approx(once.accuracy[0])
    if known_words:
        assert not often.used


def test_a_copy_of_a_copy_is_held_out_with_the_image():
    """Each of four images of a label is near the next one, and far from the others."""
    angles = np.radians(25) * np.arange(4)
    few = examples(4).of(np.arange(4))
    plane = np.eye(2, DIMENSION, dtype=np.float32)
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32) @ plane
    assert learned(replace(few, images=chain)).held_out == 0
    assert learned(replace(few, images=chain[[0, 1, 3, 3]])).held_out == 4


def test_edited_copies_add_nothing_to_too_few_images():
    few = with_copies(examples(2), 8, noise=0.03)
    found = learned(few)
    assert found.accuracy is None
    assert "8 images are not the only one of their label" in found.reason


def test_the_model_decides_which_images_are_copies():
    few = examples(4)
    assert learned(few).accuracy is not None
    assert learned(replace(few, copy_cosine=0.3)).accuracy is None


def test_an_image_far_from_all_examples_keeps_its_zero_shot_shares():
    train = examples(4)
    fitted = regression(train, Strength(width=0.01, ridge=0.1))
    shares = np.array([[0.7, 0.1, 0.1, 0.1]])
    far = -train.images.mean(axis=0, keepdims=True)
    assert fitted.shares(unit(far), shares) == pytest.approx(shares, abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.floats(0.01, 2), st.floats(0.01, 10))
def test_shares_are_positive_and_sum_to_1(seed, each, width, ridge):
    train, asked = examples(each, wrong=0.3, seed=seed), examples(2, seed=seed + 1)
    shares = regression(train, Strength(width, ridge)).shares(asked.images, asked.zero_shot)
    assert (shares > 0).all()
    assert shares.sum(axis=1) == pytest.approx(np.ones(len(asked)))


def test_shares_are_those_of_the_formula():
    train, asked = examples(3), examples(2, seed=5)
    width, ridge = 0.4, 0.3

    def k(first, second):
        return np.exp(-(1 - first @ second.T) / width)

    lacking = np.eye(LABELS)[train.labels] - train.zero_shot
    solved = np.linalg.inv(k(train.images, train.images) + ridge * np.eye(len(train))) @ lacking
    expected = np.maximum(asked.zero_shot + k(asked.images, train.images) @ solved, 1e-4)
    found = regression(train, Strength(width, ridge)).shares(asked.images, asked.zero_shot)
    assert found == pytest.approx(expected / expected.sum(axis=1, keepdims=True), abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_the_strength_has_the_least_squared_error_on_left_out_images(seed):
    """Each image is left out with its copies, and the regression is fitted again on the others."""
    train = with_copies(examples(3, wrong=0.2, seed=seed), 2, noise=0.01, seed=seed)
    train = replace(train, copy_cosine=0.99)
    cosines = train.images @ train.images.T
    distance = 1 - cosines[~np.eye(len(train), dtype=bool)].mean()
    grid = [Strength(width * distance, ridge) for ridge in RIDGES for width in WIDTHS]

    def error(strength):
        total = 0.0
        for first in range(0, len(train), 2):
            out = np.array([first, first + 1])
            rest = train.of(np.setdiff1d(np.arange(len(train)), out))
            fitted = regression(rest, strength)
            corrections = kernel(train.images[out], rest.images, strength.width)
            guess = train.zero_shot[out] + corrections @ fitted.coefficients
            total += ((np.eye(LABELS)[train.labels[out]] - guess) ** 2).sum()
        return total

    best = min(grid, key=error)
    found = best_strength(train)
    assert (found.ridge, found.width) == (best.ridge, pytest.approx(best.width, rel=1e-4))


def test_each_image_is_held_out_once_in_five_folds(monkeypatch):
    train, fitted = replace(examples(4), copy_cosine=0.9999), []

    def spy(part, strength):
        fitted.append(part)
        return regression(part, strength)

    monkeypatch.setattr(few_shot, "regression", spy)
    # The first label keeps one image, which is in every training part.
    learned(train.of(np.arange(3, 16)))
    images = [{row.tobytes() for row in part.images} for part in fitted]
    every = {row.tobytes() for row in train.images[3:]}
    assert (FOLDS, len(images)) == (5, 5)
    assert sorted(len(every - part) for part in images) == [2, 2, 2, 3, 3]
    assert set.union(*(every - part for part in images)) == every - {train.images[3].tobytes()}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 8), st.floats(0, 1), st.booleans())
def test_the_regression_is_used_if_its_gain_is_above_the_margin(seed, each, wrong, known_words):
    given = examples(each, known_words=known_words, wrong=wrong, seed=seed)
    result = learned(replace(given, copy_cosine=0.9999))
    before, after = result.accuracy
    assert result.used == (after - before > result.margin)


def test_at_least_10_images_are_needed():
    two_labels = replace(examples(5), copy_cosine=0.9999)
    assert MIN_EXAMPLES == 10
    assert learned(two_labels.of(np.arange(9))).accuracy is None
    assert learned(two_labels.of(np.arange(10))).accuracy is not None


def test_the_cosine_of_copies_of_the_starter_model_is_that_of_the_documentation():
    page = (REPOSITORY / "docs/explanation/learning.md").read_text("utf-8")
    cosine = load_manifest(STARTER_MODEL).duplicates.weights.copy_cosine
    assert f"({cosine:.2f} for the starter model)" in page


def test_equal_examples_give_an_equal_result():
    assert learned(examples(4)) == learned(examples(4))
