"""Queue of file changes and its worker, in place of SQS and Lambda's event source mapping.

Messages are S3 events as EventBridge sends them. Failed ones are retried with exponential backoff,
and end in a dead-letter list.
"""

import heapq
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from imagesearch.domain.images import ImageRef
from imagesearch.domain.ports import Lag
from local.lambda_runtime import Handler, LambdaContext

MAX_RECEIVES = 5
FIRST_RETRY_SECONDS = 0.5
BATCH_MESSAGES = 32

log = logging.getLogger(__name__)


@dataclass(slots=True)
class QueuedMessage:
    """A message body; `receives` counts its deliveries."""

    id: str
    body: str
    receives: int = 0


class EventQueue:
    """Delivers each message until it is settled; thread-safe."""

    def __init__(
        self,
        max_receives: int = MAX_RECEIVES,
        first_retry_seconds: float = FIRST_RETRY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_receives = max_receives
        self._first_retry_seconds = first_retry_seconds
        self._clock = clock
        self._numbers = itertools.count(1)
        self._waiting: list[tuple[float, int, QueuedMessage]] = []
        self._changed = threading.Condition()
        self._handed_out: set[str] = set()
        self._closed = False
        self.dead_letters: list[QueuedMessage] = []

    def send(self, body: str) -> None:
        with self._changed:
            number = next(self._numbers)
            heapq.heappush(self._waiting, (self._clock(), number, QueuedMessage(str(number), body)))
            self._changed.notify()

    def receive(self, limit: int, wait: float | None = None) -> list[QueuedMessage]:
        """Up to `limit` messages; waits `wait` seconds for the first, or until closed if None."""
        until = None if wait is None else self._clock() + wait
        with self._changed:
            while not self._closed and not self._is_due():
                if until is not None and self._clock() >= until:
                    return []
                self._changed.wait(self._pause(until))
            return [] if self._closed else self._take(limit)

    def settle(self, message: QueuedMessage) -> None:
        """Remove a processed message."""
        with self._changed:
            self._handed_out.discard(message.id)

    def retry(self, message: QueuedMessage) -> None:
        """Deliver a failed message later, with exponential backoff, or move it to dead letters."""
        with self._changed:
            self._handed_out.discard(message.id)
            if message.receives >= self._max_receives:
                self.dead_letters.append(message)
                log.error("dropped after %d attempts: %s", message.receives, message.body)
                return
            due = self._clock() + self._first_retry_seconds * 2 ** (message.receives - 1)
            heapq.heappush(self._waiting, (due, next(self._numbers), message))
            self._changed.notify()

    def lag(self) -> Lag:
        """Counts as SQS has them: a message that waits for its retry is in flight."""
        now = self._clock()
        with self._changed:
            due = sum(moment <= now for moment, _, _ in self._waiting)
            later = len(self._waiting) - due
            return Lag(waiting=due, in_flight=later + len(self._handed_out))

    def close(self) -> None:
        """Wake all receivers; nothing is delivered any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    def _is_due(self) -> bool:
        return bool(self._waiting) and self._waiting[0][0] <= self._clock()

    def _pause(self, until: float | None) -> float | None:
        """Seconds until the next message or the deadline; None if there is neither."""
        ends = [self._waiting[0][0]] if self._waiting else []
        ends += [] if until is None else [until]
        return max(0.0, min(ends) - self._clock()) if ends else None

    def _take(self, limit: int) -> list[QueuedMessage]:
        taken: list[QueuedMessage] = []
        while len(taken) < limit and self._is_due():
            message = heapq.heappop(self._waiting)[2]
            message.receives += 1
            self._handed_out.add(message.id)
            taken.append(message)
        return taken


def work(queue: EventQueue, handler: Handler) -> None:
    """Pass batches to the handler until the queue is closed."""
    while not queue.closed:
        if batch := queue.receive(BATCH_MESSAGES):
            work_on(batch, queue, handler)


def work_on(batch: Sequence[QueuedMessage], queue: EventQueue, handler: Handler) -> None:
    """Settle the processed messages, retry those reported as failed; all of them on an error."""
    try:
        response = handler(_sqs_event(batch), LambdaContext("index_images"))
        failed = {item["itemIdentifier"] for item in response["batchItemFailures"]}
    except Exception:
        # At shutdown the handler loses its threads in the middle of a batch.
        if not queue.closed:
            log.exception("the indexing function failed on a batch of %d", len(batch))
        failed = {message.id for message in batch}
    for message in batch:
        if message.id in failed:
            queue.retry(message)
        else:
            queue.settle(message)


def _sqs_event(batch: Sequence[QueuedMessage]) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    return {"Records": [_sqs_record(message) for message in batch]}


def _sqs_record(message: QueuedMessage) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.id,
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": str(message.receives)},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:local:000000000000:images",
        "awsRegion": "local",
    }


def object_event(ref: ImageRef) -> str:
    """The body of a message that has a key processed, for creation, change and deletion alike.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    return json.dumps(
        {
            "version": "0",
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": ref.bucket}, "object": {"key": ref.key}},
        }
    )


def image_of(body: str) -> ImageRef:
    """The image that a message body names."""
    detail = json.loads(body)["detail"]
    return ImageRef(detail["bucket"]["name"], detail["object"]["key"])
