"""A server that is away or refuses is told apart from an index that is empty."""

import socket
import time

import pytest

from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.domain.errors import Unavailable


def test_a_server_that_is_away_is_unavailable_at_once(put, readings, monkeypatch):
    """At once: nothing is waited for, and a refused connection is tried once more at most."""
    connect, tried = socket.create_connection, []

    def counted(*arguments, **more):
        tried.append(arguments)
        return connect(*arguments, **more)

    monkeypatch.setattr(socket, "create_connection", counted)
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        index = OpenSearchIndex(
            f"http://127.0.0.1:{unused.getsockname()[1]}", "images-x", 4, model="test"
        )
        for ask in [*readings, lambda index: index.write([put()])]:
            tried.clear()
            with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
                ask(index)
            assert 1 <= len(tried) <= 2


@pytest.mark.parametrize(("status", "word"), [(429, "429"), (503, "503"), (403, "access")])
def test_a_server_that_refuses_is_unavailable(proxy, connect, put, readings, status, word):
    proxy.trouble = lambda sent: (status, {"error": {"type": "trouble", "root_cause": []}})
    index = connect(proxy.url)
    for ask in [*readings, lambda index: index.write([put()])]:
        with pytest.raises(Unavailable, match=word):
            ask(index)


def test_who_is_refused_access_is_told_where_to_look(proxy, connect, put):
    proxy.trouble = lambda sent: (403, {"Message": "User: anonymous is not authorized"})
    with pytest.raises(Unavailable) as refused:
        connect(proxy.url.replace("//", "//me:secret@")).get([put().ref.id])
    assert "access policy" in refused.value.hint
    assert "secret" not in refused.value.message


def test_a_block_is_not_taken_for_a_lack_of_rights(proxy, connect, put):
    """As when storage is short and no index may be made."""
    reason = {"type": "cluster_block_exception", "reason": "blocked by: create-index blocked"}
    proxy.trouble = lambda sent: (403, {"error": reason | {"root_cause": [reason]}})
    with pytest.raises(Unavailable, match="create-index blocked") as blocked:
        connect(proxy.url).write([put()])
    assert "policy" not in blocked.value.hint


def test_a_red_index_is_unavailable(opensearch_url, raw_opensearch, index_name, connect):
    nowhere = {"settings": {"index.routing.allocation.require._name": "nobody"}}
    mapping = {"mappings": {"_meta": {"space": index_name, "dimension": 4}}}
    raw_opensearch.indices.create(
        index=index_name, body=nowhere | mapping, params={"wait_for_active_shards": "0"}
    )
    with pytest.raises(Unavailable):
        connect(opensearch_url).health()


def test_an_index_that_is_not_made_yet_is_nothing_to_warn_of(opensearch_url, connect, put, caplog):
    connect(opensearch_url).get([put().ref.id])
    connect(opensearch_url).health()
    assert [record for record in caplog.records if record.name == "opensearch"] == []


def test_reading_survives_connections_that_died_meanwhile(proxy, connect, put, readings):
    """As after a Lambda snapshot: the pool holds a connection that the other side has forgotten."""
    index = connect(proxy.url)
    index.write([put()])
    for ask in readings:
        asked = len(proxy.seen)

        def once(sent, asked=asked):
            if len(proxy.seen) == asked + 1:
                raise ConnectionAbortedError

        proxy.trouble = once
        ask(index)


def test_a_closed_index_connects_again(opensearch_url, connect, put):
    index = connect(opensearch_url)
    index.write([put()])
    index.close()
    assert index.get([put().ref.id])


def test_half_an_answer_is_no_answer(proxy, connect, put):
    """A shard that cannot be read must not look like an image that is not there."""
    error = {"type": "no_shard_available_action_exception"}
    proxy.trouble = lambda sent: (200, {"docs": [{"_id": put().ref.id, "error": error}]})
    with pytest.raises(Unavailable, match="no_shard"):
        connect(proxy.url).get([put().ref.id])
