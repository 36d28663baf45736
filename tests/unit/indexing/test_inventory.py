"""Claims: the divided files of a report are the sorted listing of the bucket, in bounded memory."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesearch.domain.errors import UnusableReport
from imagesearch.indexing import inventory
from imagesearch.indexing.comparison import EVERY_KEY, KeyRange
from imagesearch.indexing.inventory import MAX_AGE, Inventory
from imagesearch.indexing.reconciliation import split
from tests.support.fakes import BUCKET, START, FakeDerived, FakeReport, FakeStore, picture

NOW = START + timedelta(days=1)


def inventory_of(report: FakeReport, derived: FakeDerived | None = None) -> Inventory:
    return Inventory(
        "s3://reports", lambda _: report, derived or FakeDerived(), BUCKET, lambda: NOW
    )


def filled(keys) -> FakeStore:
    store = FakeStore()
    for key in keys:
        store.put(key, picture(key))
    return store


@given(
    keys=st.sets(st.text("aé/🐈!", min_size=1, max_size=3)),
    sample=st.sets(st.text("aé/🐈!", min_size=1, max_size=2)),
    files=st.integers(1, 4),
    stops=st.lists(st.booleans()),
    repeats=st.lists(st.booleans()),
)
def test_ranges_are_the_listing_in_any_number_of_steps(keys, sample, files, stops, repeats):
    """A step may be repeated: its invocation may have failed after writing."""
    store = filled(keys)
    ranges = split(sorted(sample, key=str.encode), 3) if sample else [EVERY_KEY]
    divided = inventory_of(FakeReport(store, NOW, files))
    folder = divided.begin(ranges, len(keys))
    first, objects = 0, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inventory, "BYTES_PER_WRITE", 250)
        while first is not None:
            if repeats and repeats.pop():
                divided.divide(folder, first, objects, lambda: False)
            step = divided.divide(folder, first, objects, lambda: bool(stops) and stops.pop())
            first, objects = step.rest, objects + step.objects
    assert objects == len(keys)
    listings = [divided.listing(folder, number) for number in range(len(ranges))]
    listed = [each for listing in listings for each in listing.list_images()]
    assert listed == list(store.list_images())
    for keys_of_range, listing in zip(ranges, listings, strict=True):
        for ref, _ in listing.list_images():
            assert ref.key.encode() > keys_of_range.after.encode()
            assert not keys_of_range.ends_before(ref.key)
        after = list(listing.list_images("a"))
        assert after == [each for each in listing.list_images() if each[0].key.encode() > b"a"]


@pytest.fixture
def derived():
    return FakeDerived()


def test_an_old_report_is_refused():
    for created, is_old in ((NOW - MAX_AGE, False), (NOW - MAX_AGE - timedelta(seconds=1), True)):
        report = inventory_of(FakeReport(filled("ab"), created))
        if is_old:
            with pytest.raises(UnusableReport, match="is older than 2 days"):
                report.begin([EVERY_KEY], 2)
        else:
            report.begin([EVERY_KEY], 2)


def test_a_report_of_a_part_of_the_bucket_is_refused():
    """Each of the other images would be read to find that it is not gone."""
    for indexed in (4, 5):
        report = inventory_of(FakeReport(filled("ab"), NOW))
        folder = report.begin([EVERY_KEY], indexed)
        if indexed == 5:
            with pytest.raises(UnusableReport, match="has 2 of 5 indexed images"):
                report.divide(folder, 0, 0, lambda: False)
        else:
            report.divide(folder, 0, 0, lambda: False)
        assert (report.listing(folder, 0) is None) == (indexed == 5)


def test_a_range_is_listed_from_the_bucket_until_the_report_is_complete(derived):
    report = inventory_of(FakeReport(filled("ab"), NOW), derived)
    folder = report.begin([EVERY_KEY], 2)
    assert report.divide(folder, 0, 0, lambda: True).rest == 1
    assert report.listing(folder, 0) is None


def test_a_range_that_does_not_fit_into_memory_is_listed_from_the_bucket(derived, monkeypatch):
    monkeypatch.setattr(inventory, "MAX_SORTED_BYTES", 250)
    report = inventory_of(FakeReport(filled("abcdefg"), NOW), derived)
    folder = report.begin([KeyRange(until="c"), KeyRange("c")], 7)
    report.divide(folder, 0, 0, lambda: False)
    assert [ref.key for ref, _ in report.listing(folder, 0).list_images()] == ["a", "b", "c"]
    assert report.listing(folder, 1) is None


def test_at_most_a_fixed_size_of_objects_is_kept_until_it_is_written(derived, monkeypatch):
    monkeypatch.setattr(inventory, "BYTES_PER_WRITE", 2 * (inventory.BYTES_WITHOUT_KEY + 1))
    writes = []
    monkeypatch.setattr(derived, "put", lambda key, *_: writes.append(read[-1]))
    read: list[int] = [0]
    report = FakeReport(filled("abcdefg"), NOW, 1, while_read=lambda: read.append(read[-1] + 1))
    divided = inventory_of(report, derived)
    monkeypatch.setattr(divided, "_get", lambda _: {"report": "", "last_keys": [], "indexed": 0})
    divided.divide("inventories/1/", 0, 0, lambda: False)
    assert writes == [3, 5, 7, 7, 7]  # before the third is kept; the rest; and the mark of the end
