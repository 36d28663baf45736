"""Feeds the indexing function from the queue, as Lambda's event source mapping does."""

import logging
from collections.abc import Sequence
from typing import Any

from local.lambda_context import Handler, LambdaContext
from local.sync.queue import EventQueue, Message

BATCH_MESSAGES = 32

log = logging.getLogger(__name__)


def work(queue: EventQueue, handler: Handler) -> None:
    """Hand batches to the handler until the queue is closed."""
    while not queue.closed:
        if batch := queue.receive(BATCH_MESSAGES):
            work_on(batch, queue, handler)


def work_on(batch: Sequence[Message], queue: EventQueue, handler: Handler) -> None:
    """Settle what the handler did, and send back what it reports as failed: all, if it raises."""
    try:
        answer = handler(_sqs_event(batch), LambdaContext("index_images"))
        failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
    except Exception:
        # A process that ends while a batch is under way takes the handler's threads from it.
        if not queue.closed:
            log.exception("the indexing function failed on a batch of %d", len(batch))
        failed = {message.id for message in batch}
    for message in batch:
        if message.id in failed:
            queue.retry(message)
        else:
            queue.settle(message)


def _sqs_event(batch: Sequence[Message]) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    return {"Records": [_sqs_record(message) for message in batch]}


def _sqs_record(message: Message) -> dict[str, Any]:
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
