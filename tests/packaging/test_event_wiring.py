"""Claims: events of the template's bucket reach its queues, in moto."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.index_images.events import read_event

KEY = "Ünïcode & co/a dog+1 100%.jpg"
PARTS = ("ImageBucket", "ObjectChanges", "ImageQueue", "DeadLetterQueue")


@pytest.fixture
def aws(monkeypatch) -> Iterator[Callable[[str], Any]]:
    """Clients for an empty account."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "none")
    with mock_aws():
        yield lambda service: boto3.client(service, region_name="us-east-1")


@pytest.fixture
def deploy(aws, translate) -> Callable[..., dict[str, str]]:
    """Creates the resources; returns their names by logical ID."""

    def deploy(*parts: str, **parameters: str) -> dict[str, str]:
        parameters = {"Release": "1" * 40} | parameters
        template = translate(**parameters)
        del template["Outputs"], template["Rules"]
        template["Resources"] = {name: template["Resources"][name] for name in parts}
        rule = template["Resources"]["ObjectChanges"]["Properties"]
        rule["Targets"] = list(without_gaps(rule["Targets"], parameters))
        cloudformation = aws("cloudformation")
        cloudformation.create_stack(
            StackName="images",
            TemplateBody=json.dumps(template),
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
        )
        made = cloudformation.describe_stack_resources(StackName="images")["StackResources"]
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for each in made
            if "PhysicalResourceId" in each
        }

    return deploy


def without_gaps(
    targets: list[dict[str, Any]], parameters: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """The targets of the rule, without the gaps of moto for AWS::NoValue."""
    for target in targets:
        if "Fn::If" not in target:
            yield target
        elif "NextModelUri" in parameters:
            yield target["Fn::If"][1]


@pytest.fixture
def notifying(aws) -> Callable[[str], None]:
    """Enables the EventBridge events of a bucket, which the CloudFormation of moto ignores."""

    def notifying(bucket: str) -> None:
        aws("s3").put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )

    return notifying


@pytest.fixture
def waiting(aws) -> Callable[[str], list[dict[str, Any]]]:
    """The messages of a queue, as records of a Lambda event."""

    def waiting(queue: str) -> list[dict[str, Any]]:
        messages = aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        return [
            {"messageId": each["MessageId"], "eventSource": "aws:sqs", "body": each["Body"]}
            for each in messages.get("Messages", [])
        ]

    return waiting


def images(records: list[dict[str, Any]], bucket: str) -> list[str]:
    messages = read_event({"Records": records}, bucket)
    assert not any(message.error for message in messages)
    return [image.key for message in messages for image in message.images]


def test_creation_and_deletion_of_an_object_are_two_messages(aws, deploy, notifying, waiting):
    made = deploy(*PARTS)
    notifying(made["ImageBucket"])
    aws("s3").put_object(Bucket=made["ImageBucket"], Key=KEY, Body=b"pixels")
    aws("s3").delete_object(Bucket=made["ImageBucket"], Key=KEY)
    assert images(waiting(made["ImageQueue"]), made["ImageBucket"]) == [KEY, KEY]
    assert waiting(made["DeadLetterQueue"]) == []


def test_objects_of_other_buckets_are_ignored(aws, deploy, notifying, waiting):
    made = deploy(*PARTS)
    aws("s3").create_bucket(Bucket="another")
    notifying("another")
    aws("s3").put_object(Bucket="another", Key=KEY, Body=b"pixels")
    assert waiting(made["ImageQueue"]) == []


def test_an_existing_bucket_can_be_used_instead(aws, deploy, notifying, waiting):
    aws("s3").create_bucket(Bucket="photos-of-2019")
    notifying("photos-of-2019")
    made = deploy(*PARTS, ExistingBucketName="photos-of-2019")
    assert "ImageBucket" not in made
    aws("s3").put_object(Bucket="photos-of-2019", Key=KEY, Body=b"pixels")
    assert images(waiting(made["ImageQueue"]), "photos-of-2019") == [KEY]


def test_a_next_model_receives_the_same_events(aws, deploy, notifying, waiting):
    made = deploy(*PARTS, "NextModelQueue", NextModelUri="s3://models/next/1")
    notifying(made["ImageBucket"])
    aws("s3").put_object(Bucket=made["ImageBucket"], Key=KEY, Body=b"pixels")
    for queue in ("ImageQueue", "NextModelQueue"):
        assert images(waiting(made[queue]), made["ImageBucket"]) == [KEY]
