"""Label sets on every index: replaced atomically, embedded once, searched by size."""

import hashlib
from datetime import timedelta

import numpy as np
import pytest

from imagesearch.classification.classifier import Classifier
from imagesearch.classification.examples import (
    MAX_EXAMPLES,
    MAX_LABELS_WITH_EXAMPLES,
    MAX_SHOTS,
    LabelSource,
    NamedExamples,
    RecordedExamples,
)
from imagesearch.classification.label_records import set_record, set_ref
from imagesearch.classification.label_sets import MAX_SETS, WRITE_BATCH, LabelSets
from imagesearch.classification.prompts import LabelEncoder, Prompts
from imagesearch.domain.errors import InvalidQuery, NotAllowed, NotFound, Unavailable
from imagesearch.domain.ports import Delete, Put
from imagesearch.domain.queries import StoredQuery
from imagesearch.search.query_encoder import QueryEncoder
from tests.contract.conftest import DIMENSION, NOON
from tests.support.fakes import FakeImages


class Texts:
    """Encodes each text as a direction, and counts the texts."""

    model = "test"

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode_texts(self, texts):
        self.encoded += texts
        return np.stack([direction(text) for text in texts])


def direction(text: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    drawn = np.random.default_rng(seed).normal(size=DIMENSION)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


@pytest.fixture
def texts() -> Texts:
    return Texts()


@pytest.fixture
def encoder(texts) -> LabelEncoder:
    """In so few dimensions, different images are as near as copies of a model's are."""
    return LabelEncoder(texts, Prompts(("{}",)), copy_cosine=0.9999)


@pytest.fixture
def settled(subject, encoder):
    """The label sets; changes are visible when a call returns."""
    sets = LabelSets(lambda: subject.index, encoder, lambda: NOON)

    class Settled:
        def __getattr__(self, name):
            def call(*given, **named):
                done = getattr(sets, name)(*given, **named)
                subject.settle()
                return done

            return call

    return Settled()


def labels(sets, name: str) -> list[str]:
    return sets.page(name, None, 100).labels


def test_a_set_contains_the_labels_that_were_put_last(settled):
    settled.replace("pets", ["dog", "cat"])
    assert labels(settled, "pets") == ["cat", "dog"]
    settled.replace("pets", ["fish", "cat"])
    assert labels(settled, "pets") == ["cat", "fish"]
    assert settled.counts() == {"pets": 2}


def test_existing_labels_of_a_set_are_not_embedded_again(settled, texts):
    settled.replace("pets", ["dog", "cat"])
    texts.encoded.clear()
    settled.replace("pets", ["fish", "cat"])
    settled.add("pets", ["fish", "bird"])
    assert texts.encoded == ["fish", "bird"]


def test_labels_are_added_to_an_existing_set(settled):
    with pytest.raises(NotFound, match="'pets'"):
        settled.add("pets", ["cat"])
    settled.replace("pets", ["dog"])
    settled.add("pets", ["cat", "dog"])
    assert labels(settled, "pets") == ["cat", "dog"]


def test_the_nearest_labels_are_of_the_requested_set_with_their_cosines(settled):
    settled.replace("pets", ["dog", "cat", "fish"])
    settled.replace("pets-2", ["cat", "house"])
    settled.replace("p", ["cat"])
    found = settled.nearest("pets", direction("cat"), 2)
    assert found[0] == ("cat", pytest.approx(1, abs=1e-4))
    assert len(found) == 2
    assert found[1][0] in {"dog", "fish"}
    assert found[1][1] == pytest.approx(direction("cat") @ direction(found[1][0]), abs=1e-4)


def test_a_label_can_contain_any_characters(settled):
    odd = ["a/b", "é", "日本 🐈", "../x", '"', "{}", "A", "a", "x" * 200]
    settled.replace("odd", odd)
    assert sorted(labels(settled, "odd")) == sorted(odd)
    assert settled.nearest("odd", direction("a/b"), 1)[0][0] == "a/b"


def test_pages_contain_every_label_once(settled):
    settled.replace("numbers", [f"{number:03}" for number in range(150)])
    cursor, found = None, []
    while True:
        page = settled.page("numbers", cursor, 40)
        found += page.labels
        assert page.count == 150
        if not (cursor := page.cursor):
            break
    assert found == [f"{number:03}" for number in range(150)]


def test_a_cursor_is_valid_for_its_own_set_only(settled):
    settled.replace("a", ["1", "2"])
    settled.replace("b", ["1", "2"])
    cursor = settled.page("a", None, 1).cursor
    with pytest.raises(InvalidQuery):
        settled.page("b", cursor, 1)


def test_a_deleted_set_loses_its_labels_and_can_be_created_again(settled, subject):
    settled.replace("pets", ["dog"])
    settled.replace("pets2", ["cat"])
    settled.delete("pets")
    assert settled.counts() == {"pets2": 1}
    for ask in (lambda: settled.page("pets", None, 1), lambda: settled.delete("pets")):
        with pytest.raises(NotFound):
            ask()
    assert subject.index.count() == 2
    settled.replace("pets", ["fish"])
    assert labels(settled, "pets") == ["fish"]


def test_the_old_set_is_searched_until_the_new_one_is_complete(subject, texts):
    sets = LabelSets(lambda: subject.index, LabelEncoder(texts, Prompts(("{}",))), lambda: NOON)
    sets.replace("pets", ["dog"])
    seen = []

    def check(_: int) -> None:
        subject.settle()
        seen.append([label for label, _ in sets.nearest("pets", direction("cat"), 9)])

    cats = [f"cat {number}" for number in range(WRITE_BATCH + 1)]
    sets.replace("pets", cats, progress=check)
    assert seen == [["dog"], ["dog"]]
    subject.settle()
    assert sets.page("pets", None, 1).count == len(cats)
    assert sets.nearest("pets", direction("cat 7"), 1)[0][0] == "cat 7"


def test_one_of_two_concurrent_replacements_of_a_set_fails(subject, texts):
    sets = LabelSets(lambda: subject.index, LabelEncoder(texts, Prompts(("{}",))), lambda: NOON)
    sets.replace("pets", ["dog"])
    with pytest.raises(Unavailable, match="another request"):
        sets.replace("pets", ["cat"], progress=lambda _: sets.replace("pets", ["fish", "bird"]))
    subject.settle()
    assert labels(sets, "pets") == ["bird", "fish"]


def test_the_next_replacement_cleans_up_after_an_interrupted_one(settled, subject, texts):
    settled.replace("pets", ["dog"])

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        settled.replace("pets", ["cat"], progress=interrupt)
    subject.settle()
    assert subject.index.count() == 3
    settled.replace("pets", ["fish"])
    assert subject.index.count() == 2


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a.b", "a/b", "x" * 65, "é", ".sets"])
def test_every_operation_rejects_an_invalid_set_name(settled, name):
    for ask in (
        lambda: settled.replace(name, ["a"]),
        lambda: settled.add(name, ["a"]),
        lambda: settled.page(name, None, 1),
        lambda: settled.delete(name),
        lambda: settled.nearest(name, direction("a"), 1),
    ):
        with pytest.raises(InvalidQuery) as raised:
            ask()
        assert raised.value.code == "invalid_name"


def test_the_number_of_sets_is_limited(settled, subject):
    records = (set_record(f"set-{number}", "0", "test", NOON) for number in range(1, MAX_SETS))
    subject.store(*(Put(record, None, None) for record in records))
    settled.replace("set-0", ["a"])
    with pytest.raises(InvalidQuery) as raised:
        settled.replace("one-more", ["a"])
    assert raised.value.code == "too_many_sets"
    settled.replace("set-0", ["b"])


def test_records_contain_the_time_and_the_model(settled, subject):
    settled.replace("pets", ["dog"])
    id = set_ref("pets").id
    record = subject.index.get([id])[id].document
    assert (record.model, record.indexed_at) == ("test", NOON)


def test_a_read_only_label_store_changes_no_set(settled, subject, texts):
    settled.replace("pets", ["dog"])
    encoder = LabelEncoder(texts, Prompts(("{}",)))
    reader = LabelSets(lambda: subject.index, encoder, lambda: NOON, read_only=True)
    for write in (
        lambda: reader.replace("pets", ["cat"]),
        lambda: reader.add("pets", ["cat"]),
        lambda: reader.delete("pets"),
    ):
        with pytest.raises(NotAllowed, match="all keys share"):
            write()
    assert labels(reader, "pets") == ["dog"]


@pytest.fixture
def pets(subject, document):
    """Eight images of each kind of pet, which no label describes: the ids by label, and vectors."""
    draw = np.random.default_rng(0)
    ids, vectors = {}, {}
    for number, label in enumerate(("Velnor", "Kastrix", "Omdera")):
        for each in range(8):
            vector = np.eye(DIMENSION)[number] + 0.18 * draw.normal(size=DIMENSION)
            made = document(f"{label}/{each}.png", metadata={"label": label})
            vectors[made.ref] = (vector / np.linalg.norm(vector)).astype(np.float32)
            ids.setdefault(label, []).append(made.ref.id)
            subject.store(Put(made, vectors[made.ref], None))
    return ids, vectors


def test_a_set_learns_from_examples_and_says_so(settled, subject, encoder, pets):
    ids, vectors = pets
    result = settled.replace("pets", list(ids), examples=NamedExamples(ids))
    assert (result.used, result.examples) == (True, 24)
    assert settled.page("pets", None, 10).learned == result
    few = settled.few_shot("pets")
    for ref, vector in vectors.items():
        best = max(few.shares(encoder, vector), key=lambda each: each[1])
        assert best[0] == ref.collection
    settled.replace("pets", list(ids))
    assert settled.few_shot("pets") is None
    assert settled.page("pets", None, 10).learned is None


def test_a_deleted_image_is_no_example_any_more(subject, pets):
    ids, vectors = pets
    clock = [NOON]
    sets = LabelSets(
        lambda: subject.index, LabelEncoder(Texts(), Prompts(("{}",))), lambda: clock[0]
    )
    sets.replace("pets", list(ids), examples=NamedExamples(ids))
    subject.settle()
    assert sets.few_shot("pets").result.examples == 24
    for ref in vectors:
        subject.store(Delete(ref, subject.version(ref)))
    clock[0] += timedelta(minutes=2)
    result = sets.few_shot("pets").result
    assert (result.examples, result.used) == (0, False)


def test_a_label_whose_vector_is_damaged_is_absent(subject, pets, monkeypatch):
    ids, _ = pets
    labels = LabelEncoder(Texts(), Prompts(("{}",)), copy_cosine=0.9999)
    sets = LabelSets(lambda: subject.index, labels, lambda: NOON)
    sets.replace("pets", list(ids), examples=NamedExamples(ids))
    subject.settle()
    images = {id for each in ids.values() for id in each}
    stored = subject.index.embeddings
    damaged: list[str] = []

    def without_one(asked):
        vectors = dict(stored(asked))
        damaged.extend([id for id in asked if id not in images][:1])
        return {id: vector for id, vector in vectors.items() if id not in damaged}

    monkeypatch.setattr(subject.index, "embeddings", without_one)
    assert len(sets.few_shot("pets").labels) == 2


def test_examples_are_indexed_images_of_labels_of_the_set_within_the_limits(settled, pets):
    ids, _ = pets
    labels = list(ids)
    with pytest.raises(NotFound, match="examples of 'Velnor'"):
        settled.replace("pets", labels, examples=NamedExamples({"Velnor": ["unknown"]}))
    many = [f"{number}" for number in range(MAX_EXAMPLES + 1)]
    for wrong in ({"cat": ids["Velnor"]}, {"Velnor": many[: MAX_SHOTS + 1]}, {"Velnor": many}):
        with pytest.raises(InvalidQuery) as raised:
            settled.replace("pets", labels, examples=NamedExamples(wrong))
        assert raised.value.code == "invalid_examples"
    many = [f"{number}" for number in range(MAX_LABELS_WITH_EXAMPLES)] + labels
    with pytest.raises(InvalidQuery, match="203 labels"):
        settled.replace("pets", many, examples=NamedExamples(ids))
    assert settled.counts() == {}
    settled.replace("pets", labels, examples=NamedExamples(ids))
    with pytest.raises(InvalidQuery) as raised:
        settled.add("pets", ["cat"])
    assert raised.value.code == "labelset_has_examples"


def test_labels_of_indexed_images_are_examples(settled, subject, encoder, pets):
    _, vectors = pets
    queries = QueryEncoder(subject.index, Texts(), FakeImages())
    classifier = Classifier(queries, encoder, settled)
    for source in LabelSource:
        examples = RecordedExamples(7, source)
        for ref in list(vectors)[::8]:
            found = classifier.by_labels(
                StoredQuery(ref.id), ["Velnor", "Kastrix", "Omdera"], examples
            )
            assert found.labels[0].label == ref.collection
            assert (found.learned.used, found.learned.examples) == (True, 21)
