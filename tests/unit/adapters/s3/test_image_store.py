"""S3 objects are read in the state of the head request, or not at all."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from botocore.stub import Stubber
from moto import mock_aws

from imagesearch.adapters.s3.client import client_config
from imagesearch.adapters.s3.image_store import S3Store
from imagesearch.domain.errors import ObjectChanged, Unavailable
from imagesearch.domain.images import ImageRef, ObjectState

BUCKET = "pictures"
KEYS = {"aws_access_key_id": "an-id", "aws_secret_access_key": "a-secret"}


def ref(key: str) -> ImageRef:
    return ImageRef(BUCKET, key)


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", "eu-west-1", config=client_config(), **KEYS)
        client.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield client


@pytest.fixture
def store(s3) -> S3Store:
    return S3Store(BUCKET, s3)


@pytest.fixture
def put(s3, store):
    def put(key: str, data: bytes = b"data", **more: Any) -> ObjectState:
        s3.put_object(Bucket=BUCKET, Key=key, Body=data, **more)
        return store.head(ref(key))

    return put


def test_head_returns_etag_time_size_and_metadata(put):
    state = put("a.jpg", b"data", Metadata={"Camera": "X100"})
    assert state.etag == "8d777f385d3dfec8815d20f7496026dc"
    assert state.size == 4
    assert state.last_modified.utcoffset().total_seconds() == 0
    assert state.metadata == {"camera": "X100"}


def test_a_missing_object_is_none(store):
    assert store.head(ref("gone.jpg")) is None


@pytest.mark.parametrize(
    "key", ["a b.jpg", "50%.jpg", "a+b.jpg", "más/🐈.jpg", "a//b.jpg", "../x.jpg"]
)
def test_keys_are_not_decoded(store, put, key):
    state = put(key)
    assert store.read(ref(key), state) == b"data"
    assert [found.key for found, _ in store.list_images()] == [key]


def test_only_the_first_bytes_of_an_object_are_read(store, put):
    assert store.read(ref("a.jpg"), put("a.jpg", b"0123456789"), 4) == b"0123"


def test_an_object_smaller_than_the_range_is_read_completely(store, put):
    assert store.read(ref("a.jpg"), put("a.jpg", b"01"), 32) == b"01"


def test_an_overwritten_object_is_not_read_in_its_older_state(store, put):
    state = put("a.jpg", b"old")
    put("a.jpg", b"new")
    for first in (None, 2):
        with pytest.raises(ObjectChanged):
            store.read(ref("a.jpg"), state, first)


def test_an_object_that_was_deleted_has_changed(s3, store, put):
    state = put("a.jpg")
    s3.delete_object(Bucket=BUCKET, Key="a.jpg")
    with pytest.raises(ObjectChanged):
        store.read(ref("a.jpg"), state)


@pytest.mark.parametrize("status", [400, 403, 500, 503])
def test_any_other_error_is_retryable(status):
    client = boto3.client("s3", "eu-west-1", **KEYS)
    store = S3Store(BUCKET, client)
    state = ObjectState("etag", None, 1)  # type: ignore[arg-type]
    with Stubber(client) as stub:
        for operation in ("head_object", "get_object", "list_objects_v2"):
            stub.add_client_error(operation, http_status_code=status)
        with pytest.raises(Unavailable, match=r"s3://pictures/a\.jpg") as raised:
            store.head(ref("a.jpg"))
        assert "role" in raised.value.hint
        with pytest.raises(Unavailable):
            store.read(ref("a.jpg"), state)
        with pytest.raises(Unavailable, match="pictures"):
            list(store.list_images())


def test_a_network_failure_is_retryable():
    class Down:
        def head_object(self, **_: str) -> None:
            raise EndpointConnectionError(endpoint_url="https://s3.test")

    with pytest.raises(Unavailable):
        S3Store(BUCKET, Down()).head(ref("a.jpg"))


def test_a_listing_reads_all_pages():
    client = boto3.client("s3", "eu-west-1", **KEYS)
    more = {"ETag": '"e"', "Size": 4, "LastModified": datetime(2026, 3, 1, 12, 0, 0, 5000, UTC)}
    first = {"Contents": [{"Key": "1.jpg", **more}], "IsTruncated": True}
    first |= {"NextContinuationToken": "on"}
    with Stubber(client) as stub:
        stub.add_response("list_objects_v2", first, {"Bucket": BUCKET})
        second = {"Bucket": BUCKET, "ContinuationToken": "on"}
        stub.add_response("list_objects_v2", {"Contents": [{"Key": "2.jpg", **more}]}, second)
        state = ObjectState("e", datetime(2026, 3, 1, 12, 0, 0, 0, UTC), 4)
        listed = [(ref("1.jpg"), state), (ref("2.jpg"), state)]
        assert list(S3Store(BUCKET, client).list_images()) == listed


def test_a_listing_is_in_the_order_of_the_key_bytes(store, put):
    names = ["a/1.jpg", "a!.jpg", "a.jpg", "B.jpg", "é.jpg", "～.jpg", "🐈.jpg"]
    for key in names:
        put(key)
    assert [found.key for found, _ in store.list_images()] == sorted(names, key=str.encode)
    assert [found.key for found, _ in store.list_images("a.jpg")] == [
        "a/1.jpg",
        "é.jpg",
        "～.jpg",
        "🐈.jpg",
    ]


def test_a_listing_returns_the_state_of_head_without_metadata(store, put):
    state = put("a.jpg", Metadata={"camera": "X100"})
    assert list(store.list_images()) == [(ref("a.jpg"), replace(state, metadata={}))]


def test_urls_are_signed_for_their_region_and_expire(store):
    url = urlsplit(store.url(ref("a b/más.jpg")))
    assert url.hostname == "pictures.s3.eu-west-1.amazonaws.com"
    assert url.path == "/a%20b/m%C3%A1s.jpg"
    query = parse_qs(url.query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["900"]


def test_there_is_no_url_without_credentials():
    class Unsigned:
        def generate_presigned_url(self, *_: object, **__: object) -> str:
            raise NoCredentialsError

    with pytest.raises(Unavailable):
        S3Store(BUCKET, Unsigned()).url(ref("a.jpg"))


def test_tags_are_metadata_if_enabled(s3, put):
    put("a.jpg", Metadata={"camera": "X100"}, Tagging="album=2024&tag.x=%C3%BC")
    expected = {"camera": "X100", "tag.album": "2024", "tag.tag.x": "ü"}
    assert S3Store(BUCKET, s3, tags=True).head(ref("a.jpg")).metadata == expected
    assert S3Store(BUCKET, s3).head(ref("a.jpg")).metadata == {"camera": "X100"}
    assert S3Store(BUCKET, s3, tags=True).head(ref("gone.jpg")) is None


@pytest.fixture
def store_without_tags() -> Iterator[Callable[[str, int], S3Store]]:
    """A store that finds an object and gets this error, a code and an HTTP status, for its tags."""
    client = boto3.client("s3", "eu-west-1", config=client_config(), **KEYS)
    modified = datetime(2026, 1, 1, tzinfo=UTC)
    head = {"ETag": '"e"', "LastModified": modified, "ContentLength": 1, "Metadata": {}}
    with Stubber(client) as stub:

        def make(code: str, status: int) -> S3Store:
            stub.add_response("head_object", head)
            stub.add_client_error("get_object_tagging", code, http_status_code=status)
            return S3Store(BUCKET, client, tags=True)

        yield make


def test_an_object_deleted_before_its_tags_are_read_is_none(store_without_tags):
    assert store_without_tags("NoSuchKey", 404).head(ref("a.jpg")) is None


def test_tags_without_read_permission_are_unavailable(store_without_tags):
    store = store_without_tags("AccessDenied", 403)
    with pytest.raises(Unavailable, match=r"pictures/a\.jpg"):
        store.head(ref("a.jpg"))
