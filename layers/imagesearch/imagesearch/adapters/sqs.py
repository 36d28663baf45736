"""SQS queues: delayed messages that reprocess keys, and the length of the queue of changes."""

import json
from collections.abc import Sequence
from datetime import timedelta
from math import ceil
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import ImageRef
from imagesearch.domain.ports import Lag

# As in a backfill: the function has time to embed this many images.
KEYS_PER_MESSAGE = 10
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MESSAGES_PER_REQUEST = 10
MAX_DELAY = timedelta(minutes=15)
SEND_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 3})
WAITING = "ApproximateNumberOfMessages"
IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
# A health check must not wait for this.
LAG_CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})


class SqsRecheckQueue:
    """Messages have the form `{"bucket": …, "keys": […]}`, as those of a backfill."""

    def __init__(self, url: str, client: Any = None) -> None:
        self._url = url
        self._sqs = client or boto3.client("sqs", config=SEND_CONFIG)

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._sqs.close()

    def schedule(self, refs: Sequence[ImageRef], after: timedelta) -> None:
        """A delay above 15 minutes is reduced to that; the indexer reschedules early keys."""
        seconds = ceil(min(after, MAX_DELAY).total_seconds())
        messages = [
            {"Id": str(number), "MessageBody": body, "DelaySeconds": seconds}
            for number, body in enumerate(_bodies(refs))
        ]
        for start in range(0, len(messages), MESSAGES_PER_REQUEST):
            self._send(messages[start : start + MESSAGES_PER_REQUEST])

    def _send(self, messages: Sequence[dict[str, Any]]) -> None:
        try:
            response = self._sqs.send_message_batch(QueueUrl=self._url, Entries=messages)
        except (ClientError, BotoCoreError) as error:
            raise _rejected(str(error)) from error
        if failed := response.get("Failed"):
            raise _rejected(failed[0].get("Message") or failed[0]["Code"])


class SqsQueue:
    """Implements ChangeQueue."""

    def __init__(self, url: str, client: Any = None) -> None:
        self._url = url
        self._sqs = client or boto3.client("sqs", config=LAG_CONFIG)

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._sqs.close()

    def lag(self) -> Lag:
        """The estimate of SQS, which may be a minute old."""
        try:
            found = self._sqs.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=[WAITING, IN_FLIGHT]
            )["Attributes"]
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(
                f"cannot read the length of the queue: {error}",
                "check QUEUE_URL, and that the function's role has sqs:GetQueueAttributes on it",
            ) from error
        return Lag(waiting=int(found[WAITING]), in_flight=int(found[IN_FLIGHT]))


def _bodies(refs: Sequence[ImageRef]) -> list[str]:
    keys: dict[str, list[str]] = {}
    for ref in refs:
        keys.setdefault(ref.bucket, []).append(ref.key)
    return [
        json.dumps({"bucket": bucket, "keys": some[start : start + KEYS_PER_MESSAGE]})
        for bucket, some in keys.items()
        for start in range(0, len(some), KEYS_PER_MESSAGE)
    ]


def _rejected(reason: str) -> Unavailable:
    return Unavailable(
        f"SQS rejects a message to reprocess keys: {reason}",
        "check REVISIT_QUEUE_URL, and that the function's role has sqs:SendMessage on it",
    )
