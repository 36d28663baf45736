"""Search: cosine scores, order, pages, minimum score, batches; counts and scans."""

from dataclasses import replace

import numpy as np
import pytest

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.filters import KeyPrefix
from imagesearch.domain.images import Scanned, Status
from imagesearch.domain.ports import Delete, Put
from imagesearch.domain.queries import Position, Selection, VectorQuery


def pages(subject, embedding, size, **more):
    """All pages, following `after`."""
    after, found = None, []
    while page := subject.nearest(embedding, size, after=after, **more):
        found.append(page)
        after = Position(page[-1].score, page[-1].document.id)
    return found


def test_the_nearest_images_come_first(subject, put, unit_vector):
    subject.store(put("far", 90), put("near", 10), put("there", 0), put("behind", 180))
    assert subject.found_keys(unit_vector(0)) == ["there", "near", "far", "behind"]
    assert subject.found_keys(unit_vector(0), limit=2) == ["there", "near"]


def test_the_score_is_the_cosine(subject, put, unit_vector):
    angles = [0, 1, 30, 60, 90, 120, 179, 180]
    subject.store(*(put(f"{angle}", angle) for angle in angles))
    scores = [hit.score for hit in subject.nearest(unit_vector(0))]
    np.testing.assert_allclose(scores, np.cos(np.radians(angles)), atol=1e-4)
    assert all(-1 <= score <= 1 for score in scores)


