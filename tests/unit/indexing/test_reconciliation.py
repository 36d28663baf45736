"""Reconciliation sends exactly the keys on which bucket and index differ, in bounded parts."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesearch.domain.images import ImageRef
from imagesearch.indexing import reconciliation
from imagesearch.indexing.comparison import EVERY_KEY, KeyRange
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.reconciliation import UNNAMED_FOR, Reconciler, split
from tests.support.fake_index import FakeIndex
from tests.support.fakes import START, FakeImages, FakeStore, picture, ref

NOW = START + timedelta(days=1)
OTHER = "previous"


class Schedule:
    def __init__(self) -> None:
        self.refs: list[ImageRef] = []

    def schedule(self, refs, after):
        assert after == timedelta(0)
        self.refs += refs

    def drain(self) -> list[ImageRef]:
        refs, self.refs = self.refs, []
        return refs


@pytest.fixture
def queue():
    return Schedule()


@pytest.fixture
def reconciler(store, index, queue):
    return Reconciler(store, index, queue, lambda: NOW)


@pytest.fixture
def sent(reconciler, queue):
    """The keys that one reconciliation of everything sends."""

    def sent() -> list[str]:
        assert reconciler.reconcile(EVERY_KEY, lambda: False).rest is None
        return [each.key for each in queue.drain()]

    return sent


def test_missing_changed_and_gone_keys_are_sent(store, fill, reconciler, queue):
    fill(a="owl", b="cow", c="dog", d="broken")
    store.put("b.png", picture("hen"))
    store.put("aa.png", picture("new"))
    store.delete("c.png")
    result = reconciler.reconcile(EVERY_KEY, lambda: False)
    assert result.counts == {"compared": 5, "missing": 1, "changed": 1, "gone": 1}
    assert [each.key for each in queue.drain()] == ["aa.png", "b.png", "c.png"]


def test_a_rejected_image_is_known(fill, sent):
    fill(a="broken")
    assert sent() == []


def test_other_metadata_of_the_same_bytes_are_sent(store, fill, sent):
    fill(a="owl", b="cow")
    store.seconds += 2 * 24 * 60 * 60
    store.put("a.png", picture("owl"), {"label": "bird"})
    assert sent() == ["a.png"]


def test_an_object_without_image_extension_is_sent_for_some_days(store, index, queue):
    store.put("scan", picture("owl"))
    for age, keys in ((UNNAMED_FOR, ["scan"]), (UNNAMED_FOR + timedelta(seconds=1), [])):
        modified = store.objects["scan"][1].last_modified
        now = modified + age - timedelta(seconds=1)
        reconciler = Reconciler(store, index, queue, lambda now=now: now)
        reconciler.reconcile(EVERY_KEY, lambda: False)
        assert [each.key for each in queue.drain()] == keys


def test_the_records_of_a_previous_bucket_are_found_and_removed(images, index, queue):
    """The keys of both buckets are partly the same."""
    old, new = FakeStore(OTHER), FakeStore()
    for store, keys in ((old, "abc"), (new, "bcd")):
        for key in keys:
            store.put(f"{key}.png", picture(key))
    refs = [ImageRef(OTHER, f"{key}.png") for key in "abc"]
    Indexer(old, index, images).process(refs)
    Reconciler(new, index, queue, lambda: NOW).reconcile(EVERY_KEY, lambda: False)
    sent = queue.drain()
    assert {each for each in sent if each.bucket == OTHER} == set(refs)
    Indexer(new, index, images).process(sent)
    assert {each.ref for each in index.list_entries()} == {ref(f"{key}.png") for key in "bcd"}


@given(
    listed=st.sets(st.text("aé/🐈!", min_size=1, max_size=3)),
    indexed=st.sets(
        st.tuples(st.sampled_from(["pictures", OTHER]), st.text("aé/🐈!", min_size=1, max_size=3))
    ),
    stops=st.lists(st.booleans()),
)
def test_any_parts_together_send_each_difference_once(listed, indexed, stops):
    store, queue = FakeStore(), Schedule()
    for key in listed:
        store.put(f"{key}.png", picture(key))
    index = index_of(ImageRef(bucket, f"{key}.png") for bucket, key in indexed)
    reconciler = Reconciler(store, index, queue, lambda: NOW)
    rest: KeyRange | None = EVERY_KEY
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconciliation, "KEYS_PER_STOP_CHECK", 1)
        while rest:
            rest = reconciler.reconcile(rest, lambda: bool(stops) and stops.pop()).rest
    expected = {ImageRef("pictures", f"{key}.png") for key in listed} ^ {
        ImageRef(bucket, f"{key}.png") for bucket, key in indexed
    }
    assert sorted(queue.refs, key=str) == sorted(expected, key=str)


@given(st.sets(st.text(min_size=1)), st.integers(1, 50), st.lists(st.text(min_size=1)))
def test_ranges_cover_each_key_once(sample, parts, keys):
    ranges = split(sorted(sample, key=str.encode), parts)
    assert len(ranges) <= parts
    for key in keys:
        holding = [
            each
            for each in ranges
            if each.after.encode() < key.encode() and not each.ends_before(key)
        ]
        assert len(holding) == 1


def test_a_large_index_is_split_into_equal_ranges(store, index, queue, monkeypatch):
    monkeypatch.setattr(reconciliation, "KEYS_PER_RANGE", 500)
    monkeypatch.setattr(reconciliation, "MAX_SAMPLE", 100)
    index = index_of(ref(f"{number:04}.png") for number in range(2_000))
    ranges = Reconciler(store, index, queue).ranges()
    assert len(ranges) == 4
    keys = [each.ref.key for each in index.list_entries()]
    sizes = [sum(each.after < key and not each.ends_before(key) for key in keys) for each in ranges]
    assert sum(sizes) == 2_000
    assert max(sizes) < 1_000


OBJECTS = 20_000
CHANGE_EVERY = 150


class BusyStore(FakeStore):
    """A bucket that changes while it is listed."""

    def change(self) -> None:
        pass

    def list_images(self, after=""):
        for number, listed in enumerate(super().list_images(after)):
            if number % CHANGE_EVERY == 0:
                self.change()
            yield listed


def test_a_broken_index_of_20000_images_equals_the_bucket_after_the_queue_is_empty(images, queue):
    """Half of the events of uploads, overwrites and deletions during the first run are lost."""
    draw = random.Random(7)
    store = BusyStore()
    for number in range(OBJECTS):
        key = f"{number % 97}/{number:05}"
        store.put(f"{key}.png", picture(key))
    index = index_of(ref(key) for key in store.objects)
    index.by_sha256 = lambda hashes, decoder: {}  # a linear search in this index
    indexer = Indexer(store, index, images, clock=lambda: NOW)
    keys = sorted(store.objects)

    def change() -> None:
        key = draw.choice([draw.choice(keys), f"new/{draw.random()}.png"])
        if draw.random() < 0.4:
            store.delete(key)
        else:
            store.put(key, picture(f"changed {draw.random()}"))
        if draw.random() < 0.5:
            indexer.process([ref(key)])

    broken = draw.sample(keys, 600)
    for key in broken[:200]:
        del index.entries[ref(key).id]
    for key in broken[200:400]:
        store.put(key, picture(f"overwritten {key}"))
    for key in broken[400:]:
        store.delete(key)
    index.entries |= index_of(ImageRef(OTHER, key) for key in keys[:200]).entries

    reconciler = Reconciler(store, index, queue, lambda: NOW)
    store.change = change
    assert reconciler.reconcile(EVERY_KEY, lambda: False).counts["compared"] >= OBJECTS
    assert {ref(key) for key in broken[200:400] if key in store.objects} <= set(queue.refs)
    store.change = lambda: None
    indexer.process(queue.drain())
    reconciler.reconcile(EVERY_KEY, lambda: False)
    assert 0 < len(queue.refs) < OBJECTS // CHANGE_EVERY  # the changes that the first run passed
    indexer.process(queue.drain())

    bucket = {ref(key): state.etag for key, (_, state) in store.objects.items()}
    assert {each.ref: each.etag for each in index.list_entries()} == bucket
    reconciler.reconcile(EVERY_KEY, lambda: False)
    assert queue.refs == []


def index_of(refs) -> FakeIndex:
    """An index with one record a reference."""
    store, index = FakeStore(), FakeIndex()
    store.put("template.png", picture("owl"))
    Indexer(store, index, FakeImages()).process([ref("template.png")])
    [(document, embedding, version)] = index.entries.values()
    etags = {each: FakeStore().put(each.key, picture(each.key[:-4])).etag for each in refs}
    index.entries = {
        each.id: (replace(document, ref=each, etag=etag, indexed_at=NOW), embedding, version)
        for each, etag in etags.items()
    }
    return index
