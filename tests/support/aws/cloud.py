"""A bucket whose changes reach a queue, and a Lambda service that empties it into a handler."""

import contextlib
import json
import uuid
from collections.abc import Callable
from typing import Any

from tests.support import waiting

BUCKET = "imagesearch-images"
DERIVED = "imagesearch-derived"
REGION = "eu-west-1"
RECEIVES = 3
# As long as a function may work on what it received. In a test that is as long as it takes: the
# receipt of a message that is handed out again meanwhile is worth nothing.
HIDDEN_SECONDS = 12 * 60 * 60

Handler = Callable[[Any], dict[str, Any]]


class Cloud:
    """One bucket."""

    def __init__(self, s3: Any, sqs: Any, events: Any) -> None:
        self.s3, self._sqs, self._events = s3, sqs, events
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

    def put(self, key: str, data: bytes, **metadata: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=data, Metadata=metadata)

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=BUCKET, Key=key)

    def copy_onto_itself(self, key: str, **metadata: str) -> None:
        """Replace the metadata of an object, as S3 requires it."""
        source = {"Bucket": BUCKET, "Key": key}
        self.s3.copy_object(
            Bucket=BUCKET,
            Key=key,
            CopySource=source,
            Metadata=metadata,
            MetadataDirective="REPLACE",
        )

    def queue(self, by: str, **more: Any) -> "Queue":
        queue = Queue(self._sqs, **more)
        if by == "s3":
            self._notify(queue.arn)
        else:
            self._rule(queue.arn)
        return queue

    def _notify(self, arn: str) -> None:
        to_queue = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [to_queue]}
        )

    def _rule(self, arn: str) -> None:
        self.s3.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        pattern = {
            "source": ["aws.s3"],
            "detail-type": ["Object Created", "Object Deleted"],
            "detail": {"bucket": {"name": [BUCKET]}},
        }
        rule = f"images-{uuid.uuid4().hex}"
        self._events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
        self._events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])


class Queue:
    """A queue with a dead-letter queue; what fails can be received again after `again` seconds."""

    def __init__(self, sqs: Any, again: int = 0, receives: int = RECEIVES) -> None:
        self._sqs, self._again = sqs, again
        self._dead_url, dead_arn = self._make({})
        policy = {"deadLetterTargetArn": dead_arn, "maxReceiveCount": str(receives)}
        attributes = {"VisibilityTimeout": str(HIDDEN_SECONDS), "RedrivePolicy": json.dumps(policy)}
        self.url, self.arn = self._make(attributes)

    def send(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def receive(self) -> list[dict[str, Any]]:
        return self._receive(self.url)

    def dead(self) -> list[str]:
        return [message["Body"] for message in self._receive(self._dead_url)]

    def is_empty(self) -> bool:
        """True if no message is waiting or in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return all(number == "0" for number in found["Attributes"].values())

    def drain(self, handler: Handler) -> None:
        """Give batches to the handler until the queue is empty, as Lambda does."""

        def none_left() -> bool:
            if messages := self.receive():
                self.settle(messages, handler(event_of(messages)))
            return not messages

        waiting.eventually("the queue is empty", none_left)

    def settle(self, messages: list[dict[str, Any]], answer: dict[str, Any]) -> None:
        """Delete what was not said to have failed; the rest can be received again."""
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for message in messages:
            which = {"QueueUrl": self.url, "ReceiptHandle": message["ReceiptHandle"]}
            if message["MessageId"] in failed:
                self._show_again(which)
            else:
                self._sqs.delete_message(**which)

    def _show_again(self, which: dict[str, str]) -> None:
        """A message may be handed out twice: then the other receipt counts, as on AWS."""
        with contextlib.suppress(self._sqs.exceptions.ReceiptHandleIsInvalid):
            self._sqs.change_message_visibility(**which, VisibilityTimeout=self._again)

    def _make(self, attributes: dict[str, str]) -> tuple[str, str]:
        url = self._sqs.create_queue(QueueName=uuid.uuid4().hex, Attributes=attributes)["QueueUrl"]
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, found["Attributes"]["QueueArn"]

    def _receive(self, url: str) -> list[dict[str, Any]]:
        found = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return found.get("Messages", [])


def event_of(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The event that Lambda makes of received messages."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {},
                "messageAttributes": {},
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:images",
                "awsRegion": REGION,
            }
            for message in messages
        ]
    }


def eventually(claim: Callable[[], bool]) -> bool:
    """Waits until a claim is true: an index shows writes shortly after."""
    waiting.eventually("the claim is true", claim)
    return True