def test_equal_scores_are_in_the_order_of_their_ids(subject, put, unit_vector):
    keys = [f"{number}.jpg" for number in range(50)]
    subject.store(*(put(key, 45) for key in keys))
    ids = sorted(put(key).ref.id for key in keys)
    assert [hit.document.id for hit in subject.nearest(unit_vector(0), 50)] == ids
    assert [hit.document.id for hit in subject.nearest(unit_vector(0), 7)] == ids[:7]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_pages_return_each_match_once(subject, put, unit_vector, size):
    subject.store(*(put(f"{number}", number // 3) for number in range(100)))
    everything = subject.nearest(unit_vector(0), 100)
    assert len(everything) == 100
    assert [hit for page in pages(subject, unit_vector(0), size) for hit in page] == everything


def test_pages_reach_a_depth_of_a_thousand_hits(subject, put):
    random = np.random.default_rng(7)
    vectors = random.normal(size=(1500, 4)).astype(np.float32)
    subject.store(
        *(replace(put(f"{number}"), embedding=vector) for number, vector in enumerate(vectors))
    )
    query = vectors[0] / np.linalg.norm(vectors[0])
    found = [hit for page in pages(subject, query, 100)[:10] for hit in page]
    cosines = vectors @ query / np.linalg.norm(vectors, axis=1)
    best = [f"{number}" for number in np.argsort(-cosines)[:1000]]
    assert len({hit.document.id for hit in found}) == 1000
    assert {hit.document.ref.key for hit in found} >= set(best[:900])
    assert len({hit.document.ref.key for hit in found} & set(best)) >= 990


def test_pages_of_a_collection_return_each_match_once(subject, put, unit_vector):
    subject.store(*(put(f"{'cats' if n % 3 else 'dogs'}/{n}", n) for n in range(90)))
    found = [hit for page in pages(subject, unit_vector(0), 7, collection="cats") for hit in page]
    assert [hit.document.ref.key for hit in found] == [f"cats/{n}" for n in range(90) if n % 3]


def test_a_collection_is_the_first_part_of_the_key(subject, put, unit_vector):
    subject.store(
        put("cats/1"), put("cats/kittens/2"), put("cats"), put("catsdogs/3"), put("Cats/4")
    )
    assert sorted(subject.found_keys(unit_vector(0), collection="cats")) == [
        "cats/1",
        "cats/kittens/2",
    ]
    assert subject.found_keys(unit_vector(0), collection="kittens") == []


def test_excluded_images_are_on_no_page(subject, put, unit_vector):
    subject.store(*(put(f"{number}", number) for number in range(20)))
    out = (put("3").ref.id, put("0").ref.id, put("19").ref.id, "nobody")
    found = [hit for page in pages(subject, unit_vector(0), 6, exclude=out) for hit in page]
    assert [hit.document.ref.key for hit in found] == [f"{n}" for n in range(1, 19) if n != 3]


def test_rejected_images_are_not_found(subject, put, document, unit_vector):
    rejected = document("broken", status=Status.REJECTED, reason="truncated")
    subject.store(put("good"), Put(rejected, None, None))
    assert subject.found_keys(unit_vector(0)) == ["good"]


def test_an_image_that_became_unreadable_is_no_longer_found(subject, put, document, unit_vector):
    subject.store(put("a"), put("b"))
    rejected = document("a", status=Status.REJECTED, reason="truncated")
    subject.store(Put(rejected, None, subject.version(rejected.ref)))
    assert subject.found_keys(unit_vector(0)) == ["b"]


def test_an_overwritten_image_is_found_by_its_new_embedding_only(subject, put, unit_vector):
    subject.store(put("a", 0), put("b", 45))
    subject.store(replace(put("a", 90), expected=subject.version(put("a").ref)))
    assert subject.found_keys(unit_vector(90)) == ["a", "b"]
    assert subject.nearest(unit_vector(0))[-1].score == pytest.approx(0, abs=1e-4)


def test_a_page_continues_after_a_deleted_hit(subject, put, unit_vector):
    subject.store(*(put(f"{number}", number) for number in range(6)))
    first = subject.nearest(unit_vector(0), 3)
    subject.store(Delete(first[-1].document.ref, subject.version(first[-1].document.ref)))
    after = Position(first[-1].score, first[-1].document.id)
    assert subject.found_keys(unit_vector(0), after=after) == ["3", "4", "5"]


def test_scores_do_not_depend_on_vector_length(subject, put, unit_vector):
    subject.store(replace(put("a"), embedding=unit_vector(30) * 5), put("b", 60))
    scores = [hit.score for hit in subject.nearest(unit_vector(30) * 7)]
    np.testing.assert_allclose(scores, [1, np.cos(np.radians(30))], atol=1e-4)


@pytest.mark.parametrize("query", [np.zeros(4), np.full(4, np.inf), np.ones(5)])
def test_a_zero_query_vector_is_rejected(subject, put, query):
    subject.store(put())
    with pytest.raises(InvalidQuery):
        subject.index.search(VectorQuery(query.astype(np.float32), 10))


@pytest.fixture
def keys_of_scan(subject):
    return lambda **selection: [
        found.document.ref.key for found in subject.index.scan(Selection(**selection))
    ]


def test_hits_below_the_minimum_score_are_excluded(subject, put, unit_vector):
    subject.store(*(put(f"{angle}", angle) for angle in (0, 30, 59, 61, 90, 180)))
    assert subject.found_keys(unit_vector(0), min_score=0.5) == ["0", "30", "59"]
    assert subject.found_keys(unit_vector(0), min_score=-0.5) == ["0", "30", "59", "61", "90"]
    assert subject.found_keys(unit_vector(-90), min_score=0.5) == []
    assert subject.found_keys(unit_vector(0), min_score=2) == []
    assert subject.found_keys(unit_vector(0), limit=2, min_score=0.5) == ["0", "30"]


def test_each_query_of_a_batch_has_its_own_hits(subject, put, unit_vector):
    subject.store(*(put(f"{'cats' if n % 2 else 'dogs'}/{n:02}", n) for n in range(40)))
    queries = [
        VectorQuery(unit_vector(0), 3),
        VectorQuery(unit_vector(90), 5, collection="cats"),
        VectorQuery(unit_vector(20), 4, exclude=(put("dogs/20").ref.id,), min_score=0.99),
        VectorQuery(unit_vector(20), 4, filter=KeyPrefix("birds/")),
    ]
    answers = subject.index.search_many(queries)
    assert answers == [subject.index.search(query) for query in queries]
    assert [len(answer) for answer in answers] == [3, 5, 4, 0]
    assert subject.index.search_many([]) == []


def test_one_zero_query_vector_rejects_the_batch(subject, put, unit_vector):
    subject.store(put())
    with pytest.raises(InvalidQuery):
        subject.index.search_many(
            [VectorQuery(unit_vector(0), 1), VectorQuery(np.zeros(4, np.float32), 1)]
        )


def test_an_index_without_images_returns_no_hits(subject, unit_vector, keys_of_scan):
    assert subject.index.search_many([VectorQuery(unit_vector(0), 1)] * 2) == [[], []]
    assert subject.index.count() == 0
    assert keys_of_scan() == []


def test_documents_are_counted(subject, put, document):
    broken = Put(document("cats/3", status=Status.REJECTED, reason="broken"), None, None)
    subject.store(put("cats/1"), put("cats/2"), put("dogs/1"), broken)
    subject.store(Delete(put("cats/2").ref, subject.version(put("cats/2").ref)))
    count = subject.index.count
    assert count() == 3
    assert count(Selection(collection="cats")) == 2
    assert count(Selection(Status.REJECTED)) == 1
    assert count(Selection(Status.INDEXED, "cats")) == 1
    assert count(Selection(filter=KeyPrefix("dogs/"))) == 1


def test_a_scan_returns_every_document_once_in_key_order(subject, put, keys_of_scan):
    keys = [f"{number:04}" for number in range(2100)]
    subject.store(*(put(key) for key in reversed(keys)))
    assert keys_of_scan() == keys


def test_a_scan_can_include_the_embeddings(subject, put, document, unit_vector):
    broken = document("b", status=Status.REJECTED, reason="broken")
    subject.store(put("a", 30), Put(broken, None, None))
    first, second = subject.index.scan(embeddings=True)
    np.testing.assert_allclose(first.embedding, unit_vector(30), atol=1e-6)
    assert first.document == put("a").document
    assert second == Scanned(broken, None)
    assert [found.embedding for found in subject.index.scan()] == [None, None]


def test_a_scan_can_be_filtered(subject, put, document, keys_of_scan):
    broken = Put(document("cats/3", status=Status.REJECTED, reason="broken"), None, None)
    subject.store(put("cats/1"), put("cats/a/2"), put("dogs/1"), broken)
    assert keys_of_scan(collection="cats") == ["cats/1", "cats/3", "cats/a/2"]
    assert keys_of_scan(status=Status.INDEXED) == ["cats/1", "cats/a/2", "dogs/1"]
    assert keys_of_scan(filter=KeyPrefix("cats/a")) == ["cats/a/2"]


def test_a_scan_is_a_snapshot_of_its_start(subject, put):
    subject.store(*(put(f"{number:04}") for number in range(2100)))
    scan = subject.index.scan()
    first_keys = [next(scan).document.ref.key]
    gone = put("2050")
    subject.store(put("2040a"), Delete(gone.ref, subject.version(gone.ref)))
    changed = replace(put("2060", size=7), expected=subject.version(put("2060").ref))
    subject.store(changed)
    rest = list(scan)
    assert first_keys + [found.document.ref.key for found in rest] == [
        f"{n:04}" for n in range(2100)
    ]
    assert {found.document.size for found in rest} == {1234}


def test_a_scan_can_be_abandoned(subject, put):
    subject.store(put("a"), put("b"))
    scan = subject.index.scan()
    next(scan)
    scan.close()
    subject.store(put("c"))
    assert subject.index.count() == 3
