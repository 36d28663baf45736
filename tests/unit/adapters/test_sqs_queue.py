"""The length of the queue of changes, or an error."""

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from imagesearch.adapters.sqs import SqsQueue
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.ports import Lag

KEYS = {"aws_access_key_id": "an-id", "aws_secret_access_key": "a-secret"}


@pytest.fixture
def sqs():
    with mock_aws():
        yield boto3.client("sqs", "eu-west-1", **KEYS)


def test_waiting_and_in_flight_messages_are_counted_separately(sqs):
    url = sqs.create_queue(QueueName="images")["QueueUrl"]
    for body in "abc":
        sqs.send_message(QueueUrl=url, MessageBody=body)
    sqs.receive_message(QueueUrl=url)
    assert SqsQueue(url, sqs).lag() == Lag(waiting=2, in_flight=1)


def test_a_queue_without_permission_is_unavailable(sqs):
    refusing = Stubber(sqs)
    refusing.add_client_error("get_queue_attributes", "AccessDenied")
    with refusing, pytest.raises(Unavailable) as raised:
        SqsQueue("https://sqs.test/1/images", sqs).lag()
    assert "GetQueueAttributes" in raised.value.hint
