"""Number of requests of a search, pages of links, and the cleanup of tombstones."""

from datetime import UTC, datetime, timedelta

import pytest

from imagesearch.adapters.opensearch import index
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import Neighbor
from imagesearch.domain.ports import Delete, WriteStatus
from imagesearch.domain.queries import VectorQuery

TODAY = datetime(2026, 5, 20, 12, tzinfo=UTC)


@pytest.fixture
def days_later(connect, opensearch_url, raw_opensearch, index_name):
    """The index, opened a number of days later."""

    def open_it(days):
        if raw_opensearch.indices.exists(index=index_name):
            raw_opensearch.indices.refresh(index=index_name)
        return connect(opensearch_url, clock=lambda: TODAY + timedelta(days=days))

    return open_it


def test_a_tombstone_is_kept_for_a_week(days_later, put):
    days_later(0).write([Delete(put("a").ref, None), put("b")])
    assert days_later(6.9).delete_tombstones() == 0
    assert days_later(7.1).delete_tombstones() == 1
    found = days_later(8).get([put("a").ref.id, put("b").ref.id])
    assert list(found) == [put("b").ref.id]
    assert days_later(8).write([put("a")])[0].status is WriteStatus.WRITTEN


def test_a_write_removes_old_tombstones(days_later, put):
    days_later(0).write([Delete(put("a").ref, None)])
    later = days_later(8)
    later.write([put("b")])
    assert later.get([put("a").ref.id]) == {}


def test_a_write_succeeds_if_the_cleanup_of_tombstones_fails(proxy, connect, put):
    proxy.fault = lambda sent: (403, {"error": "no"}) if "_search" in sent.path else None
    assert connect(proxy.url).write([put()])[0].status is WriteStatus.WRITTEN


def test_no_tombstones_are_deleted_from_an_index_without_any(days_later):
    assert days_later(0).delete_tombstones() == 0


@pytest.fixture
def filled(proxy, connect, put, raw_opensearch, index_name, unit_vector):
    """An index that was searched once through the proxy."""
    index = connect(proxy.url)
    index.write([put("a"), put("b", 90)])
    raw_opensearch.indices.refresh(index=index_name)
    index.search(VectorQuery(unit_vector(0), 1))
    proxy.seen.clear()
    return index


def test_a_search_is_one_request(filled, proxy, unit_vector):
    filled.search(VectorQuery(unit_vector(0), 10))
    assert len(proxy.seen) == 1


def test_many_searches_are_one_request(filled, proxy, unit_vector):
    answers = filled.search_many([VectorQuery(unit_vector(n), 1) for n in (0, 10, 80)])
    assert [hits[0].document.ref.key for hits in answers] == ["a", "a", "b"]
    assert len(proxy.seen) == 1


def test_one_failed_search_of_a_batch_fails_the_batch(filled, proxy, unit_vector):
    def fail_the_second(sent):
        status, found = proxy.pass_on(sent)
        error = {"type": "search_phase_execution_exception", "reason": "a shard is unavailable"}
        found["responses"][1] = {"status": 503, "error": error}
        return status, found

    proxy.fault = fail_the_second
    with pytest.raises(Unavailable, match="a shard is unavailable"):
        filled.search_many([VectorQuery(unit_vector(0), 1)] * 2)


def test_links_beyond_one_page_are_all_read_once(new_opensearch, put, monkeypatch):
    subject = new_opensearch()
    near = (Neighbor("one", "1" * 64, 1.0, 1.0),)
    keys = [f"{number:02d}" for number in range(25)]
    subject.store(*(put(key, sha256="a" * 64, neighbors=near) for key in keys))
    monkeypatch.setattr(index, "LINKS_PER_PAGE", 10)
    monkeypatch.setattr("imagesearch.adapters.opensearch.queries.LINKS_PER_PAGE", 10)
    assert [each.key for each in subject.index.linked()] == keys
