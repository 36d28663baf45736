"""Indexer: the index ends equal to the bucket, despite faults and concurrent changes."""

from functools import partial

import pytest

from imagesearch.domain.images import DetailOptions, Status
from imagesearch.domain.ports import WriteStatus
from imagesearch.indexing.indexer import KEYS_PER_BATCH, MAX_ROUNDS, Indexer, Limits
from imagesearch.indexing.planner import ExistingObject, Observed, OutcomeKind, Planner
from tests.support.fakes import START, FakeImages, picture, ref, vector
from tests.support.outcomes import process


def test_a_new_image_is_recorded_with_the_details_of_its_file(indexer, store, index):
    state = store.put("cats/tom.png", picture("a cat"), {"camera": "X100"})
    assert process(indexer, "cats/tom.png") == {"cats/tom.png": "indexed"}
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


def test_coordinates_are_recorded_only_if_enabled(store, index, images):
    store.put("a.png", picture("a"))
    process(Indexer(store, index, images), "a.png")
    assert (index.document("a.png").latitude, index.document("a.png").longitude) == (None, None)
    store.put("b.png", picture("b"))
    process(Indexer(store, index, images, gps=True), "b.png")
    assert (index.document("b.png").latitude, index.document("b.png").longitude) == (48.5, -2.25)


def test_a_repeated_event_reads_and_writes_nothing(indexer, store, index):
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    writes, reads = index.writes, list(store.reads)
    assert process(indexer, "a.png") == {"a.png": "unchanged"}
    assert (index.writes, store.reads) == (writes, reads)


def test_a_repeated_key_is_processed_once(indexer, store, images):
    store.put("a.png", picture("a"))
    assert len(indexer.process([ref("a.png"), ref("a.png")])) == 1
    assert len(images.read) == 1


def test_an_overwritten_image_is_embedded_again(indexer, store, index):
    store.put("a.png", picture("a cat"))
    process(indexer, "a.png")
    store.put("a.png", picture("a dog"))
    assert process(indexer, "a.png") == {"a.png": "indexed"}
    assert (index.embedding_of("a.png") == vector("a dog")).all()


def test_new_metadata_on_the_same_bytes_is_recorded_without_embedding(
    indexer, store, index, images
):
    store.put("a.png", picture("a"), {"label": "old"})
    process(indexer, "a.png")
    store.put("a.png", picture("a"), {"label": "new"})
    assert process(indexer, "a.png") == {"a.png": "updated"}
    assert index.document("a.png").metadata == {"label": "new"}
    assert len(images.read) == 1
    assert (index.embedding_of("a.png") == vector("a")).all()


def test_metadata_that_changed_within_one_second_is_recorded(indexer, store, index):
    store.put("a.png", picture("a"), {"label": "old"})
    process(indexer, "a.png")
    store.seconds -= 1
    store.put("a.png", picture("a"), {"label": "new"})
    assert process(indexer, "a.png") == {"a.png": "updated"}
    assert index.document("a.png").metadata == {"label": "new"}


def test_a_deleted_object_is_removed_from_the_index(indexer, store, index):
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    store.delete("a.png")
    assert process(indexer, "a.png") == {"a.png": "deleted"}
    assert index.keys() == []


def test_a_restored_object_is_found_again(indexer, store, index):
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    store.delete("a.png")
    process(indexer, "a.png")
    store.put("a.png", picture("a"))
    assert process(indexer, "a.png") == {"a.png": "indexed"}
    assert index.keys() == ["a.png"]


@pytest.mark.parametrize("key", ["notes.txt", "archive", "folder/"])
def test_an_object_that_is_not_an_image_is_skipped(indexer, store, index, key):
    store.put(key, b"some words")
    assert process(indexer, key) == {key: "skipped"}
    assert index.entries == {}


def test_an_image_without_an_extension_is_indexed(indexer, store, index):
    store.put("photo", picture("a photo"))
    assert process(indexer, "photo") == {"photo": "indexed"}
    assert index.keys() == ["photo"]


