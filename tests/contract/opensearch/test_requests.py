"""What deleted images leave behind is removed when nothing can come late any more."""

from datetime import UTC, datetime, timedelta

import pytest

from imagesearch.domain.ports import Delete, WriteStatus

TODAY = datetime(2026, 5, 20, 12, tzinfo=UTC)


@pytest.fixture
def at(connect, opensearch_url, raw_opensearch, index_name):
    """The index as somebody sees it who opens it a number of days later."""

    def open_it(days):
        if raw_opensearch.indices.exists(index=index_name):
            raw_opensearch.indices.refresh(index=index_name)
        return connect(opensearch_url, clock=lambda: TODAY + timedelta(days=days))

    return open_it


def test_a_deletion_is_kept_for_a_week(at, put):
    at(0).write([Delete(put("a").ref, None), put("b")])
    assert at(6.9).forget_deletions() == 0
    assert at(7.1).forget_deletions() == 1
    found = at(8).get([put("a").ref.id, put("b").ref.id])
    assert list(found) == [put("b").ref.id]
    assert at(8).write([put("a")])[0].status is WriteStatus.WRITTEN


def test_who_writes_forgets_old_deletions(at, put):
    at(0).write([Delete(put("a").ref, None)])
    later = at(8)
    later.write([put("b")])
    assert later.get([put("a").ref.id]) == {}


def test_a_write_is_good_even_where_forgetting_fails(proxy, connect, put):
    proxy.trouble = lambda sent: (403, {"error": "no"}) if "_search" in sent.path else None
    assert connect(proxy.url).write([put()])[0].status is WriteStatus.WRITTEN


def test_nothing_is_forgotten_where_nothing_is(at):
    assert at(0).forget_deletions() == 0
