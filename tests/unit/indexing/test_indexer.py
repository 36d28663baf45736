"""Claims: after a look, the index says what the bucket says."""

import pytest

from imagesearch.domain.images import Status
from imagesearch.indexing.indexer import Indexer
from tests.support.fakes import FakeImages, picture, ref, vector
from tests.support.looking import look


def test_a_new_image_is_recorded_with_what_its_file_says(indexer, store, index):
    state = store.put("cats/tom.png", picture("a cat"), {"camera": "X100"})
    assert look(indexer, "cats/tom.png") == {"cats/tom.png": "indexed"}
    document = index.document("cats/tom.png")
    assert (document.etag, document.size, document.last_modified) == (
        state.etag,
        state.size,
        state.last_modified,
    )
    assert (document.width, document.height, document.content_type) == (640, 480, "image/png")
    assert (document.model, document.decoder) == ("fake", "fake 1")
    assert document.metadata == {"camera": "X100"}
    assert len(document.sha256) == 64
    assert (index.embedding_of(document.ref.key) == vector("a cat")).all()


def test_where_a_picture_was_taken_is_recorded_only_when_asked_for(store, index, images):
    store.put("a.png", picture("a"))
    look(Indexer(store, index, images), "a.png")
    assert (index.document("a.png").latitude, index.document("a.png").longitude) == (None, None)
    store.put("b.png", picture("b"))
    look(Indexer(store, index, images, places=True), "b.png")
    assert (index.document("b.png").latitude, index.document("b.png").longitude) == (48.5, -2.25)


def test_the_same_event_again_reads_nothing_and_writes_nothing(indexer, store, index):
    store.put("a.png", picture("a"))
    look(indexer, "a.png")
    writes, reads = index.writes, list(store.reads)
    assert look(indexer, "a.png") == {"a.png": "unchanged"}
    assert (index.writes, store.reads) == (writes, reads)


def test_a_key_named_twice_is_looked_at_once(indexer, store, images):
    store.put("a.png", picture("a"))
    assert len(indexer.look_at([ref("a.png"), ref("a.png")])) == 1
    assert len(images.read) == 1


def test_an_overwritten_image_is_embedded_anew(indexer, store, index):
    store.put("a.png", picture("a cat"))
    look(indexer, "a.png")
    store.put("a.png", picture("a dog"))
    assert look(indexer, "a.png") == {"a.png": "indexed"}
    assert (index.embedding_of("a.png") == vector("a dog")).all()


def test_new_metadata_on_the_same_bytes_is_recorded_without_embedding(
    indexer, store, index, images
):
    store.put("a.png", picture("a"), {"label": "old"})
    look(indexer, "a.png")
    store.put("a.png", picture("a"), {"label": "new"})
    assert look(indexer, "a.png") == {"a.png": "updated"}
    assert index.document("a.png").metadata == {"label": "new"}
    assert len(images.read) == 1
    assert (index.embedding_of("a.png") == vector("a")).all()


def test_metadata_that_changed_within_one_second_is_recorded(indexer, store, index):
    store.put("a.png", picture("a"), {"label": "old"})
    look(indexer, "a.png")
    store.seconds -= 1
    store.put("a.png", picture("a"), {"label": "new"})
    assert look(indexer, "a.png") == {"a.png": "updated"}
    assert index.document("a.png").metadata == {"label": "new"}


def test_a_deleted_object_leaves_the_index(indexer, store, index):
    store.put("a.png", picture("a"))
    look(indexer, "a.png")
    store.delete("a.png")
    assert look(indexer, "a.png") == {"a.png": "deleted"}
    assert index.keys() == []


def test_an_object_that_comes_back_is_found_again(indexer, store, index):
    store.put("a.png", picture("a"))
    look(indexer, "a.png")
    store.delete("a.png")
    look(indexer, "a.png")
    store.put("a.png", picture("a"))
    assert look(indexer, "a.png") == {"a.png": "indexed"}
    assert index.keys() == ["a.png"]


@pytest.mark.parametrize("key", ["notes.txt", "archive", "folder/"])
def test_what_is_no_image_is_skipped(indexer, store, index, key):
    store.put(key, b"some words")
    assert look(indexer, key) == {key: "skipped"}
    assert index.entries == {}


def test_an_image_without_an_extension_is_indexed(indexer, store, index):
    store.put("photo", picture("a photo"))
    assert look(indexer, "photo") == {"photo": "indexed"}
    assert index.keys() == ["photo"]


def test_an_empty_object_without_an_extension_is_skipped_unread(indexer, store):
    store.put("folder/", b"")
    assert look(indexer, "folder/") == {"folder/": "skipped"}
    assert store.reads == []


def test_an_image_overwritten_by_something_else_is_forgotten(indexer, store, index):
    store.put("photo", picture("a photo"))
    look(indexer, "photo")
    store.put("photo", b"some words")
    assert look(indexer, "photo") == {"photo": "skipped"}
    assert index.keys() == []


def test_an_unreadable_image_is_listed_with_its_reason_and_not_found(indexer, store, index):
    store.put("a.png", picture("a cat"))
    look(indexer, "a.png")
    store.put("a.png", picture("broken"))
    assert look(indexer, "a.png") == {"a.png": "rejected"}
    document = index.document("a.png")
    assert (document.status, document.reason) == (Status.REJECTED, "cannot be decoded")
    assert index.embeddings([document.id]) == {}
    assert index.keys() == []


def test_a_rejected_image_is_not_read_again_by_the_same_decoder(indexer, store, images):
    store.put("a.png", picture("broken"))
    look(indexer, "a.png")
    assert look(indexer, "a.png") == {"a.png": "unchanged"}
    assert len(images.read) == 1


def test_a_newer_decoder_reads_a_rejected_image_again(store, index, indexer):
    store.put("a.png", picture("broken"))
    look(indexer, "a.png")
    newer = FakeImages(decoder="fake 2", unreadable="other bytes")
    assert look(Indexer(store, index, newer), "a.png") == {"a.png": "indexed"}
    assert index.document("a.png").decoder == "fake 2"


def test_a_newer_decoder_leaves_indexed_images_alone(store, index, indexer):
    store.put("a.png", picture("a"))
    look(indexer, "a.png")
    newer = FakeImages(decoder="fake 2")
    assert look(Indexer(store, index, newer), "a.png") == {"a.png": "unchanged"}
    assert newer.read == []