def test_an_empty_object_without_an_extension_is_skipped_without_a_read(indexer, store):
    store.put("folder/", b"")
    assert process(indexer, "folder/") == {"folder/": "skipped"}
    assert store.reads == []


def test_an_image_overwritten_by_another_content_type_is_removed(indexer, store, index):
    store.put("photo", picture("a photo"))
    process(indexer, "photo")
    store.put("photo", b"some words")
    assert process(indexer, "photo") == {"photo": "skipped"}
    assert index.keys() == []


def test_an_unreadable_image_is_listed_with_its_reason_and_not_found(indexer, store, index):
    store.put("a.png", picture("a cat"))
    process(indexer, "a.png")
    store.put("a.png", picture("broken"))
    assert process(indexer, "a.png") == {"a.png": "rejected"}
    document = index.document("a.png")
    assert (document.status, document.reason) == (Status.REJECTED, "cannot be decoded")
    assert index.embeddings([document.id]) == {}
    assert index.keys() == []


def test_a_rejected_image_is_not_read_again_by_the_same_decoder(indexer, store, images):
    store.put("a.png", picture("broken"))
    process(indexer, "a.png")
    assert process(indexer, "a.png") == {"a.png": "unchanged"}
    assert len(images.read) == 1


def test_a_newer_decoder_reads_a_rejected_image_again(store, index, indexer):
    store.put("a.png", picture("broken"))
    process(indexer, "a.png")
    newer = FakeImages(decoder="fake 2", unreadable="other bytes")
    assert process(Indexer(store, index, newer), "a.png") == {"a.png": "indexed"}
    assert index.document("a.png").decoder == "fake 2"


def test_a_newer_decoder_does_not_reread_indexed_images(store, index, indexer):
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    newer = FakeImages(decoder="fake 2")
    assert process(Indexer(store, index, newer), "a.png") == {"a.png": "unchanged"}
    assert newer.read == []


def test_a_file_over_the_limit_is_rejected_without_a_read(store, index, images):
    store.put("big.png", picture("x" * 200))
    small = Indexer(store, index, images, Limits(file_bytes=100))
    assert process(small, "big.png") == {"big.png": "rejected"}
    assert "208 bytes, over the limit of 100" in index.document("big.png").reason
    assert store.reads == []


def test_a_store_fault_for_one_key_affects_no_other(indexer, store, index):
    for key in ("a.png", "b.png", "c.png"):
        store.put(key, picture(key))
    store.unavailable.add("b.png")
    assert process(indexer, "a.png", "b.png", "c.png") == {
        "a.png": "indexed",
        "b.png": "failed",
        "c.png": "indexed",
    }
    assert index.keys() == ["a.png", "c.png"]


def test_a_store_failure_between_head_and_read_fails_only_that_key(indexer, store, index):
    store.put("a.png", picture("a"))
    store.before_read.then(lambda: store.unavailable.add("a.png"))
    assert process(indexer, "a.png") == {"a.png": "failed"}
    assert index.keys() == []


def test_a_failed_write_fails_only_its_key(indexer, store, index):
    store.put("a.png", picture("a"))
    store.put("b.png", picture("b"))
    index.failing.add("b.png")
    assert process(indexer, "a.png", "b.png") == {"a.png": "indexed", "b.png": "failed"}


def test_an_unavailable_index_fails_every_key_and_loses_none(indexer, store, index):
    store.put("a.png", picture("a"))
    index.unavailable = True
    assert process(indexer, "a.png", "gone.png") == {"a.png": "failed", "gone.png": "failed"}


def test_an_index_failure_before_the_write_fails_the_keys_of_that_write(indexer, store, index):
    store.put("a.png", picture("a"))
    index.before_write.then(lambda: setattr(index, "unavailable", True))
    assert process(indexer, "a.png") == {"a.png": "failed"}


def test_a_decoder_that_cannot_start_fails_images_but_not_deletions(indexer, store, images):
    store.put("a.png", picture("a"))
    images.unavailable = True
    assert process(indexer, "a.png", "gone.png") == {"a.png": "failed", "gone.png": "deleted"}


