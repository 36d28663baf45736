"""Claims about parsing of events, with the files in events/."""

import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.index_images.events import ParsedMessage, read_event
from imagesearch.domain.images import ImageRef
from tests.support.handlers import EVENTS, in_queue

BUCKET = "imagesearch-images"
PANDA = ImageRef(BUCKET, "animals/giant-panda.webp")
HOLIDAY = ImageRef(BUCKET, "summer 2024/50% off + más 🐼.webp")


def read(name: str) -> list[ParsedMessage]:
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
def test_a_direct_event_is_one_message_without_an_id(name):
    assert read(name) == [ParsedMessage(None, (PANDA,))]


@pytest.mark.parametrize("name", ["sqs-eventbridge-deleted", "sqs-s3-delete-marker"])
def test_a_deletion_names_its_key_like_any_other_event(name):
    [message] = read(name)
    assert message.images == (PANDA,)


def test_a_key_in_s3_s_own_notification_is_decoded_once():
    [message] = read("sqs-s3-put")
    assert message.images == (HOLIDAY,)


def test_a_key_from_eventbridge_is_not_decoded():
    [message] = read("sqs-eventbridge-created")
    assert message.images == (HOLIDAY,)


def test_keys_of_a_backfill_message_are_not_decoded():
    [message] = read("sqs-backfill")
    assert message.images == (PANDA, HOLIDAY)


def test_a_message_of_reconciliation_may_name_another_bucket():
    [message] = read_event(in_queue({"bucket": "previous", "keys": ["a.jpg"]}), BUCKET)
    assert (message.images, message.error) == ((ImageRef("previous", "a.jpg"),), "")


@pytest.mark.parametrize("body", [{"keys": ["a"]}, {"bucket": BUCKET, "keys": [1]}])
def test_a_backfill_message_without_bucket_or_with_invalid_keys_is_invalid(body):
    [message] = read_event(in_queue(json.dumps(body)), BUCKET)
    assert message.error


def test_the_test_event_of_s3_is_valid_and_names_no_image():
    [message] = read("sqs-test-event")
    assert (message.images, message.error) == ((), "")


def test_only_the_message_with_garbage_is_invalid():
    messages = read("sqs-mixed-with-garbage")
    assert [bool(message.error) for message in messages] == [False, True, True, True, False]
    assert len({message.id for message in messages}) == 5


def test_a_notification_can_contain_several_objects():
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
def test_an_unknown_event_is_invalid_and_names_no_image(body):
    [message] = read_event(in_queue(body), BUCKET)
    assert message.error
    assert message.images == ()


@pytest.mark.parametrize("event", [None, {}, [], "text", {"Records": 7}])
def test_an_event_of_an_unknown_kind_is_invalid(event):
    [message] = read_event(event, BUCKET)
    assert message.id is None
    assert message.error


def test_error_messages_contain_no_user_input():
    [message] = read_event(in_queue(eventbridge("a secret.jpg", bucket="a secret")), BUCKET)
    assert "secret" not in message.error


@pytest.mark.parametrize("name", ["sqs-sns-s3-put", "sqs-sns-eventbridge-created"])
def test_an_sns_envelope_is_unwrapped(name):
    assert read(name)[0].images == (HOLIDAY,)


def test_the_test_event_of_s3_through_sns_is_valid_and_names_no_image():
    greeting = read("sqs-sns-s3-put")[1]
    assert (greeting.images, greeting.error) == ((), "")


def test_sns_can_invoke_the_function_directly():
    assert read("sns-s3-put-direct") == [ParsedMessage(None, (PANDA,))]


@pytest.mark.parametrize("name", ["sqs-eventbridge-restored", "sqs-s3-restored"])
def test_a_completed_restore_names_its_key_like_any_other_event(name):
    [message] = read(name)
    assert message.images == (PANDA,)


def envelope(message: object, kind: str = "Notification") -> dict:
    text = message if isinstance(message, str) else json.dumps(message)
    return {"Type": kind, "TopicArn": "arn:aws:sns:eu-west-1:1:topic", "Message": text}


def lambda_record(message: object) -> dict:
    return {"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": envelope(message)}


