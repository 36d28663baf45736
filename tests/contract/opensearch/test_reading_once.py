"""A search costs one round trip, and so do many."""

import pytest

from imagesearch.domain.errors import Unavailable
from imagesearch.domain.queries import VectorQuery


@pytest.fixture
def filled(proxy, connect, put, raw_opensearch, index_name, towards):
    """An index behind the proxy that has been searched before."""
    index = connect(proxy.url)
    index.write([put("a"), put("b", 90)])
    raw_opensearch.indices.refresh(index=index_name)
    index.search(VectorQuery(towards(0), 1))
    proxy.seen.clear()
    return index


def test_a_search_is_one_request(filled, proxy, towards):
    filled.search(VectorQuery(towards(0), 10))
    assert len(proxy.seen) == 1


def test_many_searches_are_one_request(filled, proxy, towards):
    answers = filled.search_many([VectorQuery(towards(n), 1) for n in (0, 10, 80)])
    assert [hits[0].document.ref.key for hits in answers] == ["a", "a", "b"]
    assert len(proxy.seen) == 1


def test_a_search_that_fails_among_many_fails_all(filled, proxy, towards):
    def fail_the_second(sent):
        status, found = proxy.pass_on(sent)
        error = {"type": "search_phase_execution_exception", "reason": "a shard is away"}
        found["responses"][1] = {"status": 503, "error": error}
        return status, found

    proxy.trouble = fail_the_second
    with pytest.raises(Unavailable, match="a shard is away"):
        filled.search_many([VectorQuery(towards(0), 1)] * 2)
