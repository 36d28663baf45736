"""OpenSearch unavailable, busy or rejecting requests: errors, retries and late writes."""

import socket
import time

import pytest
from urllib3.util import connection

from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.ports import Delete, WriteStatus


def test_an_unreachable_server_is_unavailable_immediately(put, readings, monkeypatch):
    """A refused connection is retried at most once, without a pause."""
    connect, tried = connection.create_connection, []

    def counted(*arguments, **more):
        tried.append(arguments)
        return connect(*arguments, **more)

    monkeypatch.setattr(connection, "create_connection", counted)
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
def test_a_server_that_rejects_requests_is_unavailable(proxy, connect, put, readings, status, word):
    proxy.fault = lambda sent: (status, {"error": {"type": "trouble", "root_cause": []}})
    index = connect(proxy.url)
    for ask in [*readings, lambda index: index.write([put()])]:
        with pytest.raises(Unavailable, match=word):
            ask(index)


def test_an_access_error_names_the_access_policy(proxy, connect, put):
    proxy.fault = lambda sent: (403, {"Message": "User: anonymous is not authorized"})
    with pytest.raises(Unavailable) as raised:
        connect(proxy.url.replace("//", "//me:secret@")).get([put().ref.id])
    assert "access policy" in raised.value.hint
    assert "secret" not in raised.value.message


def test_an_index_block_is_not_an_access_error(proxy, connect, put):
    """OpenSearch blocks the creation of indexes when storage is low."""
    reason = {"type": "cluster_block_exception", "reason": "blocked by: create-index blocked"}
    proxy.fault = lambda sent: (403, {"error": reason | {"root_cause": [reason]}})
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


def test_an_index_that_does_not_exist_yet_logs_no_warning(opensearch_url, connect, put, caplog):
    connect(opensearch_url).get([put().ref.id])
    connect(opensearch_url).health()
    assert [record for record in caplog.records if record.name == "opensearch"] == []


def test_reads_survive_stale_connections(proxy, connect, put, readings):
    """After a Lambda snapshot, the pool contains connections that the server has closed."""
    index = connect(proxy.url)
    index.write([put()])
    for ask in readings:
        requested = len(proxy.seen)

        def once(sent, requested=requested):
            if len(proxy.seen) == requested + 1:
                raise ConnectionAbortedError

        proxy.fault = once
        ask(index)


def test_a_closed_index_connects_again(opensearch_url, connect, put):
    index = connect(opensearch_url)
    index.write([put()])
    index.close()
    assert index.get([put().ref.id])


def test_a_partial_response_is_an_error(proxy, connect, put):
    """An unreadable shard must not be reported as a missing image."""
    error = {"type": "no_shard_available_action_exception"}
    proxy.fault = lambda sent: (200, {"docs": [{"_id": put().ref.id, "error": error}]})
    with pytest.raises(Unavailable, match="no_shard"):
        connect(proxy.url).get([put().ref.id])


def reject_bulks(answer, times):
    """A fault that answers the first bulk requests with `answer`."""
    left = [times]

    def fault(sent):
        if not sent.is_bulk or not left[0]:
            return None
        left[0] -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    return fault


@pytest.mark.parametrize("answer", [
    (429, {"error": {"type": "rejected"}}),
    (503, {"error": {"type": "busy"}}),
    ConnectionAbortedError(),
])  # fmt: skip
def test_a_bulk_that_did_not_arrive_is_retried(proxy, connect, put, answer):
    proxy.fault = reject_bulks(answer, times=2)
    (result,) = connect(proxy.url).write([put()])
    assert result.status is WriteStatus.WRITTEN
    assert len(proxy.bulks()) == 3


def test_only_items_rejected_with_429_are_retried(proxy, connect, put):
    def busy_for_b(sent):
        if not sent.is_bulk or len(proxy.bulks()) > 1:
            return None
        status, found = proxy.pass_on(
            sent._replace(body=b"".join(sent.body.splitlines(keepends=True)[:2]))
        )
        error = {"type": "es_rejected_execution_exception", "reason": "queue full"}
        found["items"].append({"create": {"status": 429, "error": error}})
        return status, found

    proxy.fault = busy_for_b
    results = connect(proxy.url).write([put("a"), put("b")])
    assert [result.status for result in results] == ["written", "written"]
    first, second = proxy.bulks()
    assert (first.body.count(b"\n"), second.body.count(b"\n")) == (4, 2)


def test_retries_end_after_the_time_limit(proxy, connect, put):
    proxy.fault = reject_bulks((429, {"error": {"type": "rejected"}}), times=1000)
    (result,) = connect(proxy.url, patience=0.5).write([put()])
    assert result.status is WriteStatus.FAILED
    assert "429" in result.reason


def test_a_record_that_the_server_rejects_affects_no_other(opensearch_url, connect, put):
    """Lucene rejects terms of more than 32,766 bytes."""
    too_long = put("bad", metadata={"note": "x" * 40_000})
    results = connect(opensearch_url).write([put("a"), too_long, put("b")])
    assert [result.status for result in results] == ["written", "failed", "written"]
    assert "immense term" in results[1].reason


def test_a_write_that_completes_after_its_timeout_does_not_restore_a_deleted_image(
    proxy, opensearch_url, connect, put
):
    lost = []

    def hold_back(sent):
        if sent.is_bulk:
            lost.append(sent)
            raise ConnectionAbortedError

    proxy.fault = hold_back
    late, prompt = connect(proxy.url, patience=0), connect(opensearch_url)
    assert late.write([put()])[0].status is WriteStatus.FAILED
    assert prompt.write([Delete(put().ref, None)])[0].status is WriteStatus.WRITTEN
    status, answer = proxy.pass_on(lost[0])
    assert (status, answer["items"][0]["create"]["status"]) == (200, 409)
    assert prompt.get([put().ref.id])[put().ref.id].document is None


def test_a_write_whose_response_was_lost_conflicts_when_retried(proxy, connect, put):
    def lose_the_response(sent):
        if sent.is_bulk and len(proxy.bulks()) == 1:
            proxy.pass_on(sent)
            raise ConnectionAbortedError

    proxy.fault = lose_the_response
    index = connect(proxy.url)
    assert index.write([put()])[0].status is WriteStatus.CONFLICT
    assert index.get([put().ref.id])[put().ref.id].document == put().document
