"""Classification by labels, label sets and neighbors; prompts and probabilities."""

import numpy as np
import pytest

from imagesearch.classification.classifier import MAX_LABELS, Classifier, Vote
from imagesearch.classification.examples import LabelSource
from imagesearch.classification.label_sets import LabelSets
from imagesearch.classification.prompts import MAX_LABEL, LabelEncoder, Prompts, checked_labels
from imagesearch.domain.errors import InvalidQuery, NotFound, Unavailable, UnreadableImage
from imagesearch.domain.queries import ImageQuery, StoredQuery
from imagesearch.search.query_encoder import QueryEncoder
from tests.support.fakes import FakeTexts, picture, ref, vector

CAT = ImageQuery(picture("a cat"))
BY_FOLDER = Vote(source=LabelSource.COLLECTION)


@pytest.fixture
def classifier(index, images) -> Classifier:
    labels = LabelEncoder(FakeTexts(), Prompts(("{}",), 0.1))
    sets = LabelSets(lambda: index, labels)
    return Classifier(QueryEncoder(index, FakeTexts(), images), labels, sets)


@pytest.fixture
def labelled(store, indexer):
    """Indexes images with labels in their metadata: labelled({"a.png": ("a cat", "cat")})."""

    def put(pictures: dict[str, tuple[str, str | None]]) -> None:
        for key, (words, label) in pictures.items():
            store.put(key, picture(words), {"label": label} if label is not None else {})
        indexer.process([ref(key) for key in pictures])

    return put


def shares(found) -> dict[str, float]:
    return {each.label: each.score for each in found.labels}


def test_the_best_label_comes_first_and_scores_sum_to_1(classifier):
    found = classifier.by_labels(CAT, ["a dog", "a cat", "a house"])
    assert found.labels[0].label == "a cat"
    assert found.labels[0].similarity == pytest.approx(1)
    assert sum(shares(found).values()) == pytest.approx(1)
    assert (found.evidence, found.model) == ([], "fake")


def test_labels_are_compared_without_an_index(classifier, index):
    index.unavailable = True
    assert shares(classifier.by_labels(CAT, ["a cat"])) == {"a cat": pytest.approx(1)}


def test_an_indexed_image_is_classified_without_its_bytes(classifier, fill, images):
    fill(a="a cat")
    images.batches.clear()
    found = classifier.by_labels(StoredQuery(ref("a.png").id), ["a dog", "a cat"])
    assert found.labels[0].label == "a cat"
    assert images.batches == []


def test_labels_are_compared_up_to_the_limit(classifier):
    labels = [f"{number}" for number in range(MAX_LABELS)]
    assert len(classifier.by_labels(CAT, labels).labels) == MAX_LABELS
    with pytest.raises(InvalidQuery):
        classifier.by_labels(CAT, [*labels, "one more"])


def test_the_nearest_labelled_images_vote_and_are_returned(classifier, labelled):
    labelled(
        {
            "1.png": ("a cat", "cat"),
            "2.png": ("a cat", "cat"),
            "3.png": ("a dog", "dog"),
            "4.png": ("a cat", None),
        }
    )
    found = classifier.by_neighbors(CAT, Vote(neighbors=2))
    assert shares(found) == {"cat": pytest.approx(1)}
    assert {hit.document.ref.key for hit in found.evidence} == {"1.png", "2.png"}
    assert found.labels[0].similarity is None


def test_a_near_image_outweighs_many_far_ones_and_scores_sum_to_1(classifier, labelled):
    dogs = {f"{number}.png": ("a dog", "dog") for number in range(9)}
    labelled({"cat.png": ("a cat", "cat")} | dogs)
    found = shares(classifier.by_neighbors(CAT, Vote()))
    assert list(found) == ["cat", "dog"]
    assert sum(found.values()) == pytest.approx(1)


def test_an_indexed_image_does_not_vote_for_itself(classifier, labelled):
    labelled({"1.png": ("a cat", "mistaken"), "2.png": ("a cat", "cat")})
    found = classifier.by_neighbors(StoredQuery(ref("1.png").id), Vote())
    assert list(shares(found)) == ["cat"]


