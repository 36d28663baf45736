"""Reads an event into messages, and a message into the images it speaks of.

Only bucket and key are taken from an event: what happened to the object is looked up, not believed.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from imagesearch.domain import ImageRef


class NotUnderstood(Exception):
    """A message that no retry will make readable: it belongs into the dead-letter queue."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a batch; `id` is None where the event came straight to the function.

    `trouble` says why the message could not be understood; it then has no images.
    """

    id: str | None
    images: tuple[ImageRef, ...] = ()
    trouble: str = ""


def read_event(event: Any, bucket: str) -> list[Message]:
    """The messages of an SQS batch, or the one message that the event itself is."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if isinstance(records, list) and records and all(map(_is_from_queue, records)):
        return [_message(record.get("messageId"), record.get("body"), bucket) for record in records]
    return [_message(None, event, bucket)]


def _is_from_queue(record: object) -> bool:
    return isinstance(record, Mapping) and record.get("eventSource") == "aws:sqs"


def _message(id: str | None, body: object, bucket: str) -> Message:
    try:
        images = tuple(_of_bucket(_images(_json(body)), bucket))
    except NotUnderstood as error:
        return Message(id, trouble=str(error))
    except (KeyError, TypeError, AttributeError):
        return Message(id, trouble="the message names no bucket and key where S3's events do")
    return Message(id, images)


def _json(body: object) -> Any:
    try:
        return json.loads(body) if isinstance(body, str) else body
    except (ValueError, RecursionError) as error:
        raise NotUnderstood("the message is not JSON") from error


def _images(notification: Any) -> Iterable[ImageRef]:
    """The images of S3's notification or greeting (none), an EventBridge event, or a backfill."""
    if notification.get("Event") == "s3:TestEvent":
        return []
    if isinstance(keys := notification.get("keys"), list):
        return [_ref(notification["bucket"], key) for key in keys]
    if notification.get("source") == "aws.s3":
        detail = notification["detail"]
        return [_ref(detail["bucket"]["name"], detail["object"]["key"])]
    return [_of_record(record["s3"]) for record in notification["Records"]]


def _of_record(s3: Any) -> ImageRef:
    """S3 writes keys into its own notifications as a form does: decoded once, here."""
    try:
        return _ref(s3["bucket"]["name"], unquote_plus(s3["object"]["key"], errors="strict"))
    except UnicodeDecodeError as error:
        raise NotUnderstood("the message's key is not URL-encoded UTF-8") from error


def _ref(bucket: object, key: object) -> ImageRef:
    if not (isinstance(bucket, str) and isinstance(key, str) and key and _is_utf8(key)):
        raise NotUnderstood("the message's key is empty or no text")
    return ImageRef(bucket, key)


def _is_utf8(key: str) -> bool:
    """JSON can say half a surrogate pair, which no key can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in key)


def _of_bucket(images: Iterable[ImageRef], bucket: str) -> Iterable[ImageRef]:
    for image in images:
        if image.bucket != bucket:
            raise NotUnderstood("the message is about another bucket than the function's")
        yield image
