"""The queue of changes in SQS, seen from outside."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from imagesearch.domain.errors import Unavailable
from imagesearch.states import Lag

WAITING = "ApproximateNumberOfMessages"
IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
# Whoever asks how the system is must not wait for this.
CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})


class SqsQueue:
    def __init__(self, url: str, client: Any = None) -> None:
        self._url = url
        self._sqs = client or boto3.client("sqs", config=CONFIG)

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
