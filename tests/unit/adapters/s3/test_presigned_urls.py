"""Presigned URLs are those of botocore."""

from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesearch.adapters.s3.client import client_config
from imagesearch.adapters.s3.presigned_urls import URL_SECONDS, PresignedUrls


def session(token: str | None = None) -> boto3.Session:
    return boto3.Session("ASIAEXAMPLE", "a/secret+", token, "eu-west-1")


SESSIONS = [session(), session("a+token/of=several== characters")]
CLIENTS = [(each.client("s3", config=client_config()), each.get_credentials()) for each in SESSIONS]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
    | st.sampled_from(["a b+c%41é.jpg", "~/./..//x?y&z=1#f", "/a", "日本/🐼.heic"]),
    bucket=st.sampled_from(["pictures", "with.dots"]),
    connection=st.sampled_from(CLIENTS),
)
def test_a_url_is_that_of_botocore(key, bucket, connection):
    client, credentials = connection
    expected = client.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=URL_SECONDS
    )
    parameters = parse_qs(urlsplit(expected).query)
    signed_at = datetime.strptime(parameters["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    found = PresignedUrls(client, credentials, lambda: signed_at).url(bucket, key)
    assert urlsplit(found)[:3] == urlsplit(expected)[:3]
    assert parse_qs(urlsplit(found).query) == parameters


def test_botocore_signs_once_for_a_page_of_urls():
    """It takes a millisecond for each."""
    [client, credentials] = CLIENTS[0]
    signed = []

    def generate_presigned_url(*given: object, **named: object) -> str:
        signed.append(given)
        return str(client.generate_presigned_url(*given, **named))

    counting = SimpleNamespace(meta=client.meta, generate_presigned_url=generate_presigned_url)
    urls = PresignedUrls(counting, credentials)
    assert len({urls.url("pictures", f"{number}.jpg") for number in range(200)}) == 200
    assert len(signed) == 1


def test_renewed_credentials_sign_the_next_url():
    [client, _] = CLIENTS[1]
    fresh = [session("old"), session("new")]
    renewed = SimpleNamespace(
        get_frozen_credentials=lambda: fresh.pop(0).get_credentials().get_frozen_credentials()
    )
    urls = PresignedUrls(client, renewed)
    assert "X-Amz-Security-Token=old&" in urls.url("pictures", "a.jpg")
    assert "X-Amz-Security-Token=new&" in urls.url("pictures", "a.jpg")


def test_without_credentials_the_error_is_that_of_botocore():
    def unsigned(*_: object, **__: object) -> str:
        raise NoCredentialsError

    with pytest.raises(NoCredentialsError):
        PresignedUrls(SimpleNamespace(generate_presigned_url=unsigned)).url("pictures", "a.jpg")
