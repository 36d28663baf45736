"""Writes to a server that is busy are repeated; those that land late bring nothing back."""

import pytest

from imagesearch.domain.ports import Delete, WriteStatus


def refuse_bulks(answer, times):
    """Trouble with the first bulk requests: `answer` stands for them."""
    left = [times]

    def trouble(sent):
        if not sent.path.startswith("/_bulk") or not left[0]:
            return None
        left[0] -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    return trouble


@pytest.mark.parametrize("answer", [
    (429, {"error": {"type": "rejected"}}),
    (503, {"error": {"type": "busy"}}),
    ConnectionAbortedError(),
])  # fmt: skip
def test_a_bulk_that_did_not_arrive_is_sent_again(proxy, connect, put, answer):
    proxy.trouble = refuse_bulks(answer, times=2)
    (result,) = connect(proxy.url).write([put()])
    assert result.status is WriteStatus.WRITTEN
    assert len(proxy.bulks()) == 3


def test_only_the_items_that_were_too_many_are_sent_again(proxy, connect, put):
    def busy_for_b(sent):
        if not sent.path.startswith("/_bulk") or len(proxy.bulks()) > 1:
            return None
        status, found = proxy.pass_on(
            sent._replace(body=b"".join(sent.body.splitlines(keepends=True)[:2]))
        )
        error = {"type": "es_rejected_execution_exception", "reason": "queue full"}
        found["items"].append({"create": {"status": 429, "error": error}})
        return status, found

    proxy.trouble = busy_for_b
    results = connect(proxy.url).write([put("a"), put("b")])
    assert [result.status for result in results] == ["written", "written"]
    first, second = proxy.bulks()
    assert (first.body.count(b"\n"), second.body.count(b"\n")) == (4, 2)


def test_patience_ends(proxy, connect, put):
    proxy.trouble = refuse_bulks((429, {"error": {"type": "rejected"}}), times=1000)
    (result,) = connect(proxy.url, patience=0.5).write([put()])
    assert result.status is WriteStatus.FAILED
    assert "429" in result.reason


def test_a_record_that_the_server_refuses_fails_alone(opensearch_url, connect, put):
    """Lucene takes no term of more than 32,766 bytes."""
    too_long = put("bad", metadata={"note": "x" * 40_000})
    results = connect(opensearch_url).write([put("a"), too_long, put("b")])
    assert [result.status for result in results] == ["written", "failed", "written"]
    assert "immense term" in results[1].reason


def test_a_write_that_lands_after_its_time_out_does_not_bring_back_what_was_deleted(
    proxy, opensearch_url, connect, put
):
    lost = []

    def keep(sent):
        if sent.path.startswith("/_bulk"):
            lost.append(sent)
            raise ConnectionAbortedError

    proxy.trouble = keep
    late, prompt = connect(proxy.url, patience=0), connect(opensearch_url)
    assert late.write([put()])[0].status is WriteStatus.FAILED
    assert prompt.write([Delete(put().ref, None)])[0].status is WriteStatus.WRITTEN
    status, answer = proxy.pass_on(lost[0])
    assert (status, answer["items"][0]["create"]["status"]) == (200, 409)
    assert prompt.get([put().ref.id])[put().ref.id].document is None


def test_a_write_whose_answer_was_lost_conflicts_when_sent_again(proxy, connect, put):
    def lose_the_answer(sent):
        if sent.path.startswith("/_bulk") and len(proxy.bulks()) == 1:
            proxy.pass_on(sent)
            raise ConnectionAbortedError

    proxy.trouble = lose_the_answer
    index = connect(proxy.url)
    assert index.write([put()])[0].status is WriteStatus.CONFLICT
    assert index.get([put().ref.id])[put().ref.id].document == put().document
