"""Unreadable objects: recorded at once, and indexed as soon as they can be read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from imagesearch.domain.errors import UnreadableObject
from imagesearch.domain.images import Status
from imagesearch.indexing.consistency import check_consistency
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.planner import UNREAD
from tests.support.fakes import FakeDerived, FakeImages, FakeStore, picture, ref
from tests.support.outcomes import process

ARCHIVED = "archived in GLACIER: restore it first"
NO_KEY = "its KMS key cannot be used"


@dataclass
class ArchivingStore(FakeStore):
    """A bucket with unreadable objects; `head` reports `archived` ones."""

    archived: dict[str, str] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)

    def head(self, ref):
        state = super().head(ref)
        return state and replace(state, unreadable=self.archived.get(ref.key, ""))

    def read(self, ref, state, first=None):
        assert not self.archived.get(ref.key), "an archived object was asked for"
        if ref.key in self.denied:
            self.reads.append(ref.key)
            raise UnreadableObject(NO_KEY)
        return super().read(ref, state, first)


@pytest.fixture
def store() -> ArchivingStore:
    return ArchivingStore()


def test_an_archived_image_is_rejected_with_a_hint(indexer, store, index):
    store.put("a.png", picture("a"))
    store.archived["a.png"] = ARCHIVED
    assert process(indexer, "a.png") == {"a.png": "rejected"}
    document = index.document("a.png")
    assert (document.status, document.reason) == (Status.REJECTED, ARCHIVED)
    assert document.decoder == UNREAD
    assert check_consistency(store, index).is_consistent


def test_a_repeated_event_neither_reads_an_archived_object_nor_writes_again(indexer, store, index):
    store.put("a.png", picture("a"))
    store.archived["a.png"] = ARCHIVED
    process(indexer, "a.png")
    writes = index.writes
    [outcome] = indexer.process([ref("a.png")])
    assert (outcome.kind.value, outcome.reason) == ("unchanged", ARCHIVED)
    assert index.writes == writes


def test_a_restored_image_is_indexed_and_remains_after_the_restore_expires(indexer, store, index):
    store.put("a.png", picture("a"))
    store.archived["a.png"] = ARCHIVED
    process(indexer, "a.png")
    store.archived["a.png"] = "archived in GLACIER: its restore is in progress"
    assert process(indexer, "a.png") == {"a.png": "rejected"}
    store.archived.clear()
    assert process(indexer, "a.png") == {"a.png": "indexed"}
    store.archived["a.png"] = ARCHIVED
    assert process(indexer, "a.png") == {"a.png": "unchanged"}
    assert index.keys() == ["a.png"]


def test_an_indexed_image_archived_by_a_lifecycle_rule_remains_indexed(indexer, store, index):
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    store.archived["a.png"] = ARCHIVED
    assert process(indexer, "a.png") == {"a.png": "unchanged"}
    assert index.keys() == ["a.png"]


def test_an_archived_image_of_an_older_release_is_not_indexed_again(store, index):
    store.put("a.png", picture("a"))
    process(Indexer(store, index, FakeImages()), "a.png")
    store.archived["a.png"] = ARCHIVED
    with_thumbnails = Indexer(store, index, FakeImages(), derived=FakeDerived())
    assert process(with_thumbnails, "a.png") == {"a.png": "unchanged"}
    assert index.keys() == ["a.png"]


def test_an_indexed_image_that_cannot_be_reread_remains_indexed(store, index):
    """A newer release needs a thumbnail, but the KMS key was disabled."""
    for key in ("a.png", "a"):
        store.put(key, picture("a"))
    process(Indexer(store, index, FakeImages()), "a.png", "a")
    store.denied.update(("a.png", "a"))
    with_thumbnails = Indexer(store, index, FakeImages(), derived=FakeDerived())
    assert process(with_thumbnails, "a.png", "a") == {"a.png": "unchanged", "a": "unchanged"}
    assert index.keys() == ["a", "a.png"]


def test_metadata_of_an_archived_image_is_updated(indexer, store, index):
    store.put("a.png", picture("a"), {"label": "cat"})
    process(indexer, "a.png")
    store.put("a.png", picture("a"), {"label": "dog"})
    store.archived["a.png"] = ARCHIVED
    assert process(indexer, "a.png") == {"a.png": "updated"}
    assert index.document("a.png").metadata == {"label": "dog"}
    store.put("b.png", picture("b"), {"label": "cat"})
    store.archived["b.png"] = ARCHIVED
    process(indexer, "b.png")
    store.put("b.png", picture("b"), {"label": "dog"})
    assert process(indexer, "b.png") == {"b.png": "rejected"}
    assert index.document("b.png").metadata == {"label": "dog"}


def test_an_overwritten_and_archived_image_is_removed_from_searches(indexer, store, index):
    store.put("a.png", picture("old"))
    process(indexer, "a.png")
    store.put("a.png", picture("new"))
    store.archived["a.png"] = ARCHIVED
    assert process(indexer, "a.png") == {"a.png": "rejected"}
    assert index.keys() == []


def test_an_archived_object_without_an_image_name_is_skipped(indexer, store, index):
    store.put("backup.tar", picture("perhaps an image"))
    store.archived["backup.tar"] = ARCHIVED
    assert process(indexer, "backup.tar") == {"backup.tar": "skipped"}
    assert index.document("backup.tar") is None
    store.archived.clear()
    assert process(indexer, "backup.tar") == {"backup.tar": "indexed"}


def test_a_deleted_archived_object_is_removed(indexer, store, index):
    store.put("a.png", picture("a"))
    store.archived["a.png"] = ARCHIVED
    process(indexer, "a.png")
    store.delete("a.png")
    assert process(indexer, "a.png") == {"a.png": "deleted"}
    assert index.document("a.png") is None


def test_an_object_without_kms_access_affects_no_other(indexer, store, index):
    for key in ("a.png", "b.png", "c"):
        store.put(key, picture(key))
    store.denied.update(("b.png", "c"))
    assert process(indexer, "a.png", "b.png", "c") == {
        "a.png": "indexed",
        "b.png": "rejected",
        "c": "skipped",
    }
    assert index.document("b.png").reason == NO_KEY


def test_kms_access_is_retried_for_every_event(indexer, store, index):
    store.put("a.png", picture("a"))
    store.denied.add("a.png")
    process(indexer, "a.png")
    writes = index.writes
    assert process(indexer, "a.png") == {"a.png": "unchanged"}
    assert (store.reads, index.writes) == (["a.png", "a.png"], writes)
    store.denied.clear()
    assert process(indexer, "a.png") == {"a.png": "indexed"}


def test_an_object_restored_during_its_rejection_is_indexed(indexer, store, index):
    store.put("a.png", picture("a"))
    store.archived["a.png"] = ARCHIVED
    index.before_write.then(store.archived.clear)
    assert process(indexer, "a.png") == {"a.png": "indexed"}
