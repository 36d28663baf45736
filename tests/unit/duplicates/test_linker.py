"""Linker: of any two duplicates, at least one is linked to the other."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from imagesearch.domain.errors import Unavailable
from imagesearch.domain.ports import Touch
from imagesearch.duplicates import linker as linking
from imagesearch.duplicates.linker import MAX_NEIGHBORS, MAX_ROUNDS, Linker
from imagesearch.embedding.manifest import DuplicateWeights
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.planner import OutcomeKind
from tests.support.fakes import START, FakeImages, picture, ref, vector
from tests.support.outcomes import process

WEIGHTS = DuplicateWeights().weights
MINUTE = timedelta(minutes=1)


@dataclass
class Clock:
    now = START + timedelta(days=1)

    def __call__(self):
        return self.now


@dataclass
class FakeRecheckQueue:
    requested: list[tuple[str, timedelta]] = field(default_factory=list)
    unavailable: bool = False

    def schedule(self, refs, after):
        if self.unavailable:
            raise Unavailable("the queue is unavailable")
        self.requested += [(each.key, after) for each in refs]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def recheck_queue():
    return FakeRecheckQueue()


@pytest.fixture
def make(store, index, recheck_queue, clock):
    """Creates another worker on the same bucket and index."""

    def make():
        linker = Linker(index, WEIGHTS, recheck_queue, clock)
        return Indexer(store, index, FakeImages(), clock=clock, linker=linker)

    return make


@pytest.fixture
def neighbours(index):
    def neighbours(key):
        found = index.document(key).neighbors
        return None if found is None else {each.id: each for each in found}

    return neighbours


def test_a_copy_is_linked_to_its_original_and_another_image_is_not(make, store, neighbours):
    store.put("a.png", picture("a cat"))
    store.put("b.png", picture("a dog"))
    process(make(), "a.png", "b.png")
    store.put("copy.png", picture("a cat"))
    assert process(make(), "copy.png") == {"copy.png": "indexed"}
    assert neighbours("b.png") == {}
    [found] = neighbours("copy.png").values()
    assert found.id == ref("a.png").id
    assert (found.score, found.confidence) == (pytest.approx(1), 1)


def test_copies_in_one_batch_are_linked(make, store, neighbours):
    store.put("a.png", picture("a cat"))
    store.put("b.png", picture("a cat"))
    process(make(), "a.png", "b.png")
    assert list(neighbours("a.png")) == [ref("b.png").id]
    assert list(neighbours("b.png")) == [ref("a.png").id]


def test_a_copy_with_other_bytes_is_linked_to_its_original(make, store, index, neighbours):
    store.put("a.png", picture("a cat"))
    process(make(), "a.png")
    stored = index.get([ref("a.png").id])[ref("a.png").id]
    other = replace(stored.document, sha256="0" * 64)
    index.write([Touch(other, stored.version)])
    store.put("copy.png", picture("a cat"))
    process(make(), "copy.png")
    [found] = neighbours("copy.png").values()
    assert (found.sha256, found.confidence > 0.95) == ("0" * 64, True)


def test_a_linked_image_is_not_linked_again(make, store, index):
    store.put("a.png", picture("a cat"))
    process(make(), "a.png")
    writes = index.writes
    assert process(make(), "a.png") == {"a.png": "unchanged"}
    assert index.writes == writes


def test_an_image_of_an_older_release_is_linked_at_the_next_event(
    make, store, index, neighbours, clock
):
    store.put("a.png", picture("a cat"))
    process(Indexer(store, index, FakeImages(), clock=clock), "a.png")
    assert neighbours("a.png") is None
    assert process(make(), "a.png") == {"a.png": "unchanged"}
    assert neighbours("a.png") == {}


def test_an_overwritten_image_is_linked_again(make, store, neighbours):
    store.put("a.png", picture("a cat"))
    store.put("b.png", picture("a cat"))
    process(make(), "a.png", "b.png")
    store.put("b.png", picture("a dog"))
    process(make(), "b.png")
    assert neighbours("b.png") == {}


def test_new_metadata_keeps_the_links(make, store, neighbours):
    store.put("a.png", picture("a cat"))
    store.put("b.png", picture("a cat"))
    process(make(), "a.png", "b.png")
    store.put("b.png", picture("a cat"), {"label": "new"})
    assert process(make(), "b.png") == {"b.png": "updated"}
    assert list(neighbours("b.png")) == [ref("a.png").id]


def test_rejected_images_are_not_linked(make, store, recheck_queue):
    store.put("a.png", picture("broken"))
    assert process(make(), "a.png") == {"a.png": "rejected"}
    assert recheck_queue.requested == []


def test_an_image_that_is_not_searchable_yet_is_linked_later(
    make, store, index, recheck_queue, clock, neighbours
):
    index.visibility_delay = MINUTE
    store.put("a.png", picture("a cat"))
    process(make(), "a.png")
    assert recheck_queue.requested == [("a.png", MINUTE)]
    assert neighbours("a.png") is None
    clock.now += MINUTE
    assert process(make(), "a.png") == {"a.png": "unchanged"}
    assert neighbours("a.png") == {}
    assert len(recheck_queue.requested) == 1


def test_copies_indexed_by_concurrent_workers_are_linked(make, store, index, clock, neighbours):
    """Neither worker sees the write of the other, but the later recheck does."""
    index.visibility_delay = MINUTE
    store.put("a.png", picture("a cat"))
    store.put("b.png", picture("a cat"))
    index.before_write.then(lambda: process(make(), "b.png"))
    process(make(), "a.png")
    assert (neighbours("a.png"), neighbours("b.png")) == (None, None)
    clock.now += MINUTE
    process(make(), "a.png")
    process(make(), "b.png")
    assert ref("a.png").id in neighbours("b.png")


def test_a_record_that_changes_during_linking_is_linked_in_its_new_state(
    make, store, index, neighbours
):
    store.put("a.png", picture("a cat"))
    store.put("b.png", picture("a dog"))
    process(make(), "a.png")

    def concurrent_change():
        store.put("b.png", picture("a cat"))
        process(make(), "b.png")

    index.before_write.then(lambda: None, concurrent_change)
    process(make(), "b.png")
    assert list(neighbours("b.png")) == [ref("a.png").id]


def test_a_constantly_changing_record_fails_after_a_few_attempts(
    make, store, index, recheck_queue, clock
):
    store.put("a.png", picture("a"))
    process(Indexer(store, index, FakeImages(), clock=clock), "a.png")

    def touch():
        stored = index.get([ref("a.png").id])[ref("a.png").id]
        index.write([Touch(stored.document, stored.version)])

    index.before_write.then(*[nested(index, touch)] * MAX_ROUNDS)
    failures = Linker(index, WEIGHTS, recheck_queue, clock).link([ref("a.png")])
    assert "kept changing" in failures[ref("a.png")]


def nested(index, touch):
    """A write by another worker during the write of this worker."""

    def run():
        hooks, index.before_write = index.before_write, type(index.before_write)()
        touch()
        index.before_write = hooks

    return run


def test_an_image_whose_links_cannot_be_written_fails(make, store, index, clock):
    store.put("a.png", picture("a"))
    process(Indexer(store, index, FakeImages(), clock=clock), "a.png")
    index.failing.add("a.png")
    [outcome] = make().process([ref("a.png")])
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, "no room")


def test_images_fail_without_a_recheck_queue(make, store, index, recheck_queue):
    index.visibility_delay, recheck_queue.unavailable = MINUTE, True
    store.put("a.png", picture("a"))
    [outcome] = make().process([ref("a.png")])
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, "the queue is unavailable")


def test_an_image_deleted_during_linking_is_not_a_failure(store, index, recheck_queue, clock):
    assert Linker(index, WEIGHTS, recheck_queue, clock).link([ref("gone.png")]) == {}


def test_more_copies_than_links_per_record_form_one_group(make, store, index):
    names = [f"{number}.png" for number in range(3 * MAX_NEIGHBORS)]
    for name in names:
        store.put(name, picture("a cat"))
    process(make(), *names)
    assert all(len(index.document(name).neighbors) == MAX_NEIGHBORS for name in names)


def test_images_that_cannot_be_compared_are_not_duplicates_and_do_not_affect_others(
    make, store, index, neighbours, monkeypatch
):
    store.put("a.png", picture("a cat"))
    store.put("odd.png", picture("a cat by Odd"))
    store.put("b.png", picture("a dog"))

    def compare(weights, score, one, other, least):
        raise ZeroDivisionError

    class EqualEmbeddings(FakeImages):
        def encode_images(self, images, details=None):
            equal = {"embedding": vector("a cat")}
            return [replace(each, **equal) for each in super().encode_images(images, details)]

    monkeypatch.setattr(linking, "similarity", compare)
    linker = Linker(index, WEIGHTS)
    indexer = Indexer(store, index, EqualEmbeddings(), linker=linker)
    keys = ("a.png", "b.png", "odd.png")
    assert process(indexer, *keys) == dict.fromkeys(keys, "indexed")
    assert [neighbours(key) for key in keys] == [{}, {}, {}]
    store.put("copy.png", picture("a cat"))
    assert process(indexer, "copy.png") == {"copy.png": "indexed"}
    assert list(neighbours("copy.png")) == [ref("a.png").id]
