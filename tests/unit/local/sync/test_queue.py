"""The queue hands every message out until it is settled, later each time, and not for ever."""

import threading

import pytest

from imagesearch.domain.ports import Lag
from local.sync.queue import EventQueue
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


def test_messages_come_in_the_order_they_were_sent_up_to_the_limit(queue: EventQueue) -> None:
    for body in "abc":
        queue.send(body)
    assert [message.body for message in queue.receive(2)] == ["a", "b"]
    assert [message.body for message in queue.receive(2)] == ["c"]


def test_nothing_comes_of_an_empty_queue(queue: EventQueue) -> None:
    assert queue.receive(10, wait=0) == []


def test_a_failed_message_comes_again_later_and_later(queue: EventQueue, clock: Clock) -> None:
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


def test_a_failed_message_does_not_hold_up_the_others(queue: EventQueue) -> None:
    queue.send("bad")
    queue.retry(*queue.receive(1))
    queue.send("good")
    assert [message.body for message in queue.receive(10)] == ["good"]


def test_closing_releases_who_waits() -> None:
    queue = EventQueue()
    received: list[object] = []
    waiting = threading.Thread(target=lambda: received.append(queue.receive(1)))
    waiting.start()
    queue.close()
    waiting.join(PATIENCE_SECONDS)
    assert received == [[]]


def test_a_message_wakes_who_waits() -> None:
    queue = EventQueue()
    received: list[str] = []
    waiting = threading.Thread(target=lambda: received.extend(m.body for m in queue.receive(1)))
    waiting.start()
    queue.send("here")
    waiting.join(PATIENCE_SECONDS)
    assert received == ["here"]


def test_the_lag_tells_what_waits_from_what_is_under_way(queue: EventQueue, clock: Clock) -> None:
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


def test_a_dead_letter_is_no_lag(queue: EventQueue, clock: Clock) -> None:
    queue.send("hopeless")
    for _ in range(3):
        (message,) = queue.receive(10, wait=0)
        queue.retry(message)
        clock.now += 100
    assert (len(queue.dead_letters), queue.lag()) == (1, Lag(waiting=0, in_flight=0))
