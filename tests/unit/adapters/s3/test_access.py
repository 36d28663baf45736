"""Unreadable S3 objects are distinguished from outages and missing permissions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from imagesearch.adapters.s3.access import CUSTOMER_KEY, archive_reason, unreadable_reason
from imagesearch.adapters.s3.client import client_config
from imagesearch.adapters.s3.image_store import S3Store
from imagesearch.domain.errors import Unavailable, UnreadableObject
from imagesearch.domain.images import ImageRef, ObjectState

KEYS = {"aws_access_key_id": "an-id", "aws_secret_access_key": "a-secret"}
A = ImageRef("pictures", "a.jpg")
TIME = datetime(2026, 1, 1, tzinfo=UTC)
STATE = ObjectState("e", TIME, 4)
FOUND = {"ETag": '"e"', "LastModified": TIME, "ContentLength": 4, "Metadata": {}}
SSE_C = (
    "The object was stored using a form of Server Side Encryption."
    " The correct parameters must be provided to retrieve the object."
)
DENIED_BY_KEY = (
    "User: arn:aws:sts::1:assumed-role/index/images is not authorized to perform: kms:Decrypt on"
    " resource: arn:aws:kms:eu-west-1:1:key/k because no identity-based policy allows it"
)
DENIED = (
    "User: arn:aws:sts::1:assumed-role/index/images is not authorized to perform: s3:GetObject on"
    " resource: arn:aws:s3:::pictures/a.jpg because no identity-based policy allows it"
)


@pytest.fixture
def client() -> Any:
    return boto3.client("s3", "eu-west-1", config=client_config(), **KEYS)


@pytest.fixture
def s3(client):
    """A stub of S3 with responses in the order of the requests."""
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ({}, ""),
        ({"StorageClass": "STANDARD_IA"}, ""),
        ({"StorageClass": "GLACIER_IR"}, ""),
        ({"StorageClass": "INTELLIGENT_TIERING"}, ""),
        ({"StorageClass": "GLACIER"}, "archived in GLACIER: restore it first"),
        ({"StorageClass": "DEEP_ARCHIVE"}, "archived in DEEP_ARCHIVE: restore it first"),
        (
            {"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "ARCHIVE_ACCESS"},
            "archived in INTELLIGENT_TIERING, ARCHIVE_ACCESS: restore it first",
        ),
        (
            {"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "DEEP_ARCHIVE_ACCESS"},
            "archived in INTELLIGENT_TIERING, DEEP_ARCHIVE_ACCESS: restore it first",
        ),
        (
            {"StorageClass": "GLACIER", "Restore": 'ongoing-request="true"'},
            "archived in GLACIER: its restore is in progress, it is processed when that ends",
        ),
        (
            {
                "StorageClass": "DEEP_ARCHIVE",
                "Restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"',
            },
            "",
        ),
    ],
)
def test_an_archived_object_is_recognized_by_storage_class_and_restore_status(
    s3, client, head, reason
):
    assert archive_reason(head) == reason
    s3.add_response("head_object", FOUND | head)
    state = S3Store("pictures", client).head(A)
    assert (state.etag, state.unreadable) == ("e", reason)


READ_REFUSED = {
    "archived since it was seen": ("InvalidObjectState", "not valid", 403, "archived"),
    "a key of the uploader": ("InvalidRequest", SSE_C, 400, "SSE-C"),
    "a key that denies": ("AccessDenied", DENIED_BY_KEY, 403, "kms:Decrypt"),
    "a key that denies by name": ("KMS.AccessDeniedException", "no", 403, "kms:Decrypt"),
    "a disabled key": ("KMS.DisabledException", "k is disabled", 400, "enable it"),
    "a key that is gone": ("KMS.NotFoundException", "no k", 400, "another key"),
    "a key on its way out": ("KMS.KMSInvalidStateException", "k", 400, "cancel its deletion"),
    "a key for signing": ("KMS.InvalidKeyUsageException", "k", 400, "another key"),
}


@pytest.mark.parametrize("case", READ_REFUSED)
def test_a_permanently_unreadable_object_is_reported_with_reason_and_hint(s3, client, case):
    code, message, status, hint = READ_REFUSED[case]
    s3.add_client_error("get_object", code, message, status)
    with pytest.raises(UnreadableObject, match=hint):
        S3Store("pictures", client).read(A, STATE)


@pytest.mark.parametrize("encryption", ["aws:kms", "aws:kms:dsse"])
def test_an_object_with_head_but_without_read_access_is_reported_for_its_kms_key(
    s3, client, encryption
):
    s3.add_client_error("get_object", "AccessDenied", "Access Denied", 403)
    s3.add_response("head_object", FOUND | {"ServerSideEncryption": encryption})
    with pytest.raises(UnreadableObject, match="kms:Decrypt"):
        S3Store("pictures", client).read(A, STATE)


def test_a_role_without_head_and_read_access_is_unavailable(s3, client):
    s3.add_client_error("get_object", "AccessDenied", "Access Denied", 403)
    s3.add_client_error("head_object", "403", "Forbidden", 403)
    with pytest.raises(Unavailable, match=r"a\.jpg"):
        S3Store("pictures", client).read(A, STATE)


def test_a_denied_object_without_a_kms_key_is_unavailable(s3, client):
    s3.add_client_error("get_object", "AccessDenied", DENIED, 403)
    s3.add_response("head_object", FOUND | {"ServerSideEncryption": "AES256"})
    with pytest.raises(Unavailable):
        S3Store("pictures", client).read(A, STATE)


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        ("403", "Forbidden", 403),
        ("ExpiredToken", "The provided token has expired.", 400),
        ("RequestTimeout", "idle", 400),
        ("AuthorizationHeaderMalformed", "the region is wrong", 400),
        ("InvalidRequest", "Missing required header", 400),
        ("SlowDown", "reduce your request rate", 503),
        ("InternalError", "try again", 500),
    ],
)
def test_temporary_and_bucket_wide_errors_are_not_object_errors(code, message, status):
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    assert unreadable_reason(ClientError(answer, "GetObject")) == ""


def test_a_forbidden_head_is_unavailable_for_any_object(s3, client):
    s3.add_client_error("head_object", "403", "Forbidden", 403)
    with pytest.raises(Unavailable):
        S3Store("pictures", client).head(A)


def test_an_object_with_a_customer_key_is_recognized_from_the_listing(s3, client):
    s3.add_client_error("head_object", "400", "Bad Request", 400)
    s3.add_client_error("get_object", "InvalidRequest", SSE_C, 400)
    listed = {"Key": "a.jpg", "ETag": '"e"', "Size": 4, "LastModified": TIME}
    requested = {"Bucket": "pictures", "Prefix": "a.jpg", "MaxKeys": 1}
    s3.add_response("list_objects_v2", {"Contents": [listed]}, requested)
    state = S3Store("pictures", client).head(A)
    assert state == ObjectState("e", TIME, 4, unreadable=CUSTOMER_KEY)


@pytest.mark.parametrize("contents", [[], [{"Key": "a.jpg.bak", "ETag": '"e"', "Size": 4}]])
def test_an_object_deleted_before_it_was_listed_is_none(s3, client, contents):
    s3.add_client_error("head_object", "400", "Bad Request", 400)
    s3.add_client_error("get_object", "InvalidRequest", SSE_C, 400)
    s3.add_response("list_objects_v2", {"Contents": contents})
    assert S3Store("pictures", client).head(A) is None


@pytest.mark.parametrize("code", ["ExpiredToken", "AuthorizationHeaderMalformed"])
def test_a_bad_request_of_another_kind_is_unavailable(s3, client, code):
    s3.add_client_error("head_object", "400", "Bad Request", 400)
    s3.add_client_error("get_object", code, "no", 400)
    with pytest.raises(Unavailable):
        S3Store("pictures", client).head(A)


@mock_aws
@pytest.mark.parametrize("storage", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_object_archived_during_the_read_is_rejected(storage):
    client = boto3.client("s3", "eu-west-1", config=client_config(), **KEYS)
    place = {"LocationConstraint": "eu-west-1"}
    client.create_bucket(Bucket="pictures", CreateBucketConfiguration=place)
    location = {"Bucket": "pictures", "Key": "a.jpg", "Body": b"data"}
    client.put_object(**location)
    store = S3Store("pictures", client)
    state = store.head(A)
    client.put_object(**location, StorageClass=storage)
    with pytest.raises(UnreadableObject, match="restore"):
        store.read(A, state)
