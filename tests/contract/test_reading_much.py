"""Many queries at once, a minimum score, counts, and scans of everything."""

from dataclasses import replace

import numpy as np
import pytest

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.filters import KeyPrefix
from imagesearch.domain.images import Scanned, Status
from imagesearch.domain.ports import Delete, Put
from imagesearch.domain.queries import VectorQuery


@pytest.fixture
def keys_of_scan(subject):
    return lambda **more: [found.document.ref.key for found in subject.index.scan(**more)]


def test_hits_below_the_minimum_score_are_left_out(subject, put, towards):
    subject.store(*(put(f"{angle}", angle) for angle in (0, 30, 59, 61, 90, 180)))
    assert subject.found_keys(towards(0), min_score=0.5) == ["0", "30", "59"]
    assert subject.found_keys(towards(0), min_score=-0.5) == ["0", "30", "59", "61", "90"]
    assert subject.found_keys(towards(-90), min_score=0.5) == []
    assert subject.found_keys(towards(0), min_score=2) == []
    assert subject.found_keys(towards(0), limit=2, min_score=0.5) == ["0", "30"]


def test_many_queries_have_each_its_own_answer(subject, put, towards):
    subject.store(*(put(f"{'cats' if n % 2 else 'dogs'}/{n:02}", n) for n in range(40)))
    queries = [
        VectorQuery(towards(0), 3),
        VectorQuery(towards(90), 5, collection="cats"),
        VectorQuery(towards(20), 4, exclude=(put("dogs/20").ref.id,), min_score=0.99),
        VectorQuery(towards(20), 4, filter=KeyPrefix("birds/")),
    ]
    answers = subject.index.search_many(queries)
    assert answers == [subject.index.search(query) for query in queries]
    assert [len(answer) for answer in answers] == [3, 5, 4, 0]
    assert subject.index.search_many([]) == []


def test_one_query_without_direction_refuses_all(subject, put, towards):
    subject.store(put())
    with pytest.raises(InvalidQuery):
        subject.index.search_many(
            [VectorQuery(towards(0), 1), VectorQuery(np.zeros(4, np.float32), 1)]
        )


def test_an_index_without_images_has_empty_answers(subject, towards, keys_of_scan):
    assert subject.index.search_many([VectorQuery(towards(0), 1)] * 2) == [[], []]
    assert subject.index.count() == 0
    assert keys_of_scan() == []


def test_documents_are_counted(subject, put, document):
    broken = Put(document("cats/3", status=Status.REJECTED, reason="broken"), None, None)
    subject.store(put("cats/1"), put("cats/2"), put("dogs/1"), broken)
    subject.store(Delete(put("cats/2").ref, subject.version(put("cats/2").ref)))
    count = subject.index.count
    assert (count(), count(collection="cats"), count(status=Status.REJECTED)) == (3, 2, 1)
    assert count(status=Status.INDEXED, collection="cats") == 1
    assert count(filter=KeyPrefix("dogs/")) == 1


def test_a_scan_gives_every_document_once_in_the_order_of_keys(subject, put, keys_of_scan):
    keys = [f"{number:04}" for number in range(2100)]
    subject.store(*(put(key) for key in reversed(keys)))
    assert keys_of_scan() == keys


def test_a_scan_can_bring_the_embeddings(subject, put, document, towards):
    broken = document("b", status=Status.REJECTED, reason="broken")
    subject.store(put("a", 30), Put(broken, None, None))
    first, second = subject.index.scan(embeddings=True)
    np.testing.assert_allclose(first.embedding, towards(30), atol=1e-6)
    assert first.document == put("a").document
    assert second == Scanned(broken, None)
    assert [found.embedding for found in subject.index.scan()] == [None, None]


def test_a_scan_can_be_narrowed(subject, put, document, keys_of_scan):
    broken = Put(document("cats/3", status=Status.REJECTED, reason="broken"), None, None)
    subject.store(put("cats/1"), put("cats/a/2"), put("dogs/1"), broken)
    assert keys_of_scan(collection="cats") == ["cats/1", "cats/3", "cats/a/2"]
    assert keys_of_scan(status=Status.INDEXED) == ["cats/1", "cats/a/2", "dogs/1"]
    assert keys_of_scan(filter=KeyPrefix("cats/a")) == ["cats/a/2"]


def test_a_scan_is_of_the_moment_it_began(subject, put):
    subject.store(*(put(f"{number:04}") for number in range(2100)))
    scan = subject.index.scan()
    begun = [next(scan).document.ref.key]
    gone = put("2050")
    subject.store(put("2040a"), Delete(gone.ref, subject.version(gone.ref)))
    changed = replace(put("2060", size=7), expected=subject.version(put("2060").ref))
    subject.store(changed)
    rest = list(scan)
    assert begun + [found.document.ref.key for found in rest] == [f"{n:04}" for n in range(2100)]
    assert {found.document.size for found in rest} == {1234}


def test_a_scan_may_be_left_half_done(subject, put):
    subject.store(put("a"), put("b"))
    scan = subject.index.scan()
    next(scan)
    scan.close()
    subject.store(put("c"))
    assert subject.index.count() == 3
