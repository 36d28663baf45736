"""Conditional writes, exact round trips, and tombstones of deleted images."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from imagesearch.domain.images import Neighbor, Status
from imagesearch.domain.ports import Delete, Put, Stored, Touch, WriteStatus


def statuses(results):
    return [result.status for result in results]


def test_an_empty_index_returns_no_documents(subject, unit_vector):
    assert subject.index.get(["nothing"]) == {}
    assert subject.index.embeddings(["nothing"]) == {}
    assert subject.nearest(unit_vector(0)) == []
    assert subject.listed_keys() == []
    health = subject.index.health()
    assert (health.images, health.rejected) == (0, 0)


def test_no_writes_return_no_results(subject):
    assert subject.index.write([]) == []


def test_a_written_document_is_read_back_exactly_and_immediately(subject, put, document):
    full = document(
        "2024/Ünï 日本/\U0001f43b a+b%20.jpg",
        sha256="0" * 64,
        content_type="image/jpeg",
        width=4000,
        height=3000,
        taken_at=document().last_modified - timedelta(microseconds=1),
        metadata={"camera": "X100", "a.b": "c", "größe": "☃"},
        exif={"camera": "X100", "lens.mount": "☃"},
        latitude=-33.123456,
        longitude=179.999999,
        phash="00ff00ff00ff00ff",
        miniature="1.500:" + "A" * 576,
        thumbnail="thumbnails/a/b.webp",
        truncated=True,
        neighbors=(Neighbor("an-id_", "1" * 64, 0.987654, 0.9512),),
    )
    assert statuses(subject.index.write([Put(full, put().embedding, None)])) == ["written"]
    assert subject.document(full.ref) == full


def test_a_time_without_zone_is_stored_unchanged(subject, put, document):
    taken_at = document().last_modified.replace(tzinfo=None)
    subject.store(put(taken_at=taken_at))
    assert subject.document(document().ref).taken_at == taken_at


def test_an_embedding_is_read_back(subject, put, unit_vector):
    subject.store(put("a.jpg", 30))
    np.testing.assert_allclose(subject.embedding(put("a.jpg").ref), unit_vector(30), atol=1e-6)


def test_many_embeddings_are_read_in_one_call(subject, put, unit_vector):
    subject.store(*(put(f"{number}", number % 180) for number in range(1100)))
    ids = [put(f"{number}").ref.id for number in range(1100)]
    found = subject.index.embeddings([*ids, "nobody", ids[0]])
    assert set(found) == set(ids)
    np.testing.assert_allclose(found[ids[30]], unit_vector(30), atol=1e-6)
    assert subject.index.embeddings([]) == {}


def test_only_indexed_images_have_an_embedding(subject, put, document):
    rejected = document("broken.jpg", status=Status.REJECTED, reason="truncated")
    subject.store(put("a.jpg"), Put(rejected, None, None))
    subject.store(Delete(put("a.jpg").ref, subject.version(put("a.jpg").ref)))
    assert subject.index.embeddings([rejected.id]) == {}
    assert subject.index.embeddings([put("a.jpg").ref.id]) == {}


@pytest.mark.parametrize("id", ["", "é", "\ud800", "x" * 600, "a/b?c", "*"])
def test_an_impossible_id_is_not_found(subject, put, id):
    subject.store(put())
    assert subject.index.get([id]) == {}
    assert subject.index.embeddings([id]) == {}


def test_get_omits_missing_documents(subject, put):
    subject.store(put("a.jpg"), put("b.jpg"))
    a, b, c = (put(key).ref.id for key in ("a.jpg", "b.jpg", "c.jpg"))
    assert set(subject.index.get([c, b, a])) == {a, b}


def test_a_second_first_write_conflicts(subject, put):
    subject.store(put(etag="e1"))
    assert statuses(subject.index.write([put(etag="e2")])) == [WriteStatus.CONFLICT]
    assert subject.document(put().ref).etag == "e1"


def test_a_write_on_the_version_read_replaces(subject, put):
    subject.store(put(etag="e1"))
    before = subject.version(put().ref)
    subject.store(replace(put(etag="e2"), expected=before))
    assert subject.document(put().ref).etag == "e2"
    assert subject.version(put().ref) != before


@pytest.mark.parametrize("make", [
    lambda put, old: replace(put(etag="late"), expected=old),
    lambda put, old: Touch(put(etag="late").document, old),
    lambda put, old: Delete(put().ref, old),
    lambda put, old: Delete(put().ref, None),
])  # fmt: skip
def test_a_write_on_an_older_version_conflicts(subject, put, make):
    subject.store(put(etag="e1"))
    old = subject.version(put().ref)
    subject.store(replace(put(etag="e2"), expected=old))
    assert statuses(subject.index.write([make(put, old)])) == [WriteStatus.CONFLICT]
    assert subject.document(put().ref).etag == "e2"


@pytest.mark.parametrize("make", [
    lambda put: replace(put(), expected=(0, 1)),
    lambda put: Touch(put().document, (0, 1)),
    lambda put: Delete(put().ref, (0, 1)),
])  # fmt: skip
def test_a_write_that_expects_a_missing_entry_conflicts(subject, put, make):
    subject.store(put("other.jpg"))
    assert statuses(subject.index.write([make(put)])) == [WriteStatus.CONFLICT]
    assert subject.index.get([put().ref.id]) == {}


def test_results_are_in_the_order_of_the_writes(subject, put):
    subject.store(put("b.jpg"))
    results = subject.index.write([put("a.jpg"), put("b.jpg"), put("c.jpg"), put("c.jpg")])
    assert statuses(results) == ["written", "conflict", "written", "conflict"]


def test_touching_keeps_the_embedding_and_replaces_the_metadata(
    subject, put, document, unit_vector
):
    details = {"camera": "X100", "lens": "23"}
    subject.store(put(metadata=details, exif=details, degrees=30))
    changed = document(etag="e2", metadata={"camera": "X200"}, exif={"lens": "35"}, sha256=None)
    subject.store(Touch(changed, subject.version(changed.ref)))
    assert subject.document(changed.ref) == changed
    (hit,) = subject.nearest(unit_vector(30))
    assert hit.document == changed
    assert hit.score == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(subject.embedding(changed.ref), unit_vector(30), atol=1e-6)


def test_touching_can_remove_metadata(subject, put, document):
    subject.store(
        put(metadata={"camera": "X100"}, sha256="0" * 64, taken_at=document().last_modified)
    )
    bare = document()
    subject.store(Touch(bare, subject.version(bare.ref)))
    assert subject.document(bare.ref) == bare


def test_an_unchanged_touch_creates_a_new_version(subject, put, document):
    subject.store(put())
    before = subject.version(put().ref)
    subject.store(Touch(document(), before))
    assert subject.version(put().ref) != before


def test_an_invalid_embedding_affects_no_other(subject, put, unit_vector):
    bad = [np.zeros(4), np.full(4, np.nan), np.ones(3), np.ones((4, 1))]
    writes = [
        replace(put(f"bad{number}.jpg"), embedding=embedding.astype(np.float32))
        for number, embedding in enumerate(bad)
    ]
    results = subject.index.write([put("a.jpg"), *writes, put("b.jpg")])
    assert statuses(results) == ["written", *["failed"] * 4, "written"]
    assert all(result.reason for result in results[1:5])
    subject.settle()
    assert sorted(subject.found_keys(unit_vector(0))) == ["a.jpg", "b.jpg"]
    assert subject.index.get([write.ref.id for write in writes]) == {}


def test_many_writes_are_sent_in_one_call(subject, put):
    keys = [f"{number:04}.jpg" for number in range(1100)]
    subject.store(*(put(key) for key in keys))
    assert len(subject.index.get([put(key).ref.id for key in keys])) == 1100
    assert subject.index.health().images == 1100


# Values that validation should reject: such a record fails alone, or is read back unchanged.
ODD = {
    "a latitude that is no number": {"latitude": math.nan},
    "an infinite longitude": {"longitude": -math.inf},
    "half a surrogate pair in metadata": {"metadata": {"camera": "\ud83d"}},
    "half a surrogate pair in a name": {"exif": {"\udc3b": "X100"}},
    "half a surrogate pair in an etag": {"etag": "\udfff"},
    "a number in place of a text": {"metadata": {"camera": object()}},
    "the first year": {"taken_at": datetime(1, 1, 1, tzinfo=UTC)},
    "the last year": {"taken_at": datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)},
    "a width beyond any integer": {"width": 2**70},
    "a size beyond any integer": {"size": 2**70},
    "40 kB of metadata": {"metadata": {"notes": "x" * 40_000}},
    "a thousand names": {"metadata": {f"name {number}": "x" for number in range(1_000)}},
    "nothing as a name": {"metadata": {"": "x"}},
    "dots as a name": {"metadata": {"..": "x"}},
    "control characters": {"metadata": {"camera": "a\0b\x1b[2J\u2028"}},
    "a long reason": {"reason": "x" * 40_000},
}


@pytest.mark.parametrize("kind", ODD)
def test_an_invalid_record_affects_no_other(kind, subject, put, document):
    odd = put("odd.jpg", 20, **ODD[kind])
    results = statuses(subject.index.write([put("a.jpg"), odd, put("b.jpg", 40)]))
    assert results[0] == results[2] == "written"
    assert results[1] in ("written", "failed")
    subject.settle()
    wanted = ["a.jpg", "b.jpg"] + ["odd.jpg"] * (results[1] == "written")
    assert subject.listed_keys() == wanted
    assert sorted(subject.keys_by_time()) == wanted
    if results[1] == "written":
        assert subject.document(odd.ref) == odd.document
    assert subject.document(put("a.jpg").ref) == put("a.jpg").document


@pytest.mark.parametrize("key", ["a\0b.jpg", "\x1b[2J.jpg", "../../up.jpg", "é" * 511, "/", "a//b"])
def test_an_unusual_key_is_stored_unchanged(key, subject, put):
    assert statuses(subject.index.write([put(key), put("b.jpg", 40)])) == ["written"] * 2
    subject.settle()
    assert sorted(subject.listed_keys()) == sorted([key, "b.jpg"])
    assert subject.document(put(key).ref) == put(key).document


def test_a_deleted_image_is_removed_from_the_index(subject, put, unit_vector):
    subject.store(put("a.jpg"), put("b.jpg"))
    subject.store(Delete(put("a.jpg").ref, subject.version(put("a.jpg").ref)))
    assert subject.found_keys(unit_vector(0)) == ["b.jpg"]
    assert subject.listed_keys() == ["b.jpg"]
    assert subject.index.health().images == 1


def test_a_tombstone_contains_only_the_version(subject, put):
    subject.store(put())
    before = subject.version(put().ref)
    subject.store(Delete(put().ref, before))
    (entry,) = subject.index.get([put().ref.id]).values()
    assert entry == Stored(None, entry.version)
    assert entry.version != before


def test_a_missing_image_can_be_deleted(subject, put, unit_vector):
    subject.store(Delete(put().ref, None))
    assert subject.index.get([put().ref.id])[put().ref.id].document is None
    assert subject.found_keys(unit_vector(0)) == subject.listed_keys() == []


def test_a_first_write_after_the_deletion_conflicts(subject, put, unit_vector):
    subject.store(Delete(put().ref, None))
    (result,) = subject.index.write([put()])
    assert result.status is WriteStatus.CONFLICT
    subject.settle()
    assert subject.found_keys(unit_vector(0)) == []


def test_a_restored_image_is_found_again(subject, put, unit_vector):
    subject.store(put())
    subject.store(Delete(put().ref, subject.version(put().ref)))
    subject.store(replace(put(degrees=90), expected=subject.version(put().ref)))
    assert subject.found_keys(unit_vector(90)) == ["a.jpg"]
    assert subject.nearest(unit_vector(90))[0].score == pytest.approx(1, abs=1e-4)
