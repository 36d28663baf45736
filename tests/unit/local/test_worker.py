"""The worker feeds the indexing function as Lambda does, and honours what it reports as failed."""

import json
from typing import Any

from imagesearch.domain.images import ImageRef
from imagesearch.domain.ports import Lag
from local.sync.queue import EventQueue, object_event, work_on


def eager_queue(*bodies: str) -> EventQueue:
    """A queue whose retries are due at once."""
    queue = EventQueue(first_retry_seconds=0.0)
    for body in bodies:
        queue.send(body)
    return queue


def test_a_batch_reaches_the_handler_as_an_sqs_event() -> None:
    queue = eager_queue(object_event(ImageRef("file:///x", "a b/ü+%41.jpg")))
    events: list[Any] = []

    def handler(event: Any, context: Any) -> dict[str, Any]:
        events.append(event)
        assert context.get_remaining_time_in_millis() > 0
        return {"batchItemFailures": []}

    work_on(queue.receive(10), queue, handler)
    (record,) = events[0]["Records"]
    assert record["eventSource"] == "aws:sqs"
    assert json.loads(record["body"])["detail"]["object"]["key"] == "a b/ü+%41.jpg"
    assert queue.receive(10, wait=0) == []


def test_only_what_failed_comes_again() -> None:
    queue = eager_queue("good", "bad")
    batch = queue.receive(10)
    work_on(batch, queue, lambda *_: {"batchItemFailures": [{"itemIdentifier": batch[1].id}]})
    assert [message.body for message in queue.receive(10, wait=0)] == ["bad"]


def test_all_comes_again_when_the_handler_raises() -> None:
    queue = eager_queue("one", "two")

    def handler(*_: Any) -> dict[str, Any]:
        raise RuntimeError("broken")

    work_on(queue.receive(10), queue, handler)
    assert {message.body for message in queue.receive(10, wait=0)} == {"one", "two"}


def test_the_handler_is_told_how_often_a_message_came() -> None:
    queue = eager_queue("x")
    counts: list[str] = []

    def handler(event: Any, _: Any) -> dict[str, Any]:
        (record,) = event["Records"]
        counts.append(record["attributes"]["ApproximateReceiveCount"])
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}

    for _ in range(3):
        work_on(queue.receive(10), queue, handler)
    assert counts == ["1", "2", "3"]


def test_what_is_settled_counts_no_longer_as_lag() -> None:
    queue = eager_queue("good", "bad")
    batch = queue.receive(10)
    work_on(batch, queue, lambda *_: {"batchItemFailures": [{"itemIdentifier": batch[1].id}]})
    assert queue.lag() == Lag(waiting=1, in_flight=0)
