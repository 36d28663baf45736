"""Each key is scheduled once, in messages that the indexing function parses."""

import json
from datetime import timedelta

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from functions.index_images.events import read_event
from imagesearch.adapters.sqs import SqsRecheckQueue
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import ImageRef

MINUTE = timedelta(minutes=1)
URL = "https://sqs.test/1/images"
ALL_TAKEN = {"Successful": [], "Failed": []}


@pytest.fixture
def sqs():
    with mock_aws():
        yield boto3.client("sqs", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")


def refs(count, key="2024/ünï 日本 {}.jpg"):
    return [ImageRef("photos", key.format(number)) for number in range(count)]


@pytest.mark.parametrize("count", [1, 10, 11, 256])
def test_every_key_is_sent_once(sqs, count):
    url = sqs.create_queue(QueueName="images")["QueueUrl"]
    SqsRecheckQueue(url, sqs).schedule(refs(count), timedelta(0))
    found = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        records = [
            {"eventSource": "aws:sqs", "messageId": each["MessageId"], "body": each["Body"]}
            for each in messages
        ]
        for message in read_event({"Records": records}, "photos"):
            assert message.error == ""
            assert len(message.images) <= 10
            found += message.images
    assert sorted(found, key=str) == sorted(refs(count), key=str)


def test_the_delay_of_a_message_is_limited_to_the_maximum_of_sqs(sqs):
    for after, seconds in ((MINUTE, 60), (timedelta(hours=2), 900)):
        sending = Stubber(sqs)
        body = json.dumps({"bucket": "photos", "keys": ["a"]})
        entry = {"Id": "0", "MessageBody": body, "DelaySeconds": seconds}
        sending.add_response("send_message_batch", ALL_TAKEN, {"QueueUrl": URL, "Entries": [entry]})
        with sending:
            SqsRecheckQueue(URL, sqs).schedule([ImageRef("photos", "a")], after)
            sending.assert_no_pending_responses()


def test_a_delayed_message_is_not_received_immediately(sqs):
    url = sqs.create_queue(QueueName="images")["QueueUrl"]
    SqsRecheckQueue(url, sqs).schedule(refs(1), MINUTE)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_a_denied_queue_is_unavailable(sqs):
    refusing = Stubber(sqs)
    refusing.add_client_error("send_message_batch", "AccessDenied")
    with refusing, pytest.raises(Unavailable) as raised:
        SqsRecheckQueue(URL, sqs).schedule(refs(1), MINUTE)
    assert "sqs:SendMessage" in raised.value.hint


def test_one_rejected_message_is_an_error(sqs):
    failing = Stubber(sqs)
    failed = {"Id": "0", "SenderFault": False, "Code": "InternalError", "Message": "try again"}
    failing.add_response("send_message_batch", {"Successful": [], "Failed": [failed]})
    with failing, pytest.raises(Unavailable, match="try again"):
        SqsRecheckQueue(URL, sqs).schedule(refs(1), MINUTE)
