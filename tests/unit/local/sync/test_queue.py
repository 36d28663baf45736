"""The queue redelivers messages with growing delays until success or a limit.

The worker calls the indexing function like Lambda, and retries the reported failures.
"""

import json
import threading
from typing import Any

import pytest

from imagesearch.domain.images import ImageRef
from imagesearch.domain.ports import Lag
from local.sync.queue import EventQueue, object_event, work_on
from tests.support.waiting import PATIENCE_SECONDS


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> EventQueue:
    return EventQueue(max_receives=3, first_retry_seconds=1.0, clock=clock)


def test_messages_are_received_in_order_up_to_the_limit(queue: EventQueue) -> None:
    for body in "abc":
        queue.send(body)
    assert [message.body for message in queue.receive(2)] == ["a", "b"]
    assert [message.body for message in queue.receive(2)] == ["c"]


def test_an_empty_queue_returns_no_messages(queue: EventQueue) -> None:
    assert queue.receive(10, wait=0) == []


def test_a_failed_message_is_retried_with_growing_delays(queue: EventQueue, clock: Clock) -> None:
    queue.send("x")
    for pause in (1.0, 2.0):
        (message,) = queue.receive(10, wait=0)
        queue.retry(message)
        clock.now += pause - 0.01
        assert queue.receive(10, wait=0) == []
        clock.now += 0.01
    (message,) = queue.receive(10, wait=0)
    assert message.receives == 3


def test_a_message_that_keeps_failing_becomes_a_dead_letter(
    queue: EventQueue, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    queue.send("hopeless")
    for _ in range(3):
        (message,) = queue.receive(10, wait=0)
        queue.retry(message)
        clock.now += 100
    assert queue.receive(10, wait=0) == []
    assert [message.body for message in queue.dead_letters] == ["hopeless"]
    assert "hopeless" in caplog.text


def test_a_failed_message_does_not_block_the_others(queue: EventQueue) -> None:
    queue.send("bad")
    queue.retry(*queue.receive(1))
    queue.send("good")
    assert [message.body for message in queue.receive(10)] == ["good"]


def test_closing_wakes_waiting_receivers() -> None:
    queue = EventQueue()
    received: list[object] = []
    waiting = threading.Thread(target=lambda: received.append(queue.receive(1)))
    waiting.start()
    queue.close()
    waiting.join(PATIENCE_SECONDS)
    assert received == [[]]


def test_a_message_wakes_a_waiting_receiver() -> None:
    queue = EventQueue()
    received: list[str] = []
    waiting = threading.Thread(target=lambda: received.extend(m.body for m in queue.receive(1)))
    waiting.start()
    queue.send("here")
    waiting.join(PATIENCE_SECONDS)
    assert received == ["here"]


def test_the_lag_separates_waiting_and_in_flight_messages(queue: EventQueue, clock: Clock) -> None:
    for body in "abc":
        queue.send(body)
    assert queue.lag() == Lag(waiting=3, in_flight=0)
    done, failed = queue.receive(2)
    assert queue.lag() == Lag(waiting=1, in_flight=2)
    queue.settle(done)
    queue.retry(failed)
    assert queue.lag() == Lag(waiting=1, in_flight=1)
    clock.now += 1.0
    assert queue.lag() == Lag(waiting=2, in_flight=0)


def test_a_dead_letter_does_not_count_as_lag(queue: EventQueue, clock: Clock) -> None:
    queue.send("hopeless")
    for _ in range(3):
        (message,) = queue.receive(10, wait=0)
        queue.retry(message)
        clock.now += 100
    assert (len(queue.dead_letters), queue.lag()) == (1, Lag(waiting=0, in_flight=0))


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


def test_only_failed_messages_are_retried() -> None:
    queue = eager_queue("good", "bad")
    batch = queue.receive(10)
    work_on(batch, queue, lambda *_: {"batchItemFailures": [{"itemIdentifier": batch[1].id}]})
    assert [message.body for message in queue.receive(10, wait=0)] == ["bad"]


def test_all_messages_are_retried_when_the_handler_raises() -> None:
    queue = eager_queue("one", "two")

    def handler(*_: Any) -> dict[str, Any]:
        raise RuntimeError("broken")

    work_on(queue.receive(10), queue, handler)
    assert {message.body for message in queue.receive(10, wait=0)} == {"one", "two"}


def test_the_handler_gets_the_receive_count() -> None:
    queue = eager_queue("x")
    counts: list[str] = []

    def handler(event: Any, _: Any) -> dict[str, Any]:
        (record,) = event["Records"]
        counts.append(record["attributes"]["ApproximateReceiveCount"])
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}

    for _ in range(3):
        work_on(queue.receive(10), queue, handler)
    assert counts == ["1", "2", "3"]


def test_processed_messages_do_not_count_as_lag() -> None:
    queue = eager_queue("good", "bad")
    batch = queue.receive(10)
    work_on(batch, queue, lambda *_: {"batchItemFailures": [{"itemIdentifier": batch[1].id}]})
    assert queue.lag() == Lag(waiting=1, in_flight=0)
