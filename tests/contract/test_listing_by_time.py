"""Listings by when images were taken: to the millisecond, ties by key, undated ones last."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesearch.domain.filters import KeyPrefix
from imagesearch.domain.images import Status
from imagesearch.domain.ports import Delete, Put
from imagesearch.domain.queries import TakenPlace

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
JULY = datetime(2024, 7, 1, 10, tzinfo=UTC)
OLD = datetime(1899, 12, 31, 23, 59, 59, tzinfo=UTC)
ZONES = st.sampled_from([-14, -3.5, 0, 5.75, 14]).map(lambda n: timezone(timedelta(hours=n)))
# Few moments, so that they tie, in many ways of writing them.
MOMENTS = st.builds(
    lambda base, steps, zone: (base + timedelta(microseconds=300 * steps)).astimezone(zone),
    st.sampled_from([JULY, OLD, EPOCH]),
    st.integers(-4, 4),
    ZONES,
)
WITHOUT_ZONE = MOMENTS.map(lambda moment: moment.astimezone(UTC).replace(tzinfo=None))


def pages(subject, size, newest_first):
    """The keys of all pages, one after the other."""
    found, after = [], None
    wanted = {"newest_first": newest_first, "status": None, "collection": None}
    while page := subject.index.list_by_time(**wanted, after=after, limit=size):
        assert len(page) <= size
        found += [document.ref.key for document in page]
        after = TakenPlace(page[-1].taken_at, page[-1].ref.key)
    return found


def milliseconds(moment):
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(milliseconds=1)


def in_order(times, newest_first):
    """The order that a plain sort gives."""
    dated = [(milliseconds(time), key.encode(), key) for key, time in times.items() if time]
    undated = [key for key, time in times.items() if not time]
    return [
        *(key for *_, key in sorted(dated, reverse=newest_first)),
        *sorted(undated, key=str.encode, reverse=newest_first),
    ]


def test_the_oldest_or_the_newest_come_first_and_undated_ones_last(subject, put):
    subject.store(
        put("b", taken_at=JULY + timedelta(days=1)),
        put("c"),
        put("a", taken_at=JULY),
        put("d", taken_at=JULY - timedelta(days=9_999)),
    )
    assert subject.keys_by_time() == ["d", "a", "b", "c"]
    assert subject.keys_by_time(newest_first=True) == ["b", "a", "d", "c"]


def test_times_are_compared_as_moments_to_the_millisecond(subject, put):
    subject.store(
        put("4", taken_at=JULY.astimezone(timezone(timedelta(hours=9)))),
        put("3", taken_at=JULY + timedelta(microseconds=999)),
        put("2", taken_at=JULY.replace(tzinfo=None)),
        put("1", taken_at=JULY + timedelta(milliseconds=1)),
        put("5", taken_at=JULY - timedelta(microseconds=1)),
    )
    assert subject.keys_by_time() == ["5", "2", "3", "4", "1"]
    assert subject.keys_by_time(newest_first=True) == ["1", "4", "3", "2", "5"]


def test_a_list_by_time_can_be_narrowed(subject, put, document):
    broken = Put(document("cats/3", status=Status.REJECTED, reason="broken"), None, None)
    subject.store(
        put("cats/1", taken_at=JULY), put("cats/a/2"), put("dogs/1", taken_at=JULY), broken
    )
    assert subject.keys_by_time(collection="cats") == ["cats/1", "cats/3", "cats/a/2"]
    assert subject.keys_by_time(status=Status.INDEXED) == ["cats/1", "dogs/1", "cats/a/2"]
    assert subject.keys_by_time(status=Status.REJECTED) == ["cats/3"]
    assert subject.keys_by_time(filter=KeyPrefix("cats/a")) == ["cats/a/2"]
    assert subject.keys_by_time(filter=KeyPrefix("dogs/")) == ["dogs/1"]


def test_a_list_by_key_can_be_narrowed_by_a_filter(subject, put):
    subject.store(*(put(f"{folder}/{n}") for folder in "ab" for n in range(3)))
    assert subject.listed_keys(filter=KeyPrefix("b/")) == ["b/0", "b/1", "b/2"]
    assert subject.listed_keys(filter=KeyPrefix("b/"), after="b/0", limit=1) == ["b/1"]


def test_deleted_images_are_in_no_list_by_time(subject, put):
    subject.store(put("a", taken_at=JULY), put("b"))
    subject.store(Delete(put("a").ref, subject.version(put("a").ref)))
    assert subject.keys_by_time() == ["b"]


def test_a_list_goes_on_behind_an_image_that_is_gone(subject, put):
    subject.store(*(put(f"{n}", taken_at=JULY if n < 3 else None) for n in range(6)))
    subject.store(Delete(put("1").ref, subject.version(put("1").ref)))
    subject.store(Delete(put("4").ref, subject.version(put("4").ref)))
    assert subject.keys_by_time(after=TakenPlace(JULY, "1")) == ["2", "3", "5"]
    assert subject.keys_by_time(after=TakenPlace(None, "4")) == ["5"]


def test_an_empty_index_lists_nothing_by_time(subject):
    assert subject.keys_by_time() == []


@pytest.mark.parametrize("newest_first", [True, False])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    times=st.dictionaries(
        st.text("ab/é\U0001f43b", min_size=1, max_size=6),
        st.none() | MOMENTS | WITHOUT_ZONE,
        min_size=1,
        max_size=25,
    ),
    size=st.integers(1, 7),
)
def test_pages_give_each_image_once_in_order(
    new_embedded, new_opensearch, put, times, size, newest_first
):
    for new in (new_embedded, new_opensearch):
        subject = new()
        subject.store(*(put(key, taken_at=time) for key, time in times.items()))
        assert pages(subject, size, newest_first) == in_order(times, newest_first)
