"""Reuse of records: known content is neither decoded nor embedded again."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import Document
from imagesearch.domain.ports import Touch
from imagesearch.indexing import content_reuse
from imagesearch.indexing.content_reuse import ContentSource
from imagesearch.indexing.indexer import Indexer, Limits
from tests.support.fake_index import FakeIndex
from tests.support.fakes import START, FakeDerived, FakeImages, FakeStore, picture, ref, vector
from tests.support.outcomes import process

LATER = START + timedelta(days=1)


@pytest.fixture
def derived() -> FakeDerived:
    return FakeDerived()


@pytest.fixture
def new_indexer(store, index, images, derived):
    """Creates an indexer; keyword arguments replace its parts."""

    def make(**parts) -> Indexer:
        given = {"clock": lambda: LATER, "derived": derived, **parts}
        return Indexer(given.pop("store", store), index, given.pop("images", images), **given)

    return make


@pytest.fixture
def indexer(new_indexer) -> Indexer:
    return new_indexer()


def rename(store: FakeStore, old: str, new: str) -> None:
    data, state = store.objects[old]
    store.delete(old)
    store.put(new, data, state.metadata)


def documents(index: FakeIndex) -> list[Document]:
    return [document for document, _, _ in index.entries.values() if document]


def thumbnails(index: FakeIndex) -> list[str]:
    return sorted(document.thumbnail for document in documents(index) if document.thumbnail)


def test_a_renamed_image_keeps_the_results_of_its_bytes(indexer, store, index, images, derived):
    store.put("old.png", picture("a cat by X100"))
    process(indexer, "old.png")
    before = index.document("old.png")
    rename(store, "old.png", "new/name.png")
    assert process(indexer, "old.png", "new/name.png") == {
        "old.png": "deleted",
        "new/name.png": "indexed",
    }
    assert images.read == [picture("a cat by X100")]
    after = index.document("new/name.png")
    own = {"ref", "etag", "last_modified", "thumbnail"}
    assert after == replace(before, **{name: getattr(after, name) for name in own})
    assert (index.embedding_of("new/name.png") == vector("a cat by X100")).all()
    assert after.ref == ref("new/name.png")
    assert derived.files == {after.thumbnail: (b"small a cat by X100", "image/jpeg")}


def test_a_copy_has_the_metadata_of_its_own_object(indexer, store, index):
    store.put("a.png", picture("a by X100"), {"label": "first"})
    process(indexer, "a.png")
    store.put("b.png", picture("a by X100"), {"note": "second"})
    process(indexer, "b.png")
    assert index.document("b.png").metadata == {"camera": "X100", "note": "second"}
    assert index.document("a.png").metadata == {"camera": "X100", "label": "first"}


def test_a_copy_is_linked_separately(indexer, store, index):
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    entry = index.get([ref("a.png").id])[ref("a.png").id]
    index.write([Touch(replace(entry.document, neighbors=()), entry.version)])
    store.put("b.png", picture("a"))
    [outcome] = indexer.process([ref("b.png")])
    assert index.document("b.png").neighbors is None
    assert outcome.unlinked
    assert outcome.reused


def test_swapped_names_cause_no_embedding(indexer, store, index, images):
    store.put("a.png", picture("a"))
    store.put("b.png", picture("b"))
    process(indexer, "a.png", "b.png")
    store.put("a.png", picture("b"))
    store.put("b.png", picture("a"))
    assert process(indexer, "a.png", "b.png") == {"a.png": "indexed", "b.png": "indexed"}
    assert len(images.read) == 2
    assert (index.embedding_of("a.png") == vector("b")).all()
    assert (index.embedding_of("b.png") == vector("a")).all()


@pytest.mark.parametrize("shift", [1, 3, 7])
def test_shifted_names_cause_no_embedding_for_any_batch_size(
    new_indexer, store, index, images, derived, shift
):
    """A record is overwritten before its content is found under a later name."""
    indexer = new_indexer(limits=Limits(batch_images=4))
    keys = [f"{number:02}.png" for number in range(20)]
    for number, key in enumerate(keys):
        store.put(key, picture(f"{number}"))
    process(indexer, *keys)
    for number, key in enumerate(keys):
        store.put(key, picture(f"{(number - shift) % 20}"))
    assert set(process(indexer, *keys).values()) == {"indexed"}
    assert len(images.read) == 20
    assert all(
        (index.embedding_of(keys[n]) == vector(f"{(n - shift) % 20}")).all() for n in range(20)
    )
    assert sorted(derived.files) == thumbnails(index)


def test_a_rename_causes_no_embedding_if_the_deletion_is_processed_first(
    indexer, store, index, images, derived
):
    """Events are unordered, so the old name of a renamed image can already be deleted."""
    store.put("old.png", picture("a"))
    process(indexer, "old.png")
    rename(store, "old.png", "new.png")
    assert process(indexer, "old.png") == {"old.png": "deleted"}
    assert process(indexer, "new.png") == {"new.png": "indexed"}
    assert images.read == [picture("a")]
    assert (index.embedding_of("new.png") == vector("a")).all()
    assert sorted(derived.files) == thumbnails(index)


def test_the_number_of_remembered_contents_is_bounded(new_indexer, store, images, monkeypatch):
    monkeypatch.setattr(content_reuse, "MAX_CACHED", 2)
    indexer = new_indexer(limits=Limits(batch_images=1))
    keys = ["a.png", "b.png", "c.png", "d.png"]
    for key in keys:
        store.put(key, picture(key))
    process(indexer, *keys)
    for key, words in zip(keys, ("new", "new", "new", "a.png"), strict=True):
        store.put(key, picture(words))
    process(indexer, *keys)
    assert images.read[4:] == [picture("new"), picture("a.png")]


def test_copies_in_one_batch_are_decoded_once(indexer, store, images):
    for key in ("a.png", "b.png", "c.png"):
        store.put(key, picture("same"))
    store.put("d.png", picture("other"))
    outcomes = indexer.process([ref(key) for key in ("a.png", "b.png", "c.png", "d.png")])
    assert [(outcome.ref.key, outcome.reused) for outcome in outcomes] == [
        ("a.png", False),
        ("b.png", True),
        ("c.png", True),
        ("d.png", False),
    ]
    assert images.read == [picture("same"), picture("other")]


def test_copies_of_an_unreadable_file_are_decoded_once_and_all_rejected(indexer, store, images):
    store.put("a.png", picture("broken"))
    store.put("b.png", picture("broken"))
    assert process(indexer, "a.png", "b.png") == {"a.png": "rejected", "b.png": "rejected"}
    assert images.read == [picture("broken")]


def test_another_state_of_the_same_bytes_touches_the_record(indexer, store, index, images, derived):
    """The ETag of a multipart upload differs, and the state of a file includes its inode time."""
    state = store.put("a.png", picture("a"), {"label": "cat"})
    process(indexer, "a.png")
    before, files = index.document("a.png"), dict(derived.files)
    store.objects["a.png"] = picture("a"), replace(state, etag="other", metadata={"label": "dog"})
    assert process(indexer, "a.png") == {"a.png": "updated"}
    assert index.document("a.png") == replace(before, etag="other", metadata={"label": "dog"})
    assert images.read == [picture("a")]
    assert derived.files == files
    assert process(indexer, "a.png") == {"a.png": "unchanged"}


def test_a_newer_decoder_reads_copies_of_files_of_an_older_one(indexer, new_indexer, store):
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    store.put("b.png", picture("a"))
    newer = FakeImages(decoder="fake 2")
    process(new_indexer(images=newer), "b.png")
    assert newer.read == [picture("a")]


def test_a_record_of_an_older_release_is_not_a_source(indexer, store, index, images):
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    entry = index.get([ref("a.png").id])[ref("a.png").id]
    index.write([Touch(replace(entry.document, miniature=None), entry.version)])
    store.put("b.png", picture("a"))
    process(indexer, "b.png")
    assert len(images.read) == 2
    assert index.document("b.png").miniature is not None


@pytest.mark.parametrize(
    ("before", "after", "reads", "latitude"),
    [
        (True, True, 1, 48.5),
        (False, False, 1, None),
        (True, False, 1, None),
        (False, True, 2, 48.5),
    ],
)
def test_coordinates_are_reused_if_enabled(
    new_indexer, store, index, images, before, after, reads, latitude
):
    store.put("a.png", picture("a"))
    process(new_indexer(gps=before), "a.png")
    store.put("b.png", picture("a"))
    process(new_indexer(gps=after), "b.png")
    assert len(images.read) == reads
    assert index.document("b.png").latitude == latitude


def test_a_missing_thumbnail_is_created_from_the_file(indexer, store, index, images, derived):
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    derived.files.clear()
    store.put("b.png", picture("a"))
    assert process(indexer, "b.png") == {"b.png": "indexed"}
    assert len(images.read) == 2
    assert sorted(derived.files) == [index.document("b.png").thumbnail]


def test_a_thumbnail_without_read_permission_is_created_from_the_file(
    indexer, store, index, images, derived
):
    """S3 denies access to missing objects if the role has no permission to list the bucket."""

    def deny(_):
        raise Unavailable("AccessDenied")

    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    store.put("b.png", picture("a"))
    derived.get = deny
    assert process(indexer, "b.png") == {"b.png": "indexed"}
    assert len(images.read) == 2
    assert sorted(derived.files) == thumbnails(index)


def test_a_copy_has_no_thumbnail_if_thumbnails_are_disabled(
    indexer, new_indexer, store, index, images
):
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    store.put("b.png", picture("a"))
    process(new_indexer(derived=None), "b.png")
    assert len(images.read) == 1
    assert index.document("b.png").thumbnail is None


def test_copies_remain_valid_after_deletion_of_the_first_image(
    indexer, store, index, images, derived
):
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    for old, new in (("a.png", "b.png"), ("b.png", "c.png"), ("c.png", "a.png")):
        rename(store, old, new)
        process(indexer, old, new)
    assert index.keys() == ["a.png"]
    assert images.read == [picture("a")]
    assert sorted(derived.files) == thumbnails(index)


def test_a_failed_lookup_embeds_the_file(indexer, store, index, images):
    def unavailable(*_):
        raise Unavailable("no searches now")

    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    store.put("b.png", picture("a"))
    index.by_sha256 = unavailable
    assert process(indexer, "b.png") == {"b.png": "indexed"}
    assert len(images.read) == 2


def test_another_library_of_the_same_model_is_a_source(new_indexer, store, index, images):
    moved, thumbs, other = FakeStore(), FakeDerived(), FakeIndex()
    moved.put("1.png", picture("one"))
    moved.put("2.png", picture("two"))
    first = FakeImages()
    process(Indexer(moved, other, first, derived=thumbs), "1.png", "2.png")
    store.put("x/1.png", picture("one"))
    store.put("x/2.png", picture("two"))
    store.put("x/3.png", picture("three"))
    indexer = new_indexer(sources=[ContentSource(other, thumbs)])
    assert set(process(indexer, "x/1.png", "x/2.png", "x/3.png").values()) == {"indexed"}
    assert images.read == [picture("three")]
    assert index.keys() == ["x/1.png", "x/2.png", "x/3.png"]
    assert len(thumbnails(index)) == 3


NAMES = st.sampled_from([f"{letter}.png" for letter in "abcdef"])
CONTENTS = st.sampled_from(["cat", "dog", "owl", "broken"])
CHANGES = st.lists(st.tuples(NAMES, st.none() | CONTENTS), max_size=8)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(CHANGES, max_size=6), st.integers(1, 4))
def test_any_sequence_of_moves_keeps_the_index_consistent(rounds, max_batch_size):
    """Content that is already indexed is not embedded again."""
    store, index, images, derived = FakeStore(), FakeIndex(), FakeImages(), FakeDerived()
    indexer = Indexer(store, index, images, Limits(batch_images=max_batch_size), derived=derived)
    for changes in rounds:
        for key, words in changes:
            if words:
                store.put(key, picture(words))
            else:
                store.delete(key)
        known = {document.sha256 for document in documents(index)}
        images.batches.clear()
        process(indexer, *{key for key, _ in changes})
        assert known.isdisjoint(hashlib.sha256(data).hexdigest() for data in images.read)
        contents = {key: data for key, (data, _) in store.objects.items()}
        readable = {key for key, data in contents.items() if data != picture("broken")}
        assert index.keys() == sorted(readable)
        for key in readable:
            words = contents[key].removeprefix(picture("")).decode()
            assert (index.embedding_of(key) == vector(words)).all()
        assert sorted(derived.files) == thumbnails(index)
