"""Reconciliation sends exactly the keys on which bucket and index differ, in bounded parts."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import ImageRef
from imagesearch.indexing import reconciliation
from imagesearch.indexing.comparison import EVERY_KEY, Difference, KeyRange
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.inventory import MAX_AGE, Inventory, SortedListing
from imagesearch.indexing.reconciliation import UNNAMED_FOR, Reconciler, split
from tests.support.fake_index import FakeIndex
from tests.support.fakes import (
    BUCKET,
    START,
    FakeDerived,
    FakeImages,
    FakeReport,
    FakeStore,
    picture,
    ref,
)

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


@pytest.fixture
def reported(store, index, queue):
    """Reconciles with a report; returns the numbers of differences, and the keys that are sent."""

    def reported(listing: SortedListing):
        reconciler = Reconciler(store, index, queue, lambda: NOW)
        counts = reconciler.reconcile(EVERY_KEY, lambda: False, listing).counts
        sent = [each.key for each in queue.drain()]
        return {each.value: counts[each] for each in Difference if counts[each]}, sent

    return reported


def listing_of(store, created=NOW) -> SortedListing:
    inventory = Inventory(
        "s3://reports", lambda _: FakeReport(store, created), FakeDerived(), BUCKET, lambda: NOW
    )
    folder = inventory.begin([EVERY_KEY], 0)
    inventory.divide(folder, 0, 0, lambda: False)
    return inventory.listing(folder, 0)


def test_what_the_events_changed_since_a_report_is_not_a_difference(store, indexer, fill, reported):
    fill(a="owl", b="cow", c="dog")
    listing = listing_of(store)
    fill(b="hen", new="owl")
    store.delete("a.png")
    indexer.process([ref("a.png")])
    assert [each.key for each, _ in listing.list_images()] == ["a.png", "b.png", "c.png"]
    assert reported(listing) == ({}, [])


def test_a_report_finds_the_differences_that_exist_now(store, index, fill, reported):
    fill(a="owl", b="cow", c="dog", d="hen")
    store.put("new.png", picture("new"))
    store.put("b.png", picture("hen"))
    store.delete("c.png")
    listing = listing_of(store)
    store.put("mended.png", picture("new"))
    store.delete("d.png")
    del index.entries[ref("d.png").id]  # both as their events do
    counts = {"missing": 1, "changed": 1, "gone": 1}
    assert reported(listing) == (counts, ["b.png", "c.png", "new.png"])


def test_a_record_that_is_newer_than_the_report_costs_no_request(store, index, fill, reported):
    listing = listing_of(store, NOW - timedelta(hours=2))
    fill(a="owl")
    [(document, embedding, version)] = index.entries.values()
    indexed = replace(document, indexed_at=NOW - timedelta(hours=1))
    index.entries[document.id] = indexed, embedding, version
    store.unavailable.add("a.png")
    assert reported(listing) == ({}, [])
    with pytest.raises(Unavailable):
        reported(listing_of(FakeStore(), NOW))


def test_records_of_a_previous_bucket_are_found_with_a_report(images, store, index, reported):
    old = FakeStore(OTHER)
    old.put("a.png", picture("owl"))
    Indexer(old, index, images).process([ImageRef(OTHER, "a.png")])
    assert reported(listing_of(store)) == ({"gone": 1}, ["a.png"])


def test_an_object_without_image_extension_is_sent_for_some_days_before_the_report(store, reported):
    """A report is used until it is MAX_AGE old, and the next one is a day younger at most."""
    assert MAX_AGE + timedelta(days=1) <= UNNAMED_FOR
    store.put("scan", picture("owl"))
    modified = store.objects["scan"][1].last_modified
    assert reported(listing_of(store, modified + UNNAMED_FOR - timedelta(seconds=1)))[1] == ["scan"]
    assert reported(listing_of(store, modified + UNNAMED_FOR))[1] == []


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


def list_bucket(reconciler: Reconciler, store: BusyStore, ranges: list[KeyRange]):
    return [None for _ in ranges]


def read_report(reconciler: Reconciler, store: BusyStore, ranges: list[KeyRange]):
    """The bucket changes while the report is divided."""
    read = iter(range(2**32))
    report = FakeReport(
        store, NOW, 7, while_read=lambda: next(read) % CHANGE_EVERY or store.change()
    )
    inventory = Inventory("s3://reports", lambda _: report, FakeDerived(), BUCKET, lambda: NOW)
    folder = inventory.begin(ranges, reconciler.images())
    first, objects = 0, 0
    while first is not None:
        divided = inventory.divide(folder, first, objects, lambda: True)
        first, objects = divided.rest, objects + divided.objects
    return [inventory.listing(folder, number) for number in range(len(ranges))]


@pytest.mark.parametrize("listings", [list_bucket, read_report])
def test_a_broken_index_of_20000_images_equals_the_bucket_after_the_queue_is_empty(
    images, queue, listings, monkeypatch
):
    """Half of the events of uploads, overwrites and deletions during the first run are lost."""
    monkeypatch.setattr(reconciliation, "KEYS_PER_RANGE", 6_000)
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

    def reconcile() -> int:
        ranges = reconciler.ranges()
        reported = listings(reconciler, store, ranges)
        assert len(ranges) > 1
        return sum(
            reconciler.reconcile(keys, lambda: False, listing).counts["compared"]
            for keys, listing in zip(ranges, reported, strict=True)
        )

    store.change = change
    assert reconcile() >= OBJECTS
    assert {ref(key) for key in broken[200:400] if key in store.objects} <= set(queue.refs)
    store.change = lambda: None
    indexer.process(queue.drain())
    reconcile()
    assert 0 < len(queue.refs) < OBJECTS // CHANGE_EVERY  # the changes that the first run passed
    indexer.process(queue.drain())

    bucket = {ref(key): state.etag for key, (_, state) in store.objects.items()}
    assert {each.ref: each.etag for each in index.list_entries()} == bucket
    reconcile()
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
