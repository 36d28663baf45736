"""Bulk requests are split, and retried with growing backoff within a time limit."""

from dataclasses import dataclass, field

import pytest
from opensearchpy.exceptions import (
    AuthorizationException,
    ConnectionTimeout,
    RequestError,
    TransportError,
)
from opensearchpy.exceptions import ConnectionError as NoConnection

from imagesearch.adapters.opensearch.bulk import BULK_BYTES, BULK_ITEMS, Bulk

BLOCKED = {"status": 403, "error": {"type": "cluster_block_exception", "reason": "full"}}
BUSY = {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "full"}}
DONE = {"status": 201}


@dataclass
class Server:
    """Answers each action by `answer(action, attempt)`: an item, or an exception for the request.

    Its clock advances only by pauses and by `seconds` for each request.
    """

    answer: object
    seconds: float = 0.0
    now: float = 0.0
    requests: list = field(default_factory=list)
    pauses: list = field(default_factory=list)
    made: int = 0

    def send(self, body):
        self.now += self.seconds
        actions = body.splitlines(keepends=True)
        self.requests.append(actions)
        items = [self.answer(action.strip(), len(self.requests)) for action in actions]
        for item in items:
            if isinstance(item, Exception):
                raise item
        return {"items": [{"index": item} for item in items]}

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def make_index(self):
        self.made += 1

    def write(self, actions, jitter=1.0, patience=25.0):
        bulk = Bulk(
            self.send, self.make_index, patience, self.sleep, lambda: self.now, lambda: jitter
        )
        results = bulk.write([f"{action}\n" for action in actions])
        return [result.status for result in results]


def test_an_empty_bulk_sends_no_request():
    server = Server(lambda action, attempt: DONE)
    assert server.write([]) == []
    assert server.requests == []


def test_only_items_with_status_429_are_retried():
    server = Server(lambda action, attempt: BUSY if action == "b" and attempt < 3 else DONE)
    assert server.write(["a", "b", "c"]) == ["written"] * 3
    assert server.requests == [["a\n", "b\n", "c\n"], ["b\n"], ["b\n"]]


@pytest.mark.parametrize("failure", [
    NoConnection("N/A", "refused", OSError("refused")),
    ConnectionTimeout("TIMEOUT", "read timed out", OSError("read timed out")),
    TransportError(429, "rejected", {}),
    TransportError(503, "unavailable", {}),
    AuthorizationException(403, "cluster_block_exception", {}),
])  # fmt: skip
def test_a_temporarily_failing_request_is_retried(failure):
    server = Server(lambda action, attempt: failure if attempt < 4 else DONE)
    assert server.write(["a", "b"]) == ["written"] * 2


def test_a_write_to_a_temporarily_blocked_index_is_retried():
    server = Server(lambda action, attempt: BLOCKED if action == "b" and attempt < 3 else DONE)
    assert server.write(["a", "b"]) == ["written"] * 2


def test_an_access_error_is_not_retried():
    server = Server(lambda action, attempt: AuthorizationException(403, "forbidden", {}))
    assert server.write(["a"]) == ["failed"]
    assert len(server.requests) == 1


def test_backoff_grows_up_to_a_limit_and_ends_after_the_time_limit():
    server = Server(lambda action, attempt: BUSY)
    assert server.write(["a"]) == ["failed"]
    assert server.pauses[:6] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0])
    assert 15 < server.now <= 25


def test_backoff_is_jittered():
    server = Server(lambda action, attempt: BUSY if attempt < 2 else DONE)
    server.write(["a"], jitter=0.0)
    assert server.pauses == pytest.approx([0.1])


def test_the_total_time_of_timeouts_is_bounded():
    """Twenty parts that each time out must not take twenty timeouts."""
    gone = ConnectionTimeout("TIMEOUT", "timed out", OSError("timed out"))
    server = Server(lambda action, attempt: gone, seconds=15.0)
    results = server.write([f"{number}" for number in range(20 * BULK_ITEMS)])
    assert set(results) == {"failed"}
    assert server.now <= 25 + 15


def test_one_attempt_is_made_without_a_time_budget():
    server = Server(lambda action, attempt: DONE)
    assert server.write(["a"], patience=0) == ["written"]


def test_a_rejected_request_is_not_retried():
    server = Server(lambda action, attempt: RequestError(400, "parse_exception", {}))
    assert server.write(["a"]) == ["failed"]
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 413])
@pytest.mark.parametrize("count", [2, 3, 50])
@pytest.mark.parametrize("place", [0, 1, -1])
def test_only_the_action_that_rejects_the_request_fails(status, count, place):
    actions = [f"{number}" for number in range(count)]
    odd = actions[place]
    failure = TransportError(status, "refused", {})
    server = Server(lambda action, attempt: failure if action == odd else DONE)
    written = ["failed" if action == odd else "written" for action in actions]
    assert server.write(actions) == written
    assert server.now == 0


def test_rejected_requests_are_split_until_the_time_limit():
    failure = TransportError(400, "refused", {})
    server = Server(lambda action, attempt: failure, seconds=5.0)
    assert set(server.write([f"{number}" for number in range(BULK_ITEMS)])) == {"failed"}
    assert server.now <= 25 + 5 * 10


@pytest.mark.parametrize(("item", "status"), [
    ({"status": 200}, "written"),
    ({"status": 409, "error": {"type": "version_conflict_engine_exception"}}, "conflict"),
    ({"status": 404, "error": {"type": "document_missing_exception"}}, "conflict"),
    ({"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "x"}}, "failed"),
])  # fmt: skip
def test_an_item_result_follows_its_own_status(item, status):
    server = Server(lambda action, attempt: item if action == "b" else DONE)
    assert server.write(["a", "b", "c"]) == ["written", status, "written"]
    assert len(server.requests) == 1


@pytest.mark.parametrize("failure", [
    {"status": 404, "error": {"type": "index_not_found_exception"}},
    {"status": 400, "error": {"type": "strict_dynamic_mapping_exception", "reason": "no x"}},
])  # fmt: skip
def test_a_missing_index_or_field_is_created_before_the_retry(failure):
    server = Server(lambda action, attempt: DONE if server.made else failure)
    assert server.write(["a", "b"]) == ["written"] * 2
    assert server.made == 1


def test_requests_are_bounded_in_items():
    server = Server(lambda action, attempt: DONE)
    server.write(["a"] * (2 * BULK_ITEMS + 1))
    assert [len(request) for request in server.requests] == [BULK_ITEMS, BULK_ITEMS, 1]


def test_requests_are_bounded_in_bytes():
    server = Server(lambda action, attempt: DONE)
    big = "x" * (BULK_BYTES // 2 - 1)
    assert server.write([big, big, big, "x" * 2 * BULK_BYTES, "y"]) == ["written"] * 5
    assert [len(request) for request in server.requests] == [2, 1, 1, 1]
