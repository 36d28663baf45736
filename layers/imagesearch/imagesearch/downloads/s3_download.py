"""Ranges of objects in S3, for a mirror of model files."""

from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from imagesearch.adapters.s3.client import CREDENTIALS_HINT, NO_CREDENTIALS, client_config
from imagesearch.domain.errors import ConfigurationError, NotFound, Unavailable
from imagesearch.downloads.transfer import PartialResponse, TransferInterrupted

DENIED_HINT = (
    "check that the object exists, and that the bucket's policy and its KMS key, if it has one,"
    " allow these credentials to read it"
)


def default_client() -> Any:
    """A client with the environment's credentials. Raises ConfigurationError."""
    try:
        return boto3.client("s3", config=client_config())
    except BotoCoreError as error:
        raise ConfigurationError(f"cannot read from S3: {error}", CREDENTIALS_HINT) from error


def open_s3_range(s3: Any, url: str, start: int, etag: str | None) -> PartialResponse:
    """GET the object `s3://bucket/key` from byte `start`, if it still has this ETag.

    Raises TransferInterrupted, Unavailable, NotFound, ConfigurationError.
    """
    bucket, _, key = url.removeprefix("s3://").partition("/")
    conditions = {"Range": f"bytes={start}-"} if start else {}
    if start and etag:
        conditions["IfMatch"] = etag
    try:
        response = s3.get_object(Bucket=bucket, Key=key, **conditions)
    except ClientError as error:
        if _status(error) in (412, 416):
            return PartialResponse(-1, None, None, lambda _: iter(()))
        raise _error(url, error) from error
    except NO_CREDENTIALS as error:
        raise ConfigurationError(f"cannot read {url}: {error}", CREDENTIALS_HINT) from error
    except BotoCoreError as error:
        raise TransferInterrupted(f"S3 cannot be reached ({error})", no_connection=True) from error

    def chunks(size: int) -> Iterator[bytes]:
        try:
            yield from response["Body"].iter_chunks(size)
        except (HTTPClientError, BotoCoreError) as error:
            raise TransferInterrupted(f"the connection broke ({error})") from error

    total = start + int(response["ContentLength"])
    return PartialResponse(start, total, response.get("ETag"), chunks)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _error(url: str, error: ClientError) -> Exception:
    status, code = _status(error), str(error.response.get("Error", {}).get("Code", ""))
    if status in (408, 429) or status >= 500:
        return TransferInterrupted(f"S3 returned status {status} ({code})")
    if status == 404:
        return NotFound(f"{url} does not exist ({code})", code="no_such_file")
    if status == 403:
        return ConfigurationError(f"cannot read {url}: {code}", DENIED_HINT, "access_denied")
    return Unavailable(f"cannot download {url} (status {status}, {code})")
