"""Claims about labels: how they are put to the model, and what becomes of the cosines."""

import numpy as np
import pytest

from imagesearch.classification.prompts import MAX_LABEL, LabelEncoder, Prompts, checked_labels
from imagesearch.domain.errors import InvalidQuery
from tests.support.fakes import FakeTexts, vector


def test_a_label_stands_where_the_template_says_whatever_it_holds():
    prompts = Prompts(("a photo of a {}.", "{}"))
    assert prompts.texts("{0} {}") == ["a photo of a {0} {}.", "{0} {}"]


def test_a_label_s_vector_is_the_mean_direction_of_its_prompts():
    encoder = LabelEncoder(FakeTexts(), Prompts(("a {}", "one {}")))
    [found, other] = encoder.encode_labels(["cat", "dog"])
    mean = vector("a cat") + vector("one cat")
    assert found == pytest.approx(mean / np.linalg.norm(mean))
    assert np.linalg.norm(other) == pytest.approx(1)


def test_all_prompts_of_all_labels_are_one_batch():
    batches = []

    class Counting(FakeTexts):
        def encode_texts(self, texts):
            batches.append(list(texts))
            return super().encode_texts(texts)

    LabelEncoder(Counting(), Prompts(("a {}", "one {}"))).encode_labels(["cat", "dog"])
    assert batches == [["a cat", "one cat", "a dog", "one dog"]]


@pytest.mark.parametrize("temperature", [1e-6, 0.01, 1.0, 1e6])
def test_probabilities_sum_to_1_and_keep_the_order(temperature):
    encoder = LabelEncoder(FakeTexts(), Prompts(temperature=temperature))
    found = encoder.probabilities([0.3, -1.0, 0.31])
    assert found.sum() == pytest.approx(1)
    assert found[2] >= found[0] >= found[1]


def test_probabilities_are_the_softmax():
    encoder = LabelEncoder(FakeTexts(), Prompts(temperature=0.1))
    assert encoder.probabilities([0.2, 0.1]) == pytest.approx([1 / (1 + np.exp(-1)), 0.2689414])


def test_labels_lose_their_blanks_and_their_doubles():
    assert checked_labels([" cat", "dog ", "cat"], most=2) == ["cat", "dog"]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([], "0 labels"),
        (["a", "b", "c"], "3 labels"),
        (["a", " \t"], "labels.1 has 0 characters"),
        (["x" * (MAX_LABEL + 1)], "labels.0 has 201 characters"),
    ],
)
def test_wrong_labels_are_refused_by_name(labels, says):
    with pytest.raises(InvalidQuery, match=says) as refused:
        checked_labels(labels, most=2)
    assert refused.value.code == "invalid_labels"
    assert refused.value.hint
