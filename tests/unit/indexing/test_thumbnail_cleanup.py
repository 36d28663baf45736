"""Thumbnails that no record names are deleted once they are old, in bounded parts."""

from datetime import timedelta

from imagesearch.indexing import thumbnail_cleanup
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.thumbnail_cleanup import MINIMUM_AGE, ThumbnailCleanup
from tests.support.fake_index import FakeIndex
from tests.support.fakes import START, FakeDerived, picture, ref

OLD = START + MINIMUM_AGE + timedelta(seconds=1)


def test_old_thumbnails_that_no_index_names_are_deleted(store, index, images, monkeypatch):
    monkeypatch.setattr(thumbnail_cleanup, "KEYS_PER_LOOKUP", 2)
    derived, other = FakeDerived(), FakeIndex()
    for key in "abcde":
        store.put(f"{key}.png", picture(f"large {key}"))
    Indexer(store, index, images, derived=derived).process([ref(f"{key}.png") for key in "abc"])
    Indexer(store, other, images, derived=derived).process([ref(f"{key}.png") for key in "cde"])
    named = set(derived.files)
    unnamed = [f"thumbnails/{ref('a.png').id}/0.webp", f"thumbnails/{'x' * 24}/1.webp"]
    for key in (*unnamed, "feedback/1.json", "uploads/x"):
        derived.put(key, b"", "image/webp")

    young = ThumbnailCleanup(derived, lambda: [index, other], lambda: START + MINIMUM_AGE)
    assert young.clean_up("", lambda: False).deleted == 0
    old = ThumbnailCleanup(derived, lambda: [index, other], lambda: OLD)
    result, deleted = old.clean_up("", lambda: True), 0
    while result.rest:
        deleted += result.deleted
        result = old.clean_up(result.rest, lambda: True)
    assert deleted + result.deleted == len(unnamed)
    assert set(derived.files) == named | {"feedback/1.json", "uploads/x"}
