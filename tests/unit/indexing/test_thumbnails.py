"""Thumbnails: each referenced thumbnail exists, and no other remains."""

from dataclasses import replace
from datetime import timedelta

import pytest

from imagesearch.domain.storage_keys import large_thumbnail_key
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.thumbnail_cleanup import MINIMUM_AGE, ThumbnailCleanup
from tests.support.fakes import START, FakeDerived, FakeImages, picture, ref
from tests.support.outcomes import process


@pytest.fixture
def derived() -> FakeDerived:
    return FakeDerived()


@pytest.fixture
def indexer(store, index, images, derived) -> Indexer:
    return Indexer(store, index, images, clock=lambda: START + timedelta(days=1), derived=derived)


@pytest.fixture
def named(index):
    """The thumbnail keys of the indexed documents."""
    return lambda: sorted(
        entry.document.thumbnail
        for entry in index.get([*index.entries]).values()
        if entry.document and entry.document.thumbnail
    )


def test_a_large_image_has_two_thumbnails_that_are_replaced_reused_and_deleted_together(
    indexer, store, derived, named
):
    store.put("a.png", picture("large a"))
    store.put("copy.png", picture("large a"))
    process(indexer, "a.png")
    process(indexer, "copy.png")
    assert derived.files == {
        key: (content, "image/jpeg")
        for small in named()
        for key, content in (
            (small, b"small large a"),
            (large_thumbnail_key(small), b"large large a"),
        )
    }
    assert len(derived.files) == 4
    store.put("a.png", picture("a"))
    store.delete("copy.png")
    process(indexer, "a.png", "copy.png")
    assert derived.files == dict.fromkeys(named(), (b"small a", "image/jpeg"))


def test_a_new_image_has_a_thumbnail(indexer, store, derived, named):
    store.put("a.png", picture("a"))
    assert process(indexer, "a.png") == {"a.png": "indexed"}
    [key] = named()
    assert key.startswith(f"thumbnails/{ref('a.png').id}/")
    assert derived.files == {key: (b"small a", "image/jpeg")}


def test_no_thumbnail_is_created_without_a_derived_store(store, index, images, named):
    store.put("a.png", picture("a"))
    process(Indexer(store, index, images), "a.png")
    assert named() == []


def test_images_of_the_same_bytes_have_separate_thumbnails(indexer, store, derived, named):
    store.put("a.png", picture("a"))
    store.put("b.png", picture("a"))
    process(indexer, "a.png", "b.png")
    store.delete("a.png")
    process(indexer, "a.png")
    assert sorted(derived.files) == named()
    assert len(named()) == 1


@pytest.mark.parametrize("data", [picture("a dog"), picture("broken"), b"no image", None])
def test_a_replaced_image_loses_its_thumbnail(indexer, store, derived, named, data):
    store.put("photo", picture("a cat"))
    process(indexer, "photo")
    [old] = named()
    if data is None:
        store.delete("photo")
    else:
        store.put("photo", data)
    process(indexer, "photo")
    assert old not in derived.files
    assert sorted(derived.files) == named()


def test_new_metadata_keeps_the_thumbnail(indexer, store, derived, named):
    store.put("a.png", picture("a"), {"label": "old"})
    process(indexer, "a.png")
    before = dict(derived.files)
    store.put("a.png", picture("a"), {"label": "new"})
    assert process(indexer, "a.png") == {"a.png": "updated"}
    assert derived.files == before
    assert sorted(derived.files) == named()


def test_an_image_indexed_without_a_thumbnail_gets_one(
    indexer, store, index, images, derived, named
):
    store.put("a.png", picture("a"))
    process(Indexer(store, index, images), "a.png")
    assert process(indexer, "a.png") == {"a.png": "indexed"}
    assert sorted(derived.files) == named() != []
    assert process(indexer, "a.png") == {"a.png": "unchanged"}


def test_an_unavailable_derived_store_loses_no_image(indexer, store, derived, named):
    store.put("a.png", picture("a"))
    derived.unavailable = "thumbnails/"
    assert process(indexer, "a.png") == {"a.png": "failed"}
    assert named() == []
    derived.unavailable = None
    assert process(indexer, "a.png") == {"a.png": "indexed"}
    assert sorted(derived.files) == named() != []


