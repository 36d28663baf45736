"""Listings by key and by time, links of images, and health counts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesearch.domain.filters import KeyPrefix
from imagesearch.domain.images import ImageRef, Linked, Neighbor, Status
from imagesearch.domain.ports import Delete, Put, Touch
from imagesearch.domain.queries import Selection, TimePosition


def rejected(document, key):
    return Put(document(key, status=Status.REJECTED, reason=f"{key} is broken"), None, None)


def test_keys_are_in_the_order_of_their_bytes(subject, put):
    keys = ["b", "B", "a/1", "a", "a b", "ä", "z", "～", "\U0001f43b", "10", "9", "a\u0301"]
    subject.store(*(put(key) for key in keys))
    assert subject.listed_keys() == sorted(keys, key=str.encode)


def test_keys_of_1024_bytes_are_kept_and_ordered(subject, put, unit_vector):
    keys = ["日" * 341 + "a", "日" * 341 + "b", "\U0001f43b" * 256, "k" * 1024, "k" * 1023]
    subject.store(*(put(key) for key in keys))
    assert subject.listed_keys() == sorted(keys, key=str.encode)
    assert set(subject.found_keys(unit_vector(0))) == set(keys)


def test_a_listing_continues_after_a_key(subject, put):
    keys = [f"{number:03}" for number in range(25)]
    subject.store(*(put(key) for key in keys))
    found, after = [], None
    while page := subject.listed_keys(limit=7, after=after):
        found += page
        after = page[-1]
    assert found == keys
    assert subject.listed_keys(after="0235", limit=3) == ["024"]


def test_rejected_images_are_listed_with_their_reason(subject, put, document):
    subject.store(put("good"), rejected(document, "bad"))
    assert subject.listed_keys() == ["bad", "good"]
    assert subject.listed_keys(status=Status.INDEXED) == ["good"]
    (bad,) = subject.index.list_documents(Selection(Status.REJECTED), limit=10)
    assert (bad.ref.key, bad.reason) == ("bad", "bad is broken")


def test_a_listing_can_be_limited_to_a_collection(subject, put, document):
    subject.store(
        *(
            put(key)
            for key in ["cats/1", "cats/a/2", "cats/", "cats", "cats!/1", "cats0/1", "dogs/1"]
        ),
        rejected(document, "cats/3"),
    )
    assert subject.listed_keys(collection="cats") == ["cats/", "cats/1", "cats/3", "cats/a/2"]
    assert subject.listed_keys(collection="cats", after="cats/1") == ["cats/3", "cats/a/2"]
    assert subject.listed_keys(collection="cats", status=Status.REJECTED) == ["cats/3"]
    assert subject.listed_keys(collection="birds") == []


def test_the_unnamed_collection_can_be_listed(subject, put):
    subject.store(put("/1"), put("1"))
    assert subject.listed_keys(collection="") == ["/1"]


def test_entries_have_the_fields_that_are_compared_with_the_bucket(subject, put, document):
    keys = ["b", "a/1", "a!", "ä", "\U0001f43b", "～"]
    bad = Put(document("bad", status=Status.REJECTED, etag="e2", reason="broken"), None, None)
    other = put("a!", ref=ImageRef("previous", "a!"))
    subject.store(*(put(key) for key in keys), bad, other, put("deleted"))
    gone = put("deleted").ref
    subject.store(Delete(gone, subject.version(gone)))
    found = list(subject.index.list_entries())
    assert [each.ref.key for each in found] == sorted([*keys, "bad", "a!"], key=str.encode)
    by_ref = {each.ref: each for each in found}
    assert by_ref.keys() == {*(put(key).ref for key in keys), bad.ref, other.ref}
    assert (by_ref[bad.ref].status, by_ref[bad.ref].etag) == (Status.REJECTED, "e2")
    entry = by_ref[put("b").ref]
    assert (entry.status, entry.etag) == (Status.INDEXED, "e1")
    assert abs(entry.indexed_at - document().indexed_at) < timedelta(milliseconds=1)


def test_entries_continue_after_a_key_of_several_buckets(subject, put):
    keys = [f"{number:03}" for number in range(25)]
    shared = keys[::3]
    subject.store(
        *(put(key) for key in keys),
        *(put(key, ref=ImageRef("previous", key)) for key in shared),
    )
    for after in ("000", "003", "004", "024"):
        found = [each.ref.key for each in subject.index.list_entries(after=after)]
        assert found == sorted(key for key in (*keys, *shared) if key > after)


def test_keys_are_sampled_by_the_first_letters_of_their_ids(subject, put):
    keys = [f"{number:03}" for number in range(200)]
    subject.store(*(put(key) for key in keys))
    for prefix in ("", "A", "-", "_", "ZZZZ"):
        expected = [key for key in keys if put(key).ref.id.startswith(prefix)]
        assert subject.index.keys_of_ids(prefix) == expected


def test_health_counts_searchable_and_rejected_images(subject, put, document):
    subject.store(put("a"), put("b"), put("c"), rejected(document, "d"), rejected(document, "e"))
    subject.store(Delete(put("a").ref, subject.version(put("a").ref)), Delete(put("f").ref, None))
    health = subject.index.health()
    assert (health.images, health.rejected) == (2, 2)
    assert health.status in ("green", "yellow")


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
JULY = datetime(2024, 7, 1, 10, tzinfo=UTC)
OLD = datetime(1899, 12, 31, 23, 59, 59, tzinfo=UTC)
ZONES = st.sampled_from([-14, -3.5, 0, 5.75, 14]).map(lambda n: timezone(timedelta(hours=n)))
# Few instants cause equal times, in several notations.
MOMENTS = st.builds(
    lambda base, steps, zone: (base + timedelta(microseconds=300 * steps)).astimezone(zone),
    st.sampled_from([JULY, OLD, EPOCH]),
    st.integers(-4, 4),
    ZONES,
)
WITHOUT_ZONE = MOMENTS.map(lambda moment: moment.astimezone(UTC).replace(tzinfo=None))


def pages(subject, size, newest_first):
    """The keys of all pages."""
    found, after = [], None
    while page := subject.index.list_by_time(newest_first=newest_first, after=after, limit=size):
        assert len(page) <= size
        found += [document.ref.key for document in page]
        after = TimePosition(page[-1].taken_at, page[-1].ref.key)
    return found


def milliseconds(moment):
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(milliseconds=1)


def in_order(times, newest_first):
    """The order of a plain sort."""
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


def test_times_are_compared_in_utc_to_the_millisecond(subject, put):
    subject.store(
        put("4", taken_at=JULY.astimezone(timezone(timedelta(hours=9)))),
        put("3", taken_at=JULY + timedelta(microseconds=999)),
        put("2", taken_at=JULY.replace(tzinfo=None)),
        put("1", taken_at=JULY + timedelta(milliseconds=1)),
        put("5", taken_at=JULY - timedelta(microseconds=1)),
    )
    assert subject.keys_by_time() == ["5", "2", "3", "4", "1"]
    assert subject.keys_by_time(newest_first=True) == ["1", "4", "3", "2", "5"]


def test_a_list_by_time_can_be_filtered(subject, put, document):
    broken = Put(document("cats/3", status=Status.REJECTED, reason="broken"), None, None)
    subject.store(
        put("cats/1", taken_at=JULY), put("cats/a/2"), put("dogs/1", taken_at=JULY), broken
    )
    assert subject.keys_by_time(collection="cats") == ["cats/1", "cats/3", "cats/a/2"]
    assert subject.keys_by_time(status=Status.INDEXED) == ["cats/1", "dogs/1", "cats/a/2"]
    assert subject.keys_by_time(status=Status.REJECTED) == ["cats/3"]
    assert subject.keys_by_time(filter=KeyPrefix("cats/a")) == ["cats/a/2"]
    assert subject.keys_by_time(filter=KeyPrefix("dogs/")) == ["dogs/1"]


def test_a_list_by_key_can_be_filtered(subject, put):
    subject.store(*(put(f"{folder}/{n}") for folder in "ab" for n in range(3)))
    assert subject.listed_keys(filter=KeyPrefix("b/")) == ["b/0", "b/1", "b/2"]
    assert subject.listed_keys(filter=KeyPrefix("b/"), after="b/0", limit=1) == ["b/1"]


def test_deleted_images_are_in_no_list_by_time(subject, put):
    subject.store(put("a", taken_at=JULY), put("b"))
    subject.store(Delete(put("a").ref, subject.version(put("a").ref)))
    assert subject.keys_by_time() == ["b"]


def test_a_list_continues_after_a_deleted_image(subject, put):
    subject.store(*(put(f"{n}", taken_at=JULY if n < 3 else None) for n in range(6)))
    subject.store(Delete(put("1").ref, subject.version(put("1").ref)))
    subject.store(Delete(put("4").ref, subject.version(put("4").ref)))
    assert subject.keys_by_time(after=TimePosition(JULY, "1")) == ["2", "3", "5"]
    assert subject.keys_by_time(after=TimePosition(None, "4")) == ["5"]


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
def test_list_pages_return_each_image_once_in_order(
    new_sqlite, new_opensearch, put, times, size, newest_first
):
    for new in (new_sqlite, new_opensearch):
        subject = new()
        subject.store(*(put(key, taken_at=time) for key, time in times.items()))
        assert pages(subject, size, newest_first) == in_order(times, newest_first)


ONE = Neighbor("one", "1" * 64, 0.9876, 0.97)
OTHER = Neighbor("other", "2" * 64, -0.5, 0.8)


@pytest.fixture
def linked(subject):
    return lambda **more: list(subject.index.linked(**more))


def test_an_index_without_images_has_no_links(linked):
    assert linked() == []


def test_links_are_read_in_key_order_with_the_fields_of_duplicate_groups(subject, put, linked):
    subject.store(
        put("b", sha256="b" * 64, neighbors=(OTHER, ONE)),
        put("Ünï 日本/a", sha256="a" * 64, neighbors=(ONE,)),
        put("nobody", sha256="c" * 64, neighbors=()),
        put("unlinked", sha256="d" * 64),
    )
    found = linked()
    assert [(each.key, each.id, each.sha256) for each in found] == [
        ("b", put("b").ref.id, "b" * 64),
        ("Ünï 日本/a", put("Ünï 日本/a").ref.id, "a" * 64),
    ]
    assert sorted(found[0].neighbors, key=str) == [ONE, OTHER]
    assert found[1] == Linked(found[1].id, "Ünï 日本/a", "a" * 64, (ONE,))


def test_links_can_be_limited_to_a_collection(subject, put, linked):
    for key in ("cats/1", "cats/2/3", "cats-and-dogs/1", "dogs/1", "cats"):
        subject.store(put(key, sha256="a" * 64, neighbors=(ONE,)))
    assert [each.key for each in linked(collection="cats")] == ["cats/1", "cats/2/3"]
    assert linked(collection="none") == []
    assert len(linked()) == 5


def test_a_later_write_of_links_replaces_the_earlier_one(subject, put, document, linked):
    subject.store(put("a", sha256="a" * 64))
    for neighbours in ((ONE,), (OTHER,)):
        touched = document("a", sha256="a" * 64, neighbors=neighbours)
        subject.store(Touch(touched, subject.version(touched.ref)))
        assert [each.neighbors for each in linked()] == [neighbours]
    subject.store(Touch(replace(touched, neighbors=()), subject.version(touched.ref)))
    assert linked() == []


def test_links_are_deleted_with_their_image(subject, put, linked):
    for key in ("gone", "overwritten"):
        subject.store(put(key, sha256="a" * 64, neighbors=(ONE,)))
    gone, overwritten = put("gone").ref, put("overwritten")
    subject.store(Delete(gone, subject.version(gone)))
    subject.store(
        Put(overwritten.document, overwritten.embedding, subject.version(overwritten.ref))
    )
    assert linked() == []


def test_writing_links_does_not_change_the_image(subject, put, document, unit_vector):
    subject.store(put("a", 0), put("b", 90))
    touched = document("a", neighbors=(ONE,))
    subject.store(Touch(touched, subject.version(touched.ref)))
    assert subject.found_keys(unit_vector(0)) == ["a", "b"]
    assert subject.document(touched.ref) == touched


def test_an_index_reports_its_refresh_interval(subject):
    assert timedelta(0) <= subject.index.visibility_delay < timedelta(minutes=15)