def deep(levels: int) -> object:
    message: object = eventbridge("a.jpg")
    for _ in range(levels):
        message = envelope(message)
    return message


@pytest.mark.parametrize(
    "body",
    [
        envelope("not JSON"),
        envelope(""),
        envelope("null"),
        envelope({}),
        {"Type": "Notification"},
        {"Type": "Notification", "Message": None},
        {"Type": "Notification", "Message": 7},
        envelope("You have chosen to subscribe", "SubscriptionConfirmation"),
        envelope("You have chosen to deactivate", "UnsubscribeConfirmation"),
        {"Records": [{"EventSource": "aws:sns"}]},
        {"Records": [{"EventSource": "aws:sns", "Sns": None}]},
        deep(3),
        deep(9),
    ],
    ids=lambda body: json.dumps(body)[:40],
)
def test_an_envelope_without_an_event_is_invalid(body):
    [message] = read_event(in_queue(body), BUCKET)
    assert message.error
    assert message.images == ()


def test_an_unconfirmed_subscription_is_named():
    body = envelope("You have chosen to subscribe", "SubscriptionConfirmation")
    [message] = read_event(in_queue(body), BUCKET)
    assert "SubscribeURL" in message.error


def s3_record(key: object, bucket: object = BUCKET) -> dict:
    return {"s3": {"bucket": {"name": bucket}, "object": {"key": key}}}


ODD_RECORDS = (
    *(None, 7, "text", [], {}, {"s3": None}, {"s3": {"bucket": {"name": BUCKET}}}),
    *(s3_record(""), s3_record(None), s3_record("%ff.jpg"), s3_record("%ED%A0%80.jpg")),
    *(s3_record("a.jpg", "another"), s3_record("a.jpg", None), lambda_record("not JSON")),
)


@pytest.mark.parametrize("odd", ODD_RECORDS, ids=lambda odd: json.dumps(odd)[:40])
@pytest.mark.parametrize("wrapped", [False, True])
def test_valid_records_of_a_message_are_processed_and_the_message_fails_for_the_others(
    odd, wrapped
):
    body = {"Records": [s3_record("a.jpg"), odd, s3_record("b%2B+c.jpg")]}
    [message] = read_event(in_queue(envelope(body) if wrapped else body), BUCKET)
    assert [image.key for image in message.images] == ["a.jpg", "b+ c.jpg"]
    assert message.error


@pytest.mark.parametrize("odd", [1, None, "", "\ud800", []])
def test_an_invalid_key_of_a_backfill_affects_no_other(odd):
    body = {"bucket": BUCKET, "keys": ["a.jpg", odd, "b.jpg"]}
    [message] = read_event(in_queue(body), BUCKET)
    assert [image.key for image in message.images] == ["a.jpg", "b.jpg"]
    assert message.error


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "Records Type Message TopicArn Sns EventSource s3 keys"
                " bucket name object key source detail Event".split()
            ),
            inner | st.sampled_from(("aws:sns", "aws.s3", "Notification", BUCKET)),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(JSON, max_size=3))
def test_any_record_is_parsed_into_one_message(bodies):
    messages = read_event(in_queue(*bodies, eventbridge("a.jpg")), BUCKET)
    assert [message.id for message in messages] == [str(n) for n in range(len(bodies) + 1)]
    assert messages[-1] == ParsedMessage(str(len(bodies)), (ImageRef(BUCKET, "a.jpg"),))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(JSON)
def test_any_direct_event_is_parsed_into_messages(event):
    assert all(isinstance(message, ParsedMessage) for message in read_event(event, BUCKET))


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_key_is_preserved_by_every_event_source(key):
    quoted = s3_record(quote_plus(key))
    ways = [
        {"Records": [quoted]},
        envelope({"Records": [quoted]}),
        eventbridge(key),
        envelope(eventbridge(key)),
        {"bucket": BUCKET, "keys": [key]},
    ]
    messages = read_event(in_queue(*ways), BUCKET)
    messages += read_event({"Records": [lambda_record({"Records": [quoted]})]}, BUCKET)
    assert {message.images for message in messages} == {(ImageRef(BUCKET, key),)}
