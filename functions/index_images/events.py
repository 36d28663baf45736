"""Parses S3 events into messages, and messages into references to images.

Events come from EventBridge or as S3 event notifications, either of them also through SNS. Only
bucket and key are used: the indexer reads the current state of the object instead of trusting the
event's type.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote_plus

from imagesearch.domain.images import ImageRef

# Depth limit of nested SNS notifications; real configurations have one level, at most two.
MAX_ENVELOPES = 2
NO_BUCKET_OR_KEY = "no bucket and key where S3 events have them"


class InvalidMessage(Exception):
    """A message that no retry makes readable: it belongs in the dead-letter queue."""


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """One message of a batch; `id` is None for an event that invoked the function directly.

    `error` is the first reason why a part of the message is unreadable, else empty; `images` are
    the references of its readable parts.
    """

    id: str | None
    images: tuple[ImageRef, ...] = ()
    error: str = ""


def read_event(event: Any, bucket: str) -> list[ParsedMessage]:
    """The messages of an SQS batch, or one message for any other event."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if isinstance(records, list) and records and all(map(_is_from_queue, records)):
        return [_message(record.get("messageId"), record.get("body"), bucket) for record in records]
    return [_message(None, event, bucket)]


def _is_from_queue(record: object) -> bool:
    return isinstance(record, Mapping) and record.get("eventSource") == "aws:sqs"


def _message(id: str | None, body: object, bucket: str) -> ParsedMessage:
    parsed = _parse(body, bucket)
    images = tuple(each for each in parsed if isinstance(each, ImageRef))
    errors = [str(each) for each in parsed if isinstance(each, InvalidMessage)]
    return ParsedMessage(id, images, errors[0] if errors else "")


ParsedObject: TypeAlias = ImageRef | InvalidMessage


def _parse(body: object, bucket: str, envelopes: int = MAX_ENVELOPES) -> list[ParsedObject]:
    """A reference or an error for each object in a JSON text or value."""
    try:
        return _objects(_json(body), bucket, envelopes)
    except InvalidMessage as error:
        return [error]
    except (KeyError, TypeError, AttributeError):
        return [InvalidMessage(NO_BUCKET_OR_KEY)]


def _json(body: object) -> Any:
    try:
        return json.loads(body) if isinstance(body, str) else body
    except (ValueError, RecursionError) as error:
        raise InvalidMessage("the message is not JSON") from error


def _objects(notification: Any, bucket: str, envelopes: int) -> list[ParsedObject]:
    """The objects of an S3, EventBridge, SNS or backfill message; none for S3's test event.

    Reconciliation sends messages in the format of a backfill, also for records of a bucket that the
    function indexed previously. Events of another bucket are a mistake in the configuration.
    """
    if notification.get("Event") == "s3:TestEvent":
        return []
    if isinstance(keys := notification.get("keys"), list):
        return [_ref(notification["bucket"], key) for key in keys]
    if notification.get("source") == "aws.s3":
        detail = notification["detail"]
        return [_event_ref(detail["bucket"]["name"], detail["object"]["key"], bucket)]
    if "TopicArn" in notification or notification.get("Type") == "Notification":
        return _from_envelope(notification, bucket, envelopes)
    return [
        each
        for record in notification["Records"]
        for each in _from_record(record, bucket, envelopes)
    ]


def _from_envelope(notification: Any, bucket: str, envelopes: int) -> list[ParsedObject]:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html"""
    kind = notification.get("Type", "Notification")
    if kind != "Notification":
        raise InvalidMessage(
            "an SNS message about a subscription: confirm the subscription by its SubscribeURL"
        )
    if not envelopes:
        raise InvalidMessage("too many nested SNS notifications")
    return _parse(notification["Message"], bucket, envelopes - 1)


def _from_record(record: Any, bucket: str, envelopes: int) -> list[ParsedObject]:
    """Keys are form-encoded in S3 event notifications, unlike in EventBridge events."""
    try:
        if record.get("EventSource") == "aws:sns":
            return _from_envelope(record["Sns"], bucket, envelopes)
        s3 = record["s3"]
        key = unquote_plus(s3["object"]["key"], errors="strict")
        return [_event_ref(s3["bucket"]["name"], key, bucket)]
    except UnicodeDecodeError:
        return [InvalidMessage("the key is not URL-encoded UTF-8")]
    except InvalidMessage as error:
        return [error]
    except (KeyError, TypeError, AttributeError):
        return [InvalidMessage(NO_BUCKET_OR_KEY)]


def _ref(bucket: object, key: object) -> ParsedObject:
    if not (isinstance(bucket, str) and isinstance(key, str) and key and _is_utf8(key)):
        return InvalidMessage("the key is empty or not a string")
    return ImageRef(bucket, key)


def _event_ref(event_bucket: object, key: object, bucket: str) -> ParsedObject:
    parsed = _ref(event_bucket, key)
    if isinstance(parsed, ImageRef) and parsed.bucket != bucket:
        return InvalidMessage("the object is in a different bucket from the function's")
    return parsed


def _is_utf8(key: str) -> bool:
    """False for lone surrogates, which JSON allows and keys do not."""
    return not any("\ud800" <= character <= "\udfff" for character in key)
