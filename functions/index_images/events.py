"""Reads an event into messages, and a message into the images it speaks of.

Only bucket and key are taken from an event: what happened to the object is looked up, not believed.
Events come from EventBridge, from S3's own notifications, and either of them by way of SNS.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote_plus

from imagesearch.domain.images import ImageRef

# A topic's text is what S3 or EventBridge said; nothing sensible lies deeper.
MOST_ENVELOPES = 2
NAMES_NOTHING = "the message names no bucket and key where S3's events do"


class NotUnderstood(Exception):
    """A message that no retry will make readable: it belongs into the dead-letter queue."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a batch; `id` is None where the event came straight to the function.

    `trouble` says why some of the message could not be understood; `images` are of the rest.
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
    found = [_of_bucket(each, bucket) for each in _named(body)]
    images = tuple(each for each in found if isinstance(each, ImageRef))
    troubles = [str(each) for each in found if isinstance(each, NotUnderstood)]
    return Message(id, images, troubles[0] if troubles else "")


Named: TypeAlias = ImageRef | NotUnderstood


def _named(body: object, envelopes: int = MOST_ENVELOPES) -> list[Named]:
    """The images that a text or a JSON value names, and what of it is not understood."""
    try:
        return _objects(_json(body), envelopes)
    except NotUnderstood as error:
        return [error]
    except (KeyError, TypeError, AttributeError):
        return [NotUnderstood(NAMES_NOTHING)]


def _json(body: object) -> Any:
    try:
        return json.loads(body) if isinstance(body, str) else body
    except (ValueError, RecursionError) as error:
        raise NotUnderstood("the message is not JSON") from error


def _objects(notification: Any, envelopes: int) -> list[Named]:
    """Those of S3's notification or greeting (none), an EventBridge event, a backfill, or SNS."""
    if notification.get("Event") == "s3:TestEvent":
        return []
    if isinstance(keys := notification.get("keys"), list):
        return [_ref(notification["bucket"], key) for key in keys]
    if notification.get("source") == "aws.s3":
        detail = notification["detail"]
        return [_ref(detail["bucket"]["name"], detail["object"]["key"])]
    if "TopicArn" in notification or notification.get("Type") == "Notification":
        return _in_envelope(notification, envelopes)
    return [each for record in notification["Records"] for each in _of_record(record, envelopes)]


def _in_envelope(notification: Any, envelopes: int) -> list[Named]:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html"""
    kind = notification.get("Type", "Notification")
    if kind != "Notification":
        raise NotUnderstood(
            "the message is of SNS itself, about a subscription: confirm it by its SubscribeURL"
        )
    if not envelopes:
        raise NotUnderstood("the message is too many SNS notifications in each other")
    return _named(notification["Message"], envelopes - 1)


def _of_record(record: Any, envelopes: int) -> list[Named]:
    """S3 writes keys into its own notifications as a form does: decoded once, here."""
    try:
        if record.get("EventSource") == "aws:sns":
            return _in_envelope(record["Sns"], envelopes)
        s3 = record["s3"]
        return [_ref(s3["bucket"]["name"], unquote_plus(s3["object"]["key"], errors="strict"))]
    except UnicodeDecodeError:
        return [NotUnderstood("the message's key is not URL-encoded UTF-8")]
    except NotUnderstood as error:
        return [error]
    except (KeyError, TypeError, AttributeError):
        return [NotUnderstood(NAMES_NOTHING)]


def _ref(bucket: object, key: object) -> Named:
    if not (isinstance(bucket, str) and isinstance(key, str) and key and _is_utf8(key)):
        return NotUnderstood("the message's key is empty or no text")
    return ImageRef(bucket, key)


def _is_utf8(key: str) -> bool:
    """JSON can say half a surrogate pair, which no key can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in key)


def _of_bucket(named: Named, bucket: str) -> Named:
    if isinstance(named, ImageRef) and named.bucket != bucket:
        return NotUnderstood("the message is about another bucket than the function's")
    return named
