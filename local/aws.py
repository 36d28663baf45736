"""The user's AWS account, and what it refuses, in a sentence.

`s3://bucket/prefix` as it is typed.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.errors import UsageError

CONNECTIONS = 16


def aws_client(service: str) -> Any:
    """A client with the credentials and the Region of the environment. Raises WrongUsage."""
    config = Config(
        max_pool_connections=CONNECTIONS,
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "max_attempts": 5},
    )
    with in_a_sentence(f"cannot reach {service}"):
        return boto3.client(service, config=config)


@contextmanager
def in_a_sentence(what_failed: str) -> Iterator[None]:
    """Turns AWS's errors into WrongUsage: nothing but another account, name or right helps."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise UsageError(f"{what_failed}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """What AWS said, in one line and without the name of the call."""
    said = error.response["Error"].get("Message", "") if isinstance(error, ClientError) else ""
    return " ".join((said or str(error)).split()).rstrip(".")


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket, and what the keys begin with; an empty prefix is all of the bucket."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def key(self, path: str) -> str:
        """The key of a file at this path, below the prefix as below a folder."""
        return "/".join(filter(None, (self.prefix.rstrip("/"), path)))


def s3_location(text: str) -> S3Location:
    """Raises WrongUsage."""
    scheme, _, rest = text.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not _BUCKET.fullmatch(bucket):
        raise UsageError(f"{text!r} is no bucket: say s3://bucket or s3://bucket/prefix")
    return S3Location(bucket, prefix)