def test_a_thumbnail_that_cannot_be_written_fails_only_its_image(indexer, store, derived, named):
    store.put("a.png", picture("a"))
    store.put("b.png", picture("b"))
    derived.unavailable = f"thumbnails/{ref('a.png').id}"
    assert process(indexer, "a.png", "b.png") == {"a.png": "failed", "b.png": "indexed"}
    assert len(named()) == 1


def test_a_thumbnail_that_cannot_be_replaced_is_replaced_by_the_retry(
    indexer, store, derived, named
):
    store.put("a.png", picture("a cat"))
    process(indexer, "a.png")
    store.put("a.png", picture("a dog"))
    derived.unavailable = "thumbnails/"
    assert process(indexer, "a.png") == {"a.png": "failed"}
    derived.unavailable = None
    assert process(indexer, "a.png") == {"a.png": "indexed"}
    assert sorted(derived.files) == named()


def test_a_thumbnail_that_cannot_be_deleted_is_deleted_by_the_cleanup(
    indexer, store, index, derived, named
):
    """The record is deleted at once: searches do not find the image any more."""
    store.put("a.png", picture("a cat"))
    process(indexer, "a.png")
    store.delete("a.png")
    derived.unavailable = "thumbnails/"
    assert process(indexer, "a.png") == {"a.png": "deleted"}
    derived.unavailable = None
    assert len(derived.files) == 1
    cleanup = ThumbnailCleanup(derived, lambda: [index], lambda: START + 2 * MINIMUM_AGE)
    assert cleanup.clean_up("", lambda: False).deleted == 1
    assert sorted(derived.files) == named() == []


def test_a_worker_with_a_conflict_leaves_and_removes_no_thumbnail(store, index, derived, named):
    """One worker has read older bytes when another writes newer ones."""
    slow = Indexer(store, index, FakeImages(), derived=derived)
    fast = Indexer(store, index, FakeImages(), derived=derived)
    store.put("a.png", picture("old"))

    def overtake():
        store.put("a.png", picture("new"))
        assert process(fast, "a.png") == {"a.png": "indexed"}

    derived.before_put.then(overtake)
    assert process(slow, "a.png") == {"a.png": "unchanged"}
    assert sorted(derived.files) == named()
    assert [data for data, _ in derived.files.values()] == [b"small new"]


def test_workers_that_read_the_same_state_share_one_thumbnail(store, index, derived, named):
    slow = Indexer(store, index, FakeImages(), derived=derived)
    fast = Indexer(store, index, FakeImages(), derived=derived)
    store.put("a.png", picture("a"))
    derived.before_put.then(lambda: process(fast, "a.png"))
    assert process(slow, "a.png") == {"a.png": "unchanged"}
    assert sorted(derived.files) == named()
    assert len(named()) == 1


def test_the_thumbnail_of_an_abandoned_deletion_is_kept(store, index, derived, named):
    """The same object is restored between the head request and the write."""
    indexer = Indexer(store, index, FakeImages(), derived=derived)
    other = Indexer(store, index, FakeImages(), derived=derived)
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    store.delete("a.png")

    def come_back():
        store.put("a.png", picture("a"))
        assert process(other, "a.png") == {"a.png": "updated"}

    index.before_write.then(come_back)
    assert process(indexer, "a.png") == {"a.png": "unchanged"}
    assert sorted(derived.files) == named()
    assert len(named()) == 1


def test_a_failed_thumbnail_is_not_retried_for_every_event(store, index, derived):
    class Images(FakeImages):
        def encode_images(self, images, details=None):
            found = super().encode_images(images, details)
            lost = {"phash": "", "miniature": "", "thumbnail": b""}
            return [replace(each, details=replace(each.details, **lost)) for each in found]

    images = Images()
    indexer = Indexer(store, index, images, derived=derived)
    store.put("a.png", picture("a"))
    assert process(indexer, "a.png") == {"a.png": "indexed"}
    assert process(indexer, "a.png") == {"a.png": "unchanged"}
    assert derived.files == {}
    assert len(images.read) == 1
