"""Has keys looked at once more, by messages with a delay to a queue of the indexing function.

The queue of changes in SQS, seen from outside.
"""

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

# As a backfill does: a function has time for as many, even if each has to be embedded.
KEYS_A_MESSAGE = 10
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MESSAGES_A_REQUEST = 10
LONGEST_DELAY = timedelta(minutes=15)
SEND_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 3})


class SqsRecheckQueue:
    """Messages say `{"bucket": …, "keys": […]}`, as those of a backfill do."""

    def __init__(self, url: str, client: Any = None) -> None:
        self._url = url
        self._sqs = client or boto3.client("sqs", config=SEND_CONFIG)

    def schedule(self, refs: Sequence[ImageRef], after: timedelta) -> None:
        """Where that time is longer than SQS can wait, who looks too early sends them on."""
        seconds = ceil(min(after, LONGEST_DELAY).total_seconds())
        messages = [
            {"Id": str(number), "MessageBody": body, "DelaySeconds": seconds}
            for number, body in enumerate(_bodies(refs))
        ]
        for start in range(0, len(messages), MESSAGES_A_REQUEST):
            self._send(messages[start : start + MESSAGES_A_REQUEST])

    def _send(self, messages: Sequence[dict[str, Any]]) -> None:
        try:
            answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=messages)
        except (ClientError, BotoCoreError) as error:
            raise _not_taken(str(error)) from error
        if failed := answer.get("Failed"):
            raise _not_taken(failed[0].get("Message") or failed[0]["Code"])


def _bodies(refs: Sequence[ImageRef]) -> list[str]:
    keys: dict[str, list[str]] = {}
    for ref in refs:
        keys.setdefault(ref.bucket, []).append(ref.key)
    return [
        json.dumps({"bucket": bucket, "keys": some[start : start + KEYS_A_MESSAGE]})
        for bucket, some in keys.items()
        for start in range(0, len(some), KEYS_A_MESSAGE)
    ]


def _not_taken(reason: str) -> Unavailable:
    return Unavailable(
        f"SQS does not take a message about keys to look at once more: {reason}",
        "check REVISIT_QUEUE_URL, and that the function's role has sqs:SendMessage on it",
    )


WAITING = "ApproximateNumberOfMessages"
IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
# Whoever asks how the system is must not wait for this.
LAG_CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})


class SqsQueue:
    def __init__(self, url: str, client: Any = None) -> None:
        self._url = url
        self._sqs = client or boto3.client("sqs", config=LAG_CONFIG)

    def lag(self) -> Lag:
        """SQS's own estimate: it may be a minute old."""
        try:
            found = self._sqs.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=[WAITING, IN_FLIGHT]
            )["Attributes"]
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(
                f"SQS does not say how long the queue is: {error}",
                "check QUEUE_URL, and that the function's role has sqs:GetQueueAttributes on it",
            ) from error
        return Lag(waiting=int(found[WAITING]), in_flight=int(found[IN_FLIGHT]))
