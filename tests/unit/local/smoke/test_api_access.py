"""Claims: requests to the API are signed for API Gateway, and other hosts get no credentials."""

import re
from typing import Any
from urllib.parse import parse_qsl, quote

import boto3
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.errors import UsageError
from local.smoke.api_access import access_with_iam, access_with_key

URL = "https://a1b2.execute-api.eu-west-1.amazonaws.com/live"


class Recorder(httpx.BaseTransport):
    """Records requests and responds with an empty list."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200, json={"images": [], "cursor": None})


@pytest.fixture
def sent() -> Recorder:
    return Recorder()


@pytest.fixture
def session() -> Any:
    return boto3.Session("AKIDEXAMPLE", "secret", "token", region_name="us-east-1")


def expected_signature(request: httpx.Request) -> str:
    """The signature of a request with its query as AWS requires it: spaces are %20."""
    pairs = sorted(parse_qsl(request.url.query.decode()))
    query = "&".join(f"{quote(name, '-_.~')}={quote(value, '-_.~')}" for name, value in pairs)
    signed = AWSRequest(
        request.method, f"{str(request.url).partition('?')[0]}?{query}", data=request.content
    )
    signed.context["timestamp"] = request.headers["x-amz-date"]
    for name in ("host", "x-amz-date", "x-amz-security-token"):
        signed.headers[name] = request.headers[name]
    auth = SigV4Auth(Credentials("AKIDEXAMPLE", "secret", "token"), "execute-api", "eu-west-1")
    return auth.signature(auth.string_to_sign(signed, auth.canonical_request(signed)), signed)


def test_a_request_is_signed_for_the_region_in_the_host_name(sent, session):
    access = access_with_iam(f"{URL}/v1", session, sent)
    assert list(access.api.images(prefix="a b/c+é~")) == []
    [request] = sent.requests
    scope = re.search(r"Credential=AKIDEXAMPLE/\d{8}/([^,]+)", request.headers["authorization"])
    assert scope
    assert scope[1] == "eu-west-1/execute-api/aws4_request"
    assert request.headers["x-amz-security-token"] == "token"
    assert request.headers["authorization"].endswith(expected_signature(request))
    access.close()


def test_requests_to_be_refused_have_no_valid_credentials(sent, session):
    access = access_with_iam(URL, session, sent)
    for request in access.refusable.values():
        request()
    unsigned, forged = sent.requests
    assert "authorization" not in unsigned.headers
    assert not forged.headers["authorization"].endswith(expected_signature_or_none(forged))
    access.close()


def expected_signature_or_none(request: httpx.Request) -> str:
    request.headers.setdefault("x-amz-security-token", "token")
    return expected_signature(request)


def test_a_bucket_receives_no_credentials(sent, session):
    with_iam, with_key = access_with_iam(URL, session, sent), access_with_key(URL, "key", sent)
    for access in (with_iam, with_key):
        access.fetch("https://photos.s3.amazonaws.com/a.jpg?X-Amz-Signature=1")
        access.close()
    for request in sent.requests:
        assert not {"authorization", "x-api-key"} & set(request.headers)


def test_files_of_a_local_server_are_fetched_with_the_key(sent):
    access = access_with_key("http://127.0.0.1:8000", "key", sent)
    access.fetch("/files/a.jpg")
    [request] = sent.requests
    assert str(request.url) == "http://127.0.0.1:8000/files/a.jpg"
    assert request.headers["x-api-key"] == "key"


def test_missing_credentials_are_reported(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UsageError, match="--iam needs AWS credentials"):
        access_with_iam(URL)