def test_the_first_folder_can_be_the_label(classifier, fill):
    fill(cats__1="a cat", dogs__1="a dog", top="a cat")
    found = classifier.by_neighbors(CAT, BY_FOLDER)
    assert set(shares(found)) == {"cats", "dogs"}


def test_the_vote_can_be_limited_to_a_collection(classifier, labelled):
    labelled({"old/1.png": ("a cat", "kitten"), "new/1.png": ("a cat", "cat")})
    found = classifier.by_neighbors(CAT, Vote(collection="new"))
    assert list(shares(found)) == ["cat"]


def test_an_index_without_labelled_images_is_an_error_with_a_hint(classifier, fill):
    fill(top="a cat")
    for vote, label in ((Vote(), "metadata.label"), (BY_FOLDER, "collection")):
        with pytest.raises(NotFound, match=label) as raised:
            classifier.by_neighbors(CAT, vote)
        assert raised.value.code == "no_labelled_images"
        assert "labels" in raised.value.hint


@pytest.mark.parametrize("neighbours", [0, 101])
def test_an_invalid_number_of_neighbours_is_rejected(classifier, neighbours):
    with pytest.raises(InvalidQuery) as raised:
        classifier.by_neighbors(CAT, Vote(neighbours))
    assert raised.value.code == "invalid_neighbours"


def test_errors_are_those_of_a_search(classifier, labelled, index):
    labelled({"1.png": ("a cat", "cat")})
    with pytest.raises(UnreadableImage):
        classifier.by_labels(ImageQuery(b"no image"), ["a"])
    with pytest.raises(NotFound):
        classifier.by_labels(StoredQuery("nobody"), ["a"])
    index.unavailable = True
    with pytest.raises(Unavailable):
        classifier.by_neighbors(CAT, Vote())


def test_durations_are_returned(classifier):
    took = classifier.by_labels(CAT, ["a cat"]).took_ms
    assert 0 <= took.embed <= took.total
    assert 0 <= took.search <= took.total


def test_a_label_with_any_characters_replaces_the_placeholder():
    prompts = Prompts(("a photo of a {}.", "{}"))
    assert prompts.texts("{0} {}") == ["a photo of a {0} {}.", "{0} {}"]


def test_a_label_s_vector_is_the_mean_direction_of_its_prompts():
    encoder = LabelEncoder(FakeTexts(), Prompts(("a {}", "one {}")))
    [found, other] = encoder.encode_labels(["cat", "dog"])
    mean = vector("a cat") + vector("one cat")
    assert found == pytest.approx(mean / np.linalg.norm(mean))
    assert np.linalg.norm(other) == pytest.approx(1)


def test_all_labels_are_one_batch_for_each_template():
    batches = []

    class Counting(FakeTexts):
        def encode_texts(self, texts):
            batches.append(list(texts))
            return super().encode_texts(texts)

    LabelEncoder(Counting(), Prompts(("a {}", "one {}"))).encode_labels(["cat", "dog"])
    assert batches == [["a cat", "a dog"], ["one cat", "one dog"]]


@pytest.mark.parametrize("temperature", [1e-6, 0.01, 1.0, 1e6])
def test_probabilities_sum_to_1_and_keep_the_order(temperature):
    encoder = LabelEncoder(FakeTexts(), Prompts(temperature=temperature))
    found = encoder.probabilities([0.3, -1.0, 0.31])
    assert found.sum() == pytest.approx(1)
    assert found[2] >= found[0] >= found[1]


def test_probabilities_are_the_softmax():
    encoder = LabelEncoder(FakeTexts(), Prompts(temperature=0.1))
    assert encoder.probabilities([0.2, 0.1]) == pytest.approx([1 / (1 + np.exp(-1)), 0.2689414])


def test_labels_are_stripped_and_deduplicated():
    assert checked_labels([" cat", "dog ", "cat"], max_labels=2) == ["cat", "dog"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "0 labels"),
        (["a", "b", "c"], "3 labels"),
        (["a", " \t"], "labels.1 has 0 characters"),
        (["x" * (MAX_LABEL + 1)], "labels.0 has 201 characters"),
    ],
)
def test_invalid_labels_are_rejected_by_name(labels, message):
    with pytest.raises(InvalidQuery, match=message) as raised:
        checked_labels(labels, max_labels=2)
    assert raised.value.code == "invalid_labels"
    assert raised.value.hint
