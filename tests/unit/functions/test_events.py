"""Claims about how events are read, with the files that describe them."""

import json

import pytest

from functions.index_images.events import Message, read_event
from imagesearch.domain import ImageRef

from .calling import EVENTS, in_queue

BUCKET = "imagesearch-images"
PANDA = ImageRef(BUCKET, "animals/giant-panda.webp")
HOLIDAY = ImageRef(BUCKET, "summer 2024/50% off + más 🐼.webp")


def read(name: str) -> list[Message]:
    return read_event(json.loads((EVENTS / f"{name}.json").read_text()), BUCKET)


@pytest.mark.parametrize(
    "name",
    [
        "s3-put-direct",
        "s3-delete-direct",
        "eventbridge-object-created",
        "eventbridge-object-deleted",
    ],
)
def test_an_event_that_comes_straight_is_one_message_without_an_id(name):
    assert read(name) == [Message(None, (PANDA,))]


@pytest.mark.parametrize("name", ["sqs-eventbridge-deleted", "sqs-s3-delete-marker"])
def test_a_deletion_names_its_key_like_any_other_event(name):
    [message] = read(name)
    assert message.images == (PANDA,)


def test_a_key_in_s3_s_own_notification_is_decoded_once():
    [message] = read("sqs-s3-put")
    assert message.images == (HOLIDAY,)


def test_a_key_from_eventbridge_is_taken_as_it_is():
    [message] = read("sqs-eventbridge-created")
    assert message.images == (HOLIDAY,)


def test_a_backfill_s_message_names_many_keys_as_they_are():
    [message] = read("sqs-backfill")
    assert message.images == (PANDA, HOLIDAY)


@pytest.mark.parametrize("body", [{"keys": ["a"]}, {"bucket": BUCKET, "keys": [1]}])
def test_a_backfill_s_message_without_bucket_or_with_odd_keys_is_trouble(body):
    [message] = read_event(in_queue(json.dumps(body)), BUCKET)
    assert message.trouble


def test_s3_s_greeting_names_no_image_and_is_no_trouble():
    [message] = read("sqs-test-event")
    assert (message.images, message.trouble) == ((), "")


def test_garbage_is_trouble_for_its_own_message_alone():
    messages = read("sqs-mixed-with-garbage")
    assert [bool(message.trouble) for message in messages] == [False, True, True, True, False]
    assert len({message.id for message in messages}) == 5


def test_a_notification_can_name_several_objects():
    def record(key: str) -> dict:
        return {"s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}}

    [message] = read_event(in_queue({"Records": [record("a.jpg"), record("b%2B+c.jpg")]}), BUCKET)
    assert [image.key for image in message.images] == ["a.jpg", "b+ c.jpg"]


def eventbridge(key: object, bucket: object = BUCKET) -> dict:
    return {"source": "aws.s3", "detail": {"bucket": {"name": bucket}, "object": {"key": key}}}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not JSON",
        "null",
        "7",
        "[]",
        '"text"',
        "{}",
        "[" * 100_000,
        '{"Records": ' + "1" * 5_000 + "}",
        {"Records": None},
        {"Records": [7]},
        {"Records": [{"s3": {}}]},
        {"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": "%ff.jpg"}}}]},
        {"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": None}}}]},
        {"source": "aws.s3", "detail": {}},
        eventbridge(""),
        eventbridge(7),
        eventbridge(None),
        eventbridge("half \ud800 pair.jpg"),
        eventbridge("a.jpg", bucket="another"),
        eventbridge("a.jpg", bucket=None),
    ],
    ids=lambda body: str(body)[:40].encode("ascii", "replace").decode(),
)
def test_what_is_not_understood_says_so_and_names_no_image(body):
    [message] = read_event(in_queue(body), BUCKET)
    assert message.trouble
    assert message.images == ()


@pytest.mark.parametrize("event", [None, {}, [], "text", {"Records": 7}])
def test_an_event_that_is_nothing_known_is_trouble(event):
    [message] = read_event(event, BUCKET)
    assert message.id is None
    assert message.trouble


def test_no_trouble_s_wording_repeats_what_a_user_wrote():
    [message] = read_event(in_queue(eventbridge("a secret.jpg", bucket="a secret")), BUCKET)
    assert "secret" not in message.trouble
