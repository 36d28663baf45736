"""Objects in S3 are downloaded like files over HTTP: resumed, retried, and with clear errors."""

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.response import StreamingBody

from imagesearch.domain.errors import ConfigurationError, NotFound, Unavailable
from imagesearch.downloads.http_download import Downloader
from imagesearch.embedding.model_catalog import Pin

DATA = bytes(range(256)) * 1000
PIN = Pin.model_construct(
    url="s3://mirror/models/clip/x", bytes=len(DATA), sha256=hashlib.sha256(DATA).hexdigest()
)


class CutBody(StreamingBody):  # type: ignore[misc]
    def iter_chunks(self, size: int) -> Any:
        yield self.read(size)
        raise ReadTimeoutError(endpoint_url="https://s3")


class FakeS3:
    """Raises or returns these outcomes in order, then the object."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.requests: list[dict[str, Any]] = []

    def get_object(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        outcome = self.outcomes.pop(0) if self.outcomes else StreamingBody
        if isinstance(outcome, Exception):
            raise outcome
        start = int(request.get("Range", "bytes=0-")[6:-1])
        rest = DATA[start:]
        body = outcome(io.BytesIO(rest), len(rest))
        return {"Body": body, "ContentLength": len(rest), "ETag": '"one"'}


def refused(status: int, code: str) -> ClientError:
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetObject")


def download(s3: FakeS3, to: Path, **options: Any) -> None:
    Downloader(pause=lambda _: None, s3=s3, **options).download(PIN, to)
    assert to.read_bytes() == DATA


def test_a_broken_transfer_resumes_with_the_same_object(tmp_path: Path) -> None:
    s3 = FakeS3(CutBody)
    download(s3, tmp_path / "x")
    assert s3.requests == [
        {"Bucket": "mirror", "Key": "models/clip/x"},
        {"Bucket": "mirror", "Key": "models/clip/x", "Range": "bytes=65536-", "IfMatch": '"one"'},
    ]


def test_an_object_that_changed_is_downloaded_from_the_start(tmp_path: Path) -> None:
    s3 = FakeS3(CutBody, refused(412, "PreconditionFailed"))
    download(s3, tmp_path / "x")
    assert "Range" not in s3.requests[2]


@pytest.mark.parametrize(
    "error", [refused(503, "SlowDown"), refused(500, "InternalError"), refused(429, "TooMany")]
)
def test_a_busy_service_is_retried(error: ClientError, tmp_path: Path) -> None:
    download(FakeS3(error, error), tmp_path / "x")


def test_a_missing_connection_is_retried_as_often_as_allowed(tmp_path: Path) -> None:
    offline = EndpointConnectionError(endpoint_url="https://s3")
    with pytest.raises(Unavailable, match="S3 cannot be reached"):
        download(FakeS3(offline), tmp_path / "x")
    download(FakeS3(offline, offline), tmp_path / "x", connect_retries=2)


@pytest.mark.parametrize(
    ("error", "kind", "message", "hint"),
    [
        (refused(404, "NoSuchKey"), NotFound, "s3://mirror/models/clip/x does not exist", ""),
        (refused(403, "AccessDenied"), ConfigurationError, "AccessDenied", "KMS key"),
        (refused(400, "Other"), Unavailable, "status 400, Other", ""),
        (NoCredentialsError(), ConfigurationError, "credentials", "AWS_PROFILE"),
    ],
)
def test_other_errors_are_not_retried(
    error: Exception, kind: type[Exception], message: str, hint: str, tmp_path: Path
) -> None:
    s3 = FakeS3(error)
    with pytest.raises(kind, match=message) as caught:
        download(s3, tmp_path / "x")
    assert hint in caught.value.hint  # type: ignore[attr-defined]
    assert len(s3.requests) == 1
