"""The S3 client of the adapters with its settings, and the HTTP status of an error."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
)

MAX_CONNECTIONS = 16
NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, TokenRetrievalError)
CREDENTIALS_HINT = "set AWS_PROFILE or other AWS credentials"


def client_config() -> Config:
    """Signature version 4 and the regional endpoint: presigned URLs are valid in every region."""
    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
        max_pool_connections=MAX_CONNECTIONS,
        connect_timeout=3,
        read_timeout=20,
        retries={"mode": "standard", "max_attempts": 4},
    )


def s3_client() -> tuple[Any, Any]:
    """A client of the default session, and the session's credentials, None if there are none."""
    client = boto3.client("s3", config=client_config())
    session = boto3.DEFAULT_SESSION  # created by the call above
    return client, session.get_credentials() if session else None


def status_of(error: Exception) -> int | None:
    if not isinstance(error, ClientError):
        return None
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return int(status) if status else None