def test_batches_are_bounded_in_number(store, index, images):
    for n in range(10):
        store.put(f"{n}.png", picture(f"{n}"))
    indexer = Indexer(store, index, images, Limits(batch_images=4))
    indexer.process([ref(f"{n}.png") for n in range(10)])
    assert [len(batch) for batch in images.batches] == [4, 4, 2]


def test_batches_are_bounded_in_bytes(store, index, images):
    for n in range(6):
        store.put(f"{n}.png", picture(f"{n}" * 92))
    indexer = Indexer(store, index, images, Limits(batch_bytes=250))
    indexer.process([ref(f"{n}.png") for n in range(6)])
    assert [len(batch) for batch in images.batches] == [2, 2, 2]


def test_a_file_over_the_byte_limit_of_a_batch_is_its_own_batch(store, index, images):
    store.put("a.png", picture("x" * 300))
    indexer = Indexer(store, index, images, Limits(batch_bytes=100))
    assert process(indexer, "a.png") == {"a.png": "indexed"}


def test_keys_beyond_one_chunk_are_all_processed(indexer, store, index):
    keys = [f"{n:04}.png" for n in range(KEYS_PER_BATCH + 3)]
    for key in keys:
        store.put(key, picture(key))
    assert set(process(indexer, *keys).values()) == {"indexed"}
    assert index.keys() == keys


def test_no_keys_cause_no_work(indexer, index):
    assert indexer.process([]) == []
    assert index.writes == 0


def test_a_write_sent_before_a_deletion_conflicts_with_its_tombstone(indexer, store, index):
    state = store.put("a.png", picture("a"))
    [image] = FakeImages().encode_images([picture("a")], DetailOptions())
    found = ExistingObject(Observed(ref("a.png"), state, None), state)
    sent = Planner(FakeImages(), lambda: START).record(found, 64 * "a", image)
    store.delete("a.png")
    assert process(indexer, "a.png") == {"a.png": "deleted"}
    assert [result.status for result in index.write([sent.write])] == [WriteStatus.CONFLICT]
    assert index.keys() == []


def test_a_conflict_is_retried_with_the_current_state(indexer, store, index, images):
    """Another worker writes the older image between the head request and the write."""
    store.put("a.png", picture("old"))
    other = Indexer(store, index, FakeImages())

    def concurrent_change() -> None:
        other.process([ref("a.png")])
        store.put("a.png", picture("new"))

    index.before_write.then(concurrent_change)
    assert process(indexer, "a.png") == {"a.png": "indexed"}
    assert (index.embedding_of("a.png") == vector("new")).all()


def test_an_object_changed_during_the_read_is_read_again(indexer, store, index):
    store.put("a.png", picture("old"))
    store.before_read.then(lambda: store.put("a.png", picture("new")))
    assert process(indexer, "a.png") == {"a.png": "indexed"}
    assert (index.embedding_of("a.png") == vector("new")).all()


def test_an_object_deleted_during_the_read_leaves_no_record(indexer, store, index):
    store.put("a.png", picture("a"))
    store.before_read.then(lambda: store.delete("a.png"))
    assert process(indexer, "a.png") == {"a.png": "deleted"}
    assert index.keys() == []


def test_an_object_deleted_during_the_write_is_removed(indexer, store, index):
    store.put("a.png", picture("a"))
    index.before_write.then(lambda: store.delete("a.png"))
    assert process(indexer, "a.png") == {"a.png": "deleted"}
    assert index.keys() == []


def test_an_object_created_during_its_deletion_is_indexed(indexer, store, index):
    index.before_write.then(lambda: store.put("a.png", picture("a")))
    assert process(indexer, "a.png") == {"a.png": "indexed"}
    assert index.keys() == ["a.png"]


def test_a_constantly_changing_object_fails_after_a_few_attempts(indexer, store):
    store.put("a.png", picture("0"))
    changes = [
        partial(store.put, "a.png", picture(str(number))) for number in range(1, 2 * MAX_ROUNDS)
    ]
    store.before_read.then(*changes)
    [outcome] = indexer.process([ref("a.png")])
    assert outcome.kind is OutcomeKind.FAILED
    assert "kept changing" in outcome.reason
