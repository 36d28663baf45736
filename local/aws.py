"""The user's AWS account, and what it refuses, in a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.errors import WrongUsage

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
        raise WrongUsage(f"{what_failed}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """What AWS said, in one line and without the name of the call."""
    said = error.response["Error"].get("Message", "") if isinstance(error, ClientError) else ""
    return " ".join((said or str(error)).split()).rstrip(".")
