"""Consistency check of bucket and index."""

from dataclasses import replace

import pytest

from imagesearch.domain.errors import Unavailable, Unreachable
from imagesearch.domain.images import IndexEntry, ObjectState, Status
from imagesearch.indexing.consistency import (
    LISTED_KEYS,
    ConsistencyReport,
    check_consistency,
)
from tests.support.fakes import BUCKET, START, picture, ref


@pytest.fixture
def compare(store, index):
    return lambda: check_consistency(store, index)


def test_an_empty_bucket_and_an_empty_index_are_consistent(compare):
    assert compare() == ConsistencyReport()
    assert compare().is_consistent


def test_indexed_and_rejected_images_are_consistent(store, indexer, compare):
    for key, words in {"a.png": "owl", "b/c.png": "cow", "b!.png": "broken", "é.png": "é"}.items():
        store.put(key, picture(words))
        indexer.process([ref(key)])
    found = compare()
    assert (found.images, found.indexed, found.rejected, found.done) == (4, 3, 1, 4)
    assert found.is_consistent


def test_missing_and_overwritten_images_are_pending(store, fill, compare):
    fill(a="owl", b="cow", c="dog")
    store.put("b.png", picture("hen"))
    store.put("aa.png", picture("new"))
    found = compare()
    assert (found.images, found.indexed) == (4, 2)
    assert (found.pending.count, found.pending.keys) == (2, ["aa.png", "b.png"])
    assert not found.is_consistent


def test_a_deleted_object_is_stale(store, fill, compare):
    fill(a="owl", b="cow", c="dog", d="hen")
    for key in ("a.png", "c.png", "d.png"):
        store.delete(key)
    found = compare()
    assert (found.images, found.indexed) == (1, 1)
    assert (found.orphaned.count, found.orphaned.keys) == (3, ["a.png", "c.png", "d.png"])
    assert not found.is_consistent


def test_an_object_without_access_is_neither_stale_nor_a_failure(store, index, fill, monkeypatch):
    fill(a="owl", b="cow")
    store.delete("a.png")

    def head(ref):
        raise Unreachable(f"cannot read {ref.key}")

    monkeypatch.setattr(store, "head", head)
    found = check_consistency(store, index)
    assert (found.indexed, found.orphaned.count, found.pending.count) == (1, 0, 0)


def test_rewritten_identical_bytes_are_not_pending(store, fill, compare):
    fill(a="owl")
    store.put("a.png", picture("owl"), {"label": "bird"})
    assert compare().is_consistent


def test_an_object_without_an_image_extension_counts_if_indexed(store, indexer, compare):
    store.put("notes.txt", b"words")
    store.put("no-extension", picture("owl"))
    assert compare() == ConsistencyReport()
    indexer.process([ref("notes.txt"), ref("no-extension")])
    found = compare()
    assert (found.images, found.indexed) == (1, 1)
    assert found.is_consistent


def test_an_image_of_another_bucket_is_stale(store, index, fill, compare):
    fill(a="owl")
    id = ref("a.png").id
    document, embedding, version = index.entries[id]
    other = replace(document, ref=replace(document.ref, bucket="other"))
    index.entries[other.id] = other, embedding, version
    found = compare()
    assert (found.indexed, found.orphaned.keys) == (1, ["a.png"])


def test_only_the_first_keys_are_reported(store, compare):
    for number in range(10):
        store.put(f"{number}.png", picture("owl"))
    found = compare()
    assert (found.pending.count, len(found.pending.keys)) == (10, LISTED_KEYS)


def test_keys_are_merged_in_the_order_of_their_bytes(store, indexer, compare):
    keys = ["a/1.png", "a!.png", "a.png", "B.png", "é.png", "～.png", "🐈.png", "a/b/2.png"]
    for key in keys:
        store.put(key, picture(key))
    indexer.process([ref(key) for key in keys[::2]])
    found = compare()
    assert (found.indexed, found.pending.count, found.orphaned.count) == (4, 4, 0)


def test_an_image_indexed_during_the_listing_is_consistent(store, indexer, compare):
    """The listing of the index lags by a page, and a second read finds the missing image."""
    for key in ("a.png", "b.png"):
        store.put(key, picture(key))
    listing = store.list_images

    def list_images(after=""):
        for number, listed in enumerate(listing()):
            if number == 1:
                indexer.process([ref("b.png")])
            yield listed

    indexer.process([ref("a.png")])
    store.list_images = list_images
    assert compare().is_consistent


def test_an_unavailable_index_is_not_reported_as_empty(store, index, compare):
    store.put("a.png", picture("owl"))
    index.unavailable = True
    with pytest.raises(Unavailable):
        compare()


class Many:
    """A bucket and its index with `count` images, which are created on demand.

    `most` is the maximum number of states and entries that were in memory.
    """

    bucket = BUCKET

    def __init__(self, images: int) -> None:
        self._images = images
        self._made = 0
        self.most = 0
        ended.clear()

    def list_images(self, after=""):
        for number in range(self._images):
            yield ref(f"{number:06}.png"), self._counted(LivingState("etag", START, 1))

    def list_entries(self, *, after=""):
        for number in range(self._images):
            yield self._counted(
                LivingEntry(ref(f"{number:06}.png"), Status.INDEXED, "etag", START, START)
            )

    def _counted(self, made):
        self._made += 1
        self.most = max(self.most, self._made - len(ended))
        return made


ended: list[None] = []


class LivingState(ObjectState):
    def __del__(self) -> None:
        ended.append(None)


class LivingEntry(IndexEntry):
    def __del__(self) -> None:
        ended.append(None)


def test_memory_does_not_depend_on_the_number_of_images():
    peaks = []
    for images in (2_000, 20_000):
        many = Many(images)
        assert check_consistency(many, many).indexed == images
        peaks.append(many.most)
    assert peaks[0] == peaks[1] <= 10
