"""Access to the user's AWS account: clients, S3 locations, and AWS errors as usage errors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.errors import UsageError

MAX_CONNECTIONS = 16

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def aws_client(service: str) -> Any:
    """A boto3 client with the environment's credentials and Region. Raises UsageError."""
    config = Config(
        max_pool_connections=MAX_CONNECTIONS,
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "max_attempts": 5},
    )
    with aws_errors_as_usage_errors(f"cannot reach {service}"):
        return boto3.client(service, config=config)


@contextmanager
def aws_errors_as_usage_errors(failure: str) -> Iterator[None]:
    """Raise UsageError for AWS errors: only another account, name or permission helps."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise UsageError(f"{failure}: {error_message(error)}") from error


def stack_outputs(stack: str, cloudformation: Any) -> dict[str, str]:
    """The outputs of a deployed stack by their keys. Raises UsageError."""
    with aws_errors_as_usage_errors(f"cannot read the stack {stack}"):
        stacks = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stacks[0].get("Outputs", [])}


def error_message(error: Exception) -> str:
    """The message of an AWS error in one line, without the name of the operation."""
    message = error.response["Error"].get("Message", "") if isinstance(error, ClientError) else ""
    return " ".join((message or str(error)).split()).rstrip(".")


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket and a key prefix; an empty prefix means the whole bucket."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def key(self, path: str) -> str:
        """The key of a relative path below the prefix, which is treated as a folder."""
        return "/".join(filter(None, (self.prefix.rstrip("/"), path)))


def s3_location(text: str) -> S3Location:
    """Parse `s3://bucket/prefix`. Raises UsageError."""
    scheme, _, rest = text.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not _BUCKET.fullmatch(bucket):
        raise UsageError(f"{text!r} is not a bucket: write s3://bucket or s3://bucket/prefix")
    return S3Location(bucket, prefix)
