"""An empty moto account whose Step Functions run executions."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.support.aws.state_machine import BACKFILL, deployed, for_moto

REGION = "us-east-1"
BUCKET = "photos"
ROLE = "arn:aws:iam::123456789012:role/backfill"
SERVICES = {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}
Clients = Callable[[str], Any]


@pytest.fixture
def aws(monkeypatch, eventually) -> Iterator[Clients]:
    """Clients for the account."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    # The item reader of moto reads one page, and that of AWS all pages, so one page has all items.
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10000")
    with mock_aws(config=SERVICES):
        yield lambda service: boto3.client(service)
        # Executions run in threads, which would go on in the account of the next test.
        eventually("all executions end", lambda: not list(_running_executions()))


def _running_executions() -> Iterator[str]:
    states = boto3.client("stepfunctions")
    for machine in states.list_state_machines()["stateMachines"]:
        found = states.list_executions(
            stateMachineArn=machine["stateMachineArn"], statusFilter="RUNNING"
        )
        yield from (each["executionArn"] for each in found["executions"])


@pytest.fixture
def s3(aws) -> Any:
    s3 = aws("s3")
    s3.create_bucket(Bucket=BUCKET)
    return s3


@pytest.fixture
def queue(aws) -> Callable[[str], str]:
    """Creates a queue; returns its URL."""
    return lambda name: aws("sqs").create_queue(QueueName=name)["QueueUrl"]


@pytest.fixture
def machine(aws) -> Callable[..., str]:
    """Creates the state machine with these queues; returns its ARN."""

    def machine(backfill_queue: str, next_model_queue: str = "") -> str:
        definition = deployed(
            BACKFILL,
            Partition="aws",
            Bucket=BUCKET,
            BackfillQueueUrl=backfill_queue,
            NextModelQueueUrl=next_model_queue,
        )
        made = aws("stepfunctions").create_state_machine(
            name="backfill", definition=json.dumps(for_moto(definition)), roleArn=ROLE
        )
        return made["stateMachineArn"]

    return machine


@pytest.fixture
def drain(aws) -> Callable[[str], list[dict[str, Any]]]:
    """Receives all messages of a queue, as records of a Lambda event."""

    def drain(url: str) -> list[dict[str, Any]]:
        sqs, records = aws("sqs"), []
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for each in found:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
                records.append(
                    {
                        "messageId": each["MessageId"],
                        "eventSource": "aws:sqs",
                        "body": each["Body"],
                    }
                )
        return records

    return drain
