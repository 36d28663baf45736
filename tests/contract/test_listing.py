"""Listings are in the order of the keys' bytes and go on from a key; health counts."""

from imagesearch.domain.images import Status
from imagesearch.domain.ports import Delete, Put


def rejected(document, key):
    return Put(document(key, status=Status.REJECTED, reason=f"{key} is broken"), None, None)


def test_keys_are_in_the_order_of_their_bytes(subject, put):
    keys = ["b", "B", "a/1", "a", "a b", "ä", "z", "～", "\U0001f43b", "10", "9", "a\u0301"]
    subject.store(*(put(key) for key in keys))
    assert subject.listed_keys() == sorted(keys, key=str.encode)


def test_keys_of_1024_bytes_are_kept_and_ordered(subject, put, towards):
    keys = ["日" * 341 + "a", "日" * 341 + "b", "\U0001f43b" * 256, "k" * 1024, "k" * 1023]
    subject.store(*(put(key) for key in keys))
    assert subject.listed_keys() == sorted(keys, key=str.encode)
    assert set(subject.found_keys(towards(0))) == set(keys)


def test_a_listing_goes_on_behind_a_key(subject, put):
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
    (bad,) = subject.index.list_documents(
        status=Status.REJECTED, collection=None, after=None, limit=10
    )
    assert (bad.ref.key, bad.reason) == ("bad", "bad is broken")


def test_a_collection_is_listed_alone(subject, put, document):
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


def test_a_collection_without_name_is_one_too(subject, put):
    subject.store(put("/1"), put("1"))
    assert subject.listed_keys(collection="") == ["/1"]


def test_health_counts_what_search_finds_and_what_was_rejected(subject, put, document):
    subject.store(put("a"), put("b"), put("c"), rejected(document, "d"), rejected(document, "e"))
    subject.store(Delete(put("a").ref, subject.version(put("a").ref)), Delete(put("f").ref, None))
    health = subject.index.health()
    assert (health.images, health.rejected) == (2, 2)
    assert health.status in ("green", "yellow")
